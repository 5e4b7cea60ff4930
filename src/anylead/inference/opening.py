"""From what a user names - also a public encoder and its file - to a checkpoint."""

import logging
from pathlib import Path

from anylead.checkpoint import Checkpoint
from anylead.errors import CheckpointError, known_are
from anylead.inference import named
from anylead.interop import hub
from anylead.interop.fairseq_signals import Hints
from anylead.interop.published import PUBLISHED, check_preset, licence_line, read_published

_log = logging.getLogger(__name__)


def open_checkpoint(
    source: str | Path, weights: str | Path | None = None, hints: Hints | None = None
) -> tuple[Checkpoint, Path]:
    """Find and read a model; the licence of somebody else's weights is told.

    Args:
        source: as for `named.find`, or, with `weights`, the name of a public encoder.
        weights: the file of that encoder, or its address.
        hints: what a foreign file does not say; its preset may be the name of a public encoder.

    Raises:
        CheckpointError: there is no such model, or something about it is in doubt.
    """
    if not isinstance(source, str | Path):
        raise CheckpointError(f"model {source!r}; want a name, a folder or a file")
    hints = hints or Hints()
    name, file = _name_and_file(source, weights, hints.preset)
    if name is None:
        checkpoint, path = named.open_checkpoint(source, hints)
    elif hints.num_heads is not None or hints.pretrained is not None:
        raise CheckpointError(f"{name}: num_heads= and pretrained= are for fairseq-signals")
    else:
        path = hub.pull(str(file)) if hub.is_remote(file) else Path(file)
        checkpoint = read_published(name, path, hints.label_names, hints.preprocess)
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
            raise CheckpointError(
                f"{source}: no public encoder{known_are(str(source), PUBLISHED)}; weights= is the"
                " file of one"
            )
        return str(source), weights
    check_preset(preset)
    if preset in PUBLISHED:
        return preset, source
    return None, source
