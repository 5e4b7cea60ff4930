"""The ranks of a run: one process per device, started by torchrun; alone without it."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import get_total_norm

from anylead.errors import RecipeError, TrainingError, did_you_mean


@dataclass(frozen=True)
class World:
    """All ranks that share each step.

    Attributes:
        rank: number of this process.
        size: how many there are.
        is_sharding: whether each holds a part of weights, gradients and moments (`sharding.py`)
            instead of all.
    """

    rank: int = 0
    size: int = 1
    is_sharding: bool = False

    @property
    def is_main(self) -> bool:
        """Whether this rank writes files and talks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over ranks."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def norm(self, gradients: list[Tensor]) -> Tensor:
        """The length of all gradients together, of what `GradientSum.finish` returned."""
        own = get_total_norm(gradients)
        return self.sum(own.square()).sqrt() if self.is_sharding else own

    def agree(self, number: int, what: str) -> None:
        """Make sure that all ranks have the same number.

        Raises:
            TrainingError: they do not.
        """
        if self.size == 1:
            return
        numbers: list[int] = [0] * self.size
        dist.all_gather_object(numbers, number)
        if len(set(numbers)) > 1:
            raise TrainingError(
                f"{what} differs between ranks: {numbers}; the run folder must be on storage that"
                " all nodes share"
            )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turn the loss of another rank into one clear line.

        Raises:
            TrainingError: another rank is gone, or did not answer in time.
        """
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _is_lost_contact(error):
                raise
            reason = str(error).splitlines()[0].partition(". ")[0]
            raise TrainingError(
                f"rank {self.rank} of {self.size}: another rank is gone; its own message tells why;"
                f" go on with --train.resume true ({reason})"
            ) from error


def join_world(device: torch.device, is_sharding: bool = False) -> World:
    """Join the ranks that torchrun started, or be alone, with nothing to be shared out."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
            dist.init_process_group("nccl", device_id=device)
        else:
            dist.init_process_group("gloo")
        atexit.register(dist.destroy_process_group)
    return World(dist.get_rank(), size, is_sharding)


def choose_device(name: str) -> torch.device:
    """The named device; "auto" is the CUDA device of this rank where there is one, else the CPU.

    Raises:
        RecipeError: there is no such device.
    """
    if name != "auto":
        return _found(name)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def _found(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        hint = did_you_mean(name, ("auto", "cpu", "cuda", "mps"))
        raise RecipeError(f"device {name!r}: want auto, cpu, cuda or cuda:1{hint}") from None
    number = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= number:
        what = "no CUDA device" if number == 0 else f"{number} CUDA devices"
        raise RecipeError(f"device {name}: torch finds {what} here (see anylead doctor); take cpu")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The named precision; "auto" is bfloat16 where the hardware has it, else float32."""
    if name == "auto":
        name = "bf16" if _has_fast_bf16(device) else "fp32"
    if name not in ("bf16", "fp32"):
        raise RecipeError(f"precision {name!r}: want auto, bf16 or fp32")
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[name]


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _is_lost_contact(error: RuntimeError) -> bool:
    if isinstance(error, dist.DistError):
        return True
    return any(word in str(error) for word in ("gloo", "NCCL", "Connection closed by peer"))
