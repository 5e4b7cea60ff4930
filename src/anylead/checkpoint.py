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
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from anylead import __version__
from anylead.errors import AnyleadError, CheckpointError
from anylead.preprocessing import PreprocessConfig
from anylead.store.unfinished import remove_leftovers, unfinished

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
_LONGEST_LIST = 10_000
_LONGEST_TEXT = 4 * 2**20
_Name = Annotated[str, Field(max_length=1000)]
# By lead set and label; checkpoints of before hold one for each label.
_Thresholds = list[float] | dict[_Name, dict[_Name, float]] | None


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Data(_Part):
    store: str = ""
    scheme: str = "auto"


class _FittedWith(_Part):
    data: _Data | None = None


class _Provenance(_Part):
    recipe: _FittedWith | None = None


class _Description(_Part):
    """What a description must hold to be used; what else it holds is kept as it is."""

    format: Literal[1]
    kind: _Name = "pretraining"
    encoder: dict[str, Any]
    preprocess: PreprocessConfig | None = None
    segment_seconds: Annotated[float, Field(gt=0, le=86_400)] = 5.0
    label_names: Annotated[list[_Name], Field(max_length=100_000)] | None = None
    thresholds: _Thresholds = None
    cinc_thresholds: _Thresholds = None
    calibration: dict[_Name, dict[_Name, list[float]]] | None = None
    scores: dict[_Name, dict[_Name, Any]] | None = None
    training: dict[str, Any] | None = None
    task: _Name | None = None
    leads: _Name | Annotated[list[_Name], Field(max_length=100)] | None = None
    join: _Name | dict[str, _Name] | None = None
    local: dict[str, Any] | None = None
    provenance: _Provenance | None = None
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Weights and their description.

    Attributes:
        tensors: name -> weights; names start with "encoder.", "local." or "head.".
        description: "kind" ("pretraining", or a name in `TASKS`), "encoder" (see
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
            tensors = {name: _widened(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error})") from error
    if text is None:
        raise CheckpointError(f"{path}: has no anylead description; use `anylead convert` first")
    description = parse_description(text, str(path))
    check_finite(tensors, str(path))
    return Checkpoint(tensors, description)


def _widened(tensor: Tensor) -> Tensor:
    """Weights that were published in half precision, as those that a model computes with."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def parse_description(text: str, where: str) -> dict[str, Any]:
    """The text of `model.json`, once its parts are known to be of the right kind and size.

    Raises:
        CheckpointError: no JSON, of another version, or a part is missing or cannot be meant so.
    """
    if len(text) > _LONGEST_TEXT:
        raise CheckpointError(f"{where}: a description of {len(text)} letters; damaged")
    try:
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: its description is no JSON ({error})") from None
    if not isinstance(description, dict):
        raise CheckpointError(f"{where}: its description is no JSON object; damaged")
    if description.get("format") != FORMAT:
        found = str(description.get("format"))[:40]
        raise CheckpointError(
            f"{where}: format {found}, this version reads {FORMAT}; update anylead"
        )
    _check_lengths(description.get("encoder"), where)
    try:
        checked = _Description.model_validate_json(text)
    except ValidationError as error:
        raise CheckpointError(f"{where}: {first_problem(error)}; damaged") from None
    except AnyleadError as error:
        raise CheckpointError(f"{where}: preprocess: {error}") from None
    rate = checked.preprocess.sample_rate if checked.preprocess else 1.0
    samples = checked.segment_seconds * rate
    if checked.preprocess and not 1 <= samples <= 10**9:
        raise CheckpointError(f"{where}: segments of {samples:g} samples; damaged")
    thresholds, names = checked.thresholds, checked.label_names or []
    if isinstance(thresholds, list) and thresholds and len(thresholds) != len(names):
        raise CheckpointError(f"{where}: {len(thresholds)} thresholds for {len(names)} labels")
    return description


def _check_lengths(encoder: Any, where: str) -> None:
    """Refuse lists that no encoder has, before any of their items is looked at."""
    for name, value in encoder.items() if isinstance(encoder, dict) else ():
        if isinstance(value, list) and len(value) > _LONGEST_LIST:
            raise CheckpointError(f"{where}: encoder.{name[:60]} of {len(value)} parts; damaged")


def first_problem(error: ValidationError, longest: int = 60) -> str:
    """The first thing that pydantic found, in one line, with the value as far as it fits."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"])) or "it"
    value = repr(problem["input"]) if isinstance(problem["input"], str | int | float) else ""
    told = f" ({value[:longest]})" if value else ""
    return f"{place}: {problem['msg'].lower()}{told}"


def check_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are NaN or infinite.

    Raises:
        CheckpointError: naming the first.
    """
    for name, tensor in tensors.items():
        # The sum is NaN or infinite if any of them is, and takes one look at each.
        if tensor.is_floating_point() and not torch.isfinite(tensor.sum(dtype=torch.float64)):
            raise CheckpointError(f"{where}: {name} holds NaN or infinite numbers; damaged")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all; what killed writers of it left is removed.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written.
    """
    temporary = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path}: {reason}; what was there before is kept") from error
    finally:
        temporary.unlink(missing_ok=True)
