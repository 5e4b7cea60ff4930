"""Whether the files of a store are still what was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from anylead.errors import StoreError
from anylead.store.location import Location, file_sha256
from anylead.store.manifest import INDEX_FILE, PARTS, Manifest

REMEDY = "copy the store again or prepare it again"


def verify_files(location: Location, manifest: Manifest) -> None:
    """Compare every file of a store with its hash.

    Raises:
        StoreError: naming all that differ or cannot be read.
    """
    is_joined = PARTS in manifest.settings  # the index of each part was compared at opening
    expected = {} if is_joined else {INDEX_FILE: manifest.index_sha256}
    expected |= {shard.name: shard.sha256 for shard in manifest.shards}
    damaged = []
    for name, digest in expected.items():
        try:
            if file_sha256(location.file(name, digest)) != digest:
                damaged.append(name)
        except OSError as error:
            damaged.append(f"{name} ({error.strerror})")
    if damaged:
        is_one = len(damaged) == 1
        names = ", ".join(damaged[:10]) + (", ..." if len(damaged) > 10 else "")
        what = f"{names} is damaged" if is_one else f"{len(damaged)} files are damaged ({names})"
        raise StoreError(f"{location}: {what}; {REMEDY}")


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Refuse a store with a shard that is missing or cut off, without reading it."""
    for shard in manifest.shards:
        path = folder / shard.name
        found = path.stat().st_size if path.is_file() else None
        if found != shard.num_bytes:
            size = "missing" if found is None else f"{found} bytes, want {shard.num_bytes}"
            raise StoreError(f"{path}: {size}; copy the store again or prepare it again")


@contextmanager
def damage_is_a_store_error(path: str) -> Iterator[None]:
    """What arrow raises about a file that it cannot make sense of."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read ({error}); {REMEDY}") from None
