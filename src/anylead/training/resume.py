"""The state of a run on disk: one safetensors file, replaced as a whole.

With batches that are a function of the step, this is weights, optimizer moments, the step, and the
generator of dropout. Nothing is pickled.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from anylead.checkpoint import write_atomically
from anylead.errors import CheckpointError

STATE = "resume.safetensors"


def save_state(
    folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Write the state after a step; the previous one stays until the new one is whole.

    Args:
        folder: of the run.
        module: what is trained.
        optimizer: its moments.
        facts: plain values to get back, such as the number of steps taken.
    """
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    tensors["generator.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomically(folder / STATE, save(contiguous, metadata={"facts": json.dumps(facts)}))


def load_state(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a saved state back.

    Returns:
        The facts it was saved with.

    Raises:
        CheckpointError: missing, damaged, or of another model.
    """
    path = folder / STATE
    if not path.is_file():
        raise CheckpointError(f"{path}: not there; nothing to resume")
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError) as error:
        raise CheckpointError(f"{path}: damaged ({error}); delete it to start anew") from error
    try:
        module.load_state_dict(_below(tensors, "module."))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimizer.").items():
            index, moment = name.split(".", 1)
            state.setdefault(int(index), {})[moment] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: another model than the recipe's ({reason})") from error
    torch.set_rng_state(tensors["generator.cpu"])
    if torch.cuda.is_available() and "generator.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["generator.cuda"])
    return facts


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
