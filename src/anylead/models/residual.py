"""Residual blocks over time that padding never reaches (He et al. 2015, arXiv:1512.03385)."""

import torch
from torch import Tensor, nn


class MaskedBatchNorm(nn.Module):
    """Batch normalization of (rows, dim, time) that neither sees padding nor fills it."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor, num_valid: Tensor | None) -> Tensor:
        """Normalize; what lies beyond `num_valid` (rows,) steps is zero."""
        if num_valid is None:
            normed: Tensor = self.norm(x)
            return normed
        is_valid = is_valid_step(x.shape[2], num_valid)
        steps = x.transpose(1, 2)  # (rows, time, dim)
        normed = self.norm(steps[is_valid])
        return (
            torch.zeros_like(steps, dtype=normed.dtype)
            .index_put(is_valid.nonzero(as_tuple=True), normed)
            .transpose(1, 2)
        )


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut.

    Args:
        dim_in, dim: channels before and after.
        kernel: of the convolutions, odd.
        stride: of the first of them and of the short cut.
    """

    def __init__(self, dim_in: int, dim: int, kernel: int, stride: int = 2):
        super().__init__()
        self.stride = stride
        self.first = convolution(dim_in, dim, kernel, stride)
        self.first_norm = MaskedBatchNorm(dim)
        self.second = convolution(dim, dim, kernel, stride=1)
        self.second_norm = MaskedBatchNorm(dim)
        self.short_cut = convolution(dim_in, dim, 1, stride)
        self.short_cut_norm = MaskedBatchNorm(dim)

    def forward(self, x: Tensor, num_valid: Tensor | None) -> Tensor:
        """(rows, dim_in, time) -> (rows, dim, time / stride, rounded up)."""
        num_after = steps_after(num_valid, self.stride)
        inner = nn.functional.relu(self.first_norm(self.first(x), num_after))
        inner = self.second_norm(self.second(inner), num_after)
        return nn.functional.relu(inner + self.short_cut_norm(self.short_cut(x), num_after))


def convolution(dim_in: int, dim: int, kernel: int, stride: int) -> nn.Conv1d:
    """A convolution that keeps the length, divided by the stride."""
    return nn.Conv1d(dim_in, dim, kernel, stride, padding=kernel // 2, bias=False)


def steps_after(num_valid: Tensor | None, stride: int = 2) -> Tensor | None:
    """Steps that are left after a stride: a step counts if its middle does."""
    return None if num_valid is None else (num_valid + stride - 1) // stride


def is_valid_step(num_steps: int, num_valid: Tensor) -> Tensor:
    """(rows, step) bool."""
    return torch.arange(num_steps, device=num_valid.device) < num_valid[:, None]


def clear_padding(signal: Tensor, num_valid: Tensor | None) -> Tensor:
    """(rows, lead, time) with zeros beyond `num_valid` (rows,) samples."""
    if num_valid is None:
        return signal
    return signal * is_valid_step(signal.shape[2], num_valid)[:, None]
