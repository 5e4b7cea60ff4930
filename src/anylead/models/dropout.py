"""Dropout (Srivastava et al. 2014), with cheaper random bits on the CPU.

torch's own draws one number of its slow serial generator per element and keeps the factors as
floats: as long as a matrix product in bfloat16. Here one 64-bit number decides four elements, and
what is kept is one byte each.
"""

from typing import Any

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """Zero random elements in training and scale the others up.

    Args:
        prob: chance of an element; on the CPU rounded to 1/65536.
    """

    def __init__(self, prob: float):
        super().__init__()
        self.prob = prob

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape; x itself outside of training."""
        return dropout(x, self.prob) if self.training else x

    def extra_repr(self) -> str:
        return f"prob={self.prob}"


def dropout(x: Tensor, prob: float) -> Tensor:
    """Zero elements with a chance of `prob`, divide the others by `1 - prob`."""
    if not prob:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return nn.functional.dropout(x, prob)
    dropped: Tensor = _Dropout.apply(x, prob)  # type: ignore[no-untyped-call]
    return dropped


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, prob: float) -> Tensor:
        level = round(prob * _LEVELS)
        num = x.numel()
        bits = torch.empty(-(-num // 4), dtype=torch.int64).random_(-(2**63), None)
        is_kept = (bits.view(torch.int16)[:num] >= level - _LEVELS // 2).view(x.shape)
        ctx.save_for_backward(is_kept)
        ctx.scale = _LEVELS / (_LEVELS - level) if level < _LEVELS else 0.0
        return is_kept.to(x.dtype).mul_(ctx.scale).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (is_kept,) = ctx.saved_tensors
        return is_kept.to(gradient.dtype).mul_(ctx.scale).mul_(gradient), None
