"""Dropout (Srivastava et al. 2014), with cheaper random bits on the CPU.

torch's own draws one number of its slow serial generator per element and keeps the factors as
floats: as long as a matrix product in bfloat16. Here one 64-bit number of a faster generator, whose
seed is drawn from torch's, decides four elements, and what is kept is one byte each.
"""

from typing import Any

import numpy as np
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
        is_kept = _draw(x.numel(), level).view(x.shape)
        ctx.save_for_backward(is_kept)
        ctx.scale = _LEVELS / (_LEVELS - level) if level < _LEVELS else 0.0
        return is_kept.to(x.dtype).mul_(x).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (is_kept,) = ctx.saved_tensors
        return is_kept.to(gradient.dtype).mul_(gradient).mul_(ctx.scale), None


def _draw(num: int, level: int) -> Tensor:
    """(num,) int8: 0 with a chance of level / 65536, else 1."""
    if level in (0, _LEVELS):
        return torch.full((num,), int(level == 0), dtype=torch.int8)
    seed = int(torch.empty((), dtype=torch.int64).random_())
    bits = np.random.SFC64(seed).random_raw(-(-num // 4))
    draw = torch.from_numpy(bits.view(np.int16)[:num])
    # A comparison would do, but its bools take three times as long to become numbers.
    last = level - 1 - _LEVELS // 2
    return draw.clamp_(last, last + 1).sub_(last).to(torch.int8)
