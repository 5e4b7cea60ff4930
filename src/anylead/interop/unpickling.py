"""Read a checkpoint written by `torch.save` without running anything that is inside it.

torch's own restricted reader does the work. Names that it does not know are looked at before
anything is read: the few kinds of settings that old training programs left in their files
(argparse, omegaconf, numpy scalars) become inert records, any other name refuses the file.
"""

import pickle
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anylead.errors import CheckpointError


class Inert:
    """Stands where the file wants an object of some class; keeps its data and does nothing."""

    state: dict[str, Any]

    def __new__(cls, *args: Any) -> "Inert":
        self = super().__new__(cls)
        self.state = {}
        return self

    def __init__(self, *args: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def _empty_dict(*_: Any) -> dict[Any, Any]:
    return {}


def _none(*_: Any) -> None:
    return None


_ALLOWED: dict[str, Any] = {
    "argparse.Namespace": Namespace,
    "collections.defaultdict": _empty_dict,
    "typing.Any": Inert,
    "typing.Union": Inert,
    "numpy.ndarray": Inert,
    "numpy.dtype": Inert,
    **{f"builtins.{kind.__name__}": kind for kind in (bool, dict, float, int, list, str, tuple)},
    # Metrics that training left behind: numbers nobody needs to use the weights.
    **{
        f"numpy.{core}.multiarray.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (("scalar", _none), ("_reconstruct", Inert))
    },
}
# Settings classes of the programs that write such files: kept as inert records.
_INERT_PREFIXES = (
    *("omegaconf.", "fairseq_signals.", "fairseq.", "numpy.dtypes."),
    *("hubert_ecg.", "transformers.", "lightning.", "pytorch_lightning.", "pathlib."),
)


def read_torch_file(path: Path) -> dict[str, Any]:
    """The top level of a checkpoint: tensors stay on disk until they are used.

    Args:
        path: a file written by `torch.save`.

    Returns:
        Its dictionary; settings are plain dicts, lists and numbers.

    Raises:
        CheckpointError: missing, cut off, no such file, or holding names beyond the allow-list.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; want a checkpoint written by torch.save")
    allowed = _allowed_names(path)
    try:
        with torch.serialization.safe_globals(allowed):
            content = _load(path)
        plain = {key: _plain(value) for key, value in dict(content).items()}
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: no checkpoint of tensors and settings written by torch.save; nothing in it"
            " was run"
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: damaged, cut off or no torch checkpoint ({reason}); download it again"
        ) from error
    except (TypeError, AttributeError, IndexError, AssertionError) as error:
        raise CheckpointError(f"{path}: no checkpoint of a training program ({error})") from error
    return plain


def _load(path: Path) -> Any:
    try:
        return _load_quietly(path, mmap=True)
    except RuntimeError as error:
        if "mmap can only be used" not in str(error):
            raise
        # Written before torch 1.6: no zip file, so it must be read as a whole.
        return _load_quietly(path, mmap=False)


def _load_quietly(path: Path, mmap: bool) -> Any:
    with warnings.catch_warnings():
        # Files of other programs are pickled by other protocols; the reader knows them.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


def _allowed_names(path: Path) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """(stand-in, name) for the names in a file; scanning the opcodes runs nothing."""
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # the reader itself will say what is wrong with the file
        found = list(_ALLOWED)
    names: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = []
    refused = []
    for name in found:
        if name in _ALLOWED:
            names.append((_ALLOWED[name], name))
        elif name.startswith(_INERT_PREFIXES):
            names.append((Inert, name))
        else:
            refused.append(name)
    if refused:
        raise CheckpointError(
            f"{path}: wants to run {', '.join(sorted(refused)[:3])}, which no checkpoint needs;"
            " refused, nothing in it was run"
        )
    return names


def _plain(value: Any) -> Any:
    """Settings as plain data; tensors pass unchanged."""
    if isinstance(value, Namespace):
        return _plain(vars(value))
    if isinstance(value, Inert):
        if "_content" in value.state:
            return _plain(value.state["_content"])
        return _plain(value.state.get("_val"))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, Tensor | str | int | float | bool | None) else None
