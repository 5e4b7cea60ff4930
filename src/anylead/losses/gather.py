"""Rows of all ranks, with gradients, so that a contrast finds its negatives on every GPU.

Each rank then computes the same loss over the whole batch. The gradient of the gathered rows is
summed over ranks, so a rank's own rows receive what every copy of the loss says about them; with
losses summed over ranks and divided once by the sum of their terms, as the loop does, that is the
gradient of one process with the whole batch.
"""

from typing import Any

import torch
from torch import Tensor, distributed


def gather(rows: Tensor) -> Tensor:
    """(row, ...) of this rank -> (rank * row, ...) of all, in the order of ranks.

    Without an initialized process group, or with one process, the rows themselves.

    Args:
        rows: as many on every rank, of one dtype. Gradients flow if they are floating point.
    """
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
