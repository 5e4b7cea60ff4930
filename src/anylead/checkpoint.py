"""A model on disk: one safetensors file with its description inside, and a readable copy beside it.

`model.safetensors` holds the weights and, in its header, everything needed to use them: the
architecture, the preprocessing, the labels and where it all came from. `model.json` is the same
description for people to read. Nothing is ever pickled.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from anylead import __version__
from anylead.errors import CheckpointError

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


@dataclass(frozen=True)
class Checkpoint:
    """Weights and their description.

    Attributes:
        tensors: name -> weights; names start with "encoder.", "local." or "head.".
        description: "kind" ("pretraining", "classification", "identification"), "encoder" (see
            `anylead.models.build_encoder`), "preprocess", and by kind "local", "labels", ...
    """

    tensors: dict[str, Tensor]
    description: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors below `name.`, without that prefix."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): value
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }


def save_checkpoint(
    folder: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]
) -> Path:
    """Write a checkpoint; a crash or a full disk leaves the previous one as it was.

    Returns:
        The weights file.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    full = {"format": FORMAT, "anylead": __version__, **description}
    text = json.dumps(full, indent=2, sort_keys=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(folder / WEIGHTS, save(contiguous, metadata={"anylead": text}))
    write_atomically(folder / DESCRIPTION, text.encode())
    return folder / WEIGHTS


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder, or its weights file.

    Raises:
        CheckpointError: missing, damaged, or not written by anylead.
    """
    path = folder / WEIGHTS if folder.is_dir() else folder
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {WEIGHTS} there; want a folder written by anylead")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("anylead")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error})") from error
    if text is None:
        raise CheckpointError(f"{path}: has no anylead description; use `anylead convert` first")
    description = json.loads(text)
    if description.get("format") != FORMAT:
        found = description.get("format")
        raise CheckpointError(
            f"{path}: format {found}, this version reads {FORMAT}; update anylead"
        )
    return Checkpoint(tensors, description)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then rename: it is there whole or not at all.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        reason = error.strerror or error
        raise CheckpointError(f"{path}: {reason}; what was there before is kept") from error
