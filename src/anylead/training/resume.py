"""The state of a run on disk: one safetensors file per kept step, each written as a whole.

With batches and dropout that are functions of the step, this is weights, optimizer moments and the
step: it does not depend on the number of ranks, nor on whether they share the weights out. Nothing
is pickled.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anylead.checkpoint import WEIGHTS, check_finite
from anylead.errors import CheckpointError
from anylead.store.unfinished import TEMPORARY, unfinished
from anylead.training.sharding import shared_like, whole

_PATTERN = "resume-*.safetensors"
_TOLD = logging.getLogger(__name__)


class StateWriter:
    """Writes states in a thread of its own, so that training goes on meanwhile.

    A periodic write that fails (a full disk) is told on the screen and leaves the states there are;
    training goes on and the next one is tried. `finish` raises what became of the last.

    Args:
        folder: of the run.
        keep_last: how many states stay.
        is_main: whether this rank writes; the others only give their parts of what is shared out.
    """

    def __init__(self, folder: Path, keep_last: int, is_main: bool = True):
        self.folder, self.keep_last, self.is_main = folder, keep_last, is_main
        self._copies: dict[str, Tensor] = {}
        self._thread: Thread | None = None
        self._error: CheckpointError | None = None

    def save(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
    ) -> None:
        """Copy the state, and begin to write it; waits for the write before.

        Where weights are shared out among the ranks, all of them call it.

        Args:
            module: what is trained.
            optimizer: its moments.
            facts: plain values to get back; "step" is the number of steps taken.
        """
        self.wait()
        tensors = _tensors(module, optimizer)
        if not self.is_main:
            for value in tensors.values():
                whole(value)
            return
        self._copy(tensors)
        text = json.dumps(facts)
        path = self.folder / f"resume-{facts['step']:08d}.safetensors"
        self._thread = Thread(target=self._write, args=(path, text))
        self._thread.start()

    def finish(self) -> None:
        """Wait until the last state is on the disk.

        Raises:
            CheckpointError: it could not be written.
        """
        self.wait()
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """Wait for the write that is under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _copy(self, tensors: dict[str, Tensor]) -> None:
        """Into the same memory each time: fresh memory costs more than the copy."""
        if self._copies.keys() != tensors.keys():
            self._copies = {
                name: torch.empty(value.shape, dtype=value.dtype) for name, value in tensors.items()
            }
        with _one_thread():
            for name, value in tensors.items():
                self._copies[name].copy_(whole(value))

    def _write(self, path: Path, facts: str) -> None:
        temporary = unfinished(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()
            mode = temporary.stat().st_mode  # as of any new file; the library's own is 0600
            save_file(self._copies, temporary, metadata={"facts": facts})
            temporary.chmod(mode)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            for old in states(self.folder)[: -self.keep_last]:
                old.unlink(missing_ok=True)
            self._error = None
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            kept = states(self.folder)
            rest = f"{kept[-1].name} is kept" if kept else "no state is kept"
            self._error = CheckpointError(f"{path}: cannot be written ({error}); {rest}")
            self._error.__cause__ = error
            _TOLD.warning("%s; training goes on", self._error)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Within the block torch computes in one thread.

    Copies of a state wait for the memory (1 GB takes .2 s so), and where cores are busy elsewhere
    many small copies in several threads mostly wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def states(folder: Path) -> list[Path]:
    """The states of a run, oldest first."""
    return sorted(folder.glob(_PATTERN))


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of writes that were killed, of states and of weights."""
    earlier = (f".{_PATTERN}.*", f".{WEIGHTS}.*")  # as earlier versions called them
    return [path for pattern in (f"*{TEMPORARY}", *earlier) for path in folder.glob(pattern)]


def state_facts(path: Path) -> dict[str, Any]:
    """The facts of a state, without its tensors.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    step = facts.get("step") if isinstance(facts, dict) else None
    if not isinstance(step, int) or not 0 <= step < 2**53:
        raise _damaged(path, ValueError("its facts tell no step"))
    return facts


def remove_states(folder: Path) -> None:
    """Delete them, once a run is finished and will not be resumed."""
    for path in states(folder):
        path.unlink(missing_ok=True)


def load_state(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put the last saved state back.

    Returns:
        The facts it was saved with.

    Raises:
        CheckpointError: missing, damaged, or of another model.
    """
    found = states(folder)
    if not found:
        raise CheckpointError(f"{folder}: no {_PATTERN} there; nothing to resume")
    path = found[-1]
    facts = state_facts(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    check_finite(tensors, str(path))
    try:
        _put_back(tensors, module, optimizer)
    except (RuntimeError, ValueError, IndexError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: another model than the recipe's ({reason})") from error
    return facts


def _damaged(path: Path, error: Exception) -> CheckpointError:
    remedy = "delete it to go on from the one before, or to start anew"
    return CheckpointError(f"{path}: damaged ({error}); {remedy}")


def _put_back(
    tensors: dict[str, Tensor], module: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    own = module.state_dict()
    weights = _below(tensors, "module.")
    module.load_state_dict(
        {name: shared_like(value, own.get(name, value)) for name, value in weights.items()}
    )
    parameters = [item for group in optimizer.param_groups for item in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below(tensors, "optimizer.").items():
        number, moment = name.split(".", 1)
        index = int(number)
        is_like_weight = value.shape == parameters[index].shape  # a count of steps is not
        shared = shared_like(value, parameters[index]) if is_like_weight else value
        state.setdefault(index, {})[moment] = shared
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _tensors(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"module.{name}": value.detach() for name, value in module.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    return tensors


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
