"""Rows of all ranks and micro-batches, with gradients, so that a contrast sees the whole batch.

Each rank then computes the same loss over the whole batch. The gradient of the gathered rows is
summed over ranks, so a rank's own rows receive what every copy of the loss says about them; with
losses summed over ranks and divided once by the sum of their terms, as the loop does, that is the
gradient of one process with the whole batch.

Micro-batches are what ranks are, one after another: a first pass without gradients keeps what each
of them gathers, and in the second each sees the rows of all, with gradients into its own
(GradCache, Gao et al. 2021, arXiv:2101.06983).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed

_exchange: Callable[[Tensor], Tensor] | None = None


def gather(rows: Tensor) -> Tensor:
    """(row, ...) of this rank -> (rank * row, ...) of all, in the order of ranks.

    Without an initialized process group, or with one process, the rows themselves; those of the
    other micro-batches of the step too, where `MicroBatches` lets them be seen.

    Args:
        rows: as many on every rank, of one dtype. Gradients flow if they are floating point.
    """
    if _exchange is not None:
        rows = _exchange(rows)
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    if distributed.get_world_size() == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    """all_gather forward; sum over ranks and own slice backward."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.num_rows = len(rows)
        ctx.set_materialize_grads(True)
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.num_rows
        return total[start : start + ctx.num_rows]


class MicroBatches:
    """The micro-batches of one step on one rank, and the rows they show each other.

    Args:
        num: how many.
    """

    def __init__(self, num: int):
        self._rows: list[list[Tensor]] = [[] for _ in range(num)]
        self._terms: list[Tensor] = []

    @property
    def is_coupled(self) -> bool:
        """Whether the first pass has found rows to be shared."""
        return bool(self._rows[0])

    @contextmanager
    def recording(self, index: int) -> Iterator[Callable[[Tensor], None]]:
        """First pass of a micro-batch; yields what is to be called with its number of terms."""
        with _exchanging(partial(self._record, index)):
            yield self._terms.append

    @contextmanager
    def joining(self, index: int) -> Iterator[None]:
        """Second pass of a micro-batch; alone where there was no first."""
        if not self.is_coupled:
            yield
            return
        waiting = [iter(rows) for rows in self._rows]
        # Each micro-batch has the same loss times its terms, but only one of them is differentiated
        # by these rows: it stands for all.
        factor = torch.stack(self._terms).sum() / self._terms[index].clamp(min=1)
        with _exchanging(partial(_join, waiting, index, factor)):
            yield

    def _record(self, index: int, rows: Tensor) -> Tensor:
        self._rows[index].append(rows.detach())
        return rows


@contextmanager
def _exchanging(exchange: Callable[[Tensor], Tensor]) -> Iterator[None]:
    global _exchange
    _exchange = exchange
    try:
        yield
    finally:
        _exchange = None


def _join(waiting: list[Iterator[Tensor]], index: int, factor: Tensor, own: Tensor) -> Tensor:
    rows = [next(each) for each in waiting]
    if own.requires_grad:
        own = own.view_as(own)
        own.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
    rows[index] = own
    return torch.cat(rows)
