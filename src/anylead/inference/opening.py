"""From what a user names - a folder, a file, an address, a public encoder - to a checkpoint."""

import logging
from pathlib import Path

from anylead.checkpoint import Checkpoint, load_checkpoint
from anylead.errors import CheckpointError
from anylead.interop import hub
from anylead.interop.fairseq_signals import Hints, read_fairseq_signals
from anylead.interop.published import PUBLISHED, licence_line, read_published

_log = logging.getLogger(__name__)


def open_checkpoint(
    source: str | Path, weights: str | Path | None = None, hints: Hints | None = None
) -> tuple[Checkpoint, Path]:
    """Find and read a model; the licence of somebody else's weights is told.

    Args:
        source: a folder written by anylead, an address on the hub, a foreign file, or, with
            `weights`, the name of a public encoder.
        weights: the file of that encoder, or its address.
        hints: what a foreign file does not say; its preset may be the name of a public encoder.

    Raises:
        CheckpointError: there is no such model, or something about it is in doubt.
    """
    hints = hints or Hints()
    name, file = _name_and_file(source, weights, hints.preset)
    path = hub.pull(str(file)) if hub.is_remote(file) else Path(file)
    if name is not None:
        if hints.num_heads is not None or hints.pretrained is not None:
            raise CheckpointError(f"{name}: num_heads= and pretrained= are for fairseq-signals")
        checkpoint = read_published(name, path, hints.label_names, hints.preprocess)
    elif path.is_dir() or path.suffix == ".safetensors":
        if hints != Hints():
            raise CheckpointError(
                f"{source}: says all about itself; preset=, num_heads=, label_names=, pretrained="
                " and preprocess= are for foreign files"
            )
        checkpoint = load_checkpoint(path)
    else:
        checkpoint = read_fairseq_signals(path, hints)
    line = licence_line(checkpoint.description)
    if line is not None:
        _log.warning(line)
    return checkpoint, path


def _name_and_file(
    source: str | Path, weights: str | Path | None, preset: str | None
) -> tuple[str | None, str | Path]:
    """The public encoder that is meant, if one is, and where its weights lie."""
    if weights is not None:
        if source not in PUBLISHED:
            known = ", ".join(PUBLISHED)
            raise CheckpointError(f"{source}: no public encoder; weights= is for {known}")
        return str(source), weights
    if preset in PUBLISHED:
        return preset, source
    if source in PUBLISHED and not Path(source).exists():
        raise CheckpointError(
            f"{source}: say weights=, a file or an hf:// address; published at"
            f" {PUBLISHED[str(source)].weights}"
        )
    return None, source
