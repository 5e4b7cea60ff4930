"""What a notebook shows of a store."""

from collections.abc import Sequence

from anylead.notebook import table
from anylead.store.manifest import Manifest


def as_html(location: str, manifest: Manifest, measurements: Sequence[str]) -> str:
    """A small table of what is in a store."""
    size = sum(shard.num_bytes for shard in manifest.shards)
    told = {
        "recordings": f"{manifest.num_records:,} of {manifest.name}, {size / 1e6:,.0f} MB",
        "left out": f"{manifest.num_rejected:,}" if manifest.num_rejected else None,
        "patients": "known" if manifest.has_patients else "not known of all",
        "sample rate": f"{manifest.sample_rate:g} Hz",
        **{f"labels: {task}": _listed(names) for task, names in manifest.label_names.items()},
        "measurements": ", ".join(measurements) or None,
        "note": manifest.note or None,
    }
    return table(f"Store {location}", told)


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
