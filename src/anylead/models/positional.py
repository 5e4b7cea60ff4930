"""Relative position by a grouped convolution (wav2vec 2.0, arXiv:2006.11477, section 2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class ConvPosition(nn.Module):
    """Add to each frame a function of its surroundings.

    Args:
        dim: channels.
        kernel: frames that one output sees.
        groups: groups of channels.
    """

    def __init__(self, dim: int, kernel: int, groups: int):
        super().__init__()
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(conv.weight, std=(4 / (kernel * dim)) ** 0.5)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        self.conv = weight_norm(conv, name="weight", dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, frame, dim) -> (rows, frame, dim), to be added to x."""
        is_reduced = x.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
        size = x.shape[2] // self.conv.groups
        if x.device.type == "cpu" and is_reduced and is_wrong_in_bfloat16(size):
            with torch.autocast("cpu", enabled=False):
                return self.forward(x.float())
        if self.training and _prefers_frequencies(x):
            weight, bias = self.conv.weight, self.conv.bias
            position = convolve_by_frequency(x, weight, self.conv.groups) + bias
            return nn.functional.gelu(position)
        position = self.conv(x.transpose(1, 2))[:, :, : x.shape[1]]  # an even kernel makes one more
        return nn.functional.gelu(position).transpose(1, 2)


class Spectrum(NamedTuple):
    """A convolution and the Fourier transforms around it, as matrices.

    forward: (2 * frequency, frame) cosines, then sines.
    real: (frequency * group, size, size) of the filters, size = dim / groups.
    imaginary: the same of the other part.
    inverse: (frame, 2 * frequency).
    """

    forward: Tensor
    real: Tensor
    imaginary: Tensor
    inverse: Tensor


def convolve_by_frequency(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """The same convolution by the convolution theorem, a twentieth of the products.

    The discrete Fourier transforms are products with constant matrices: so short, they are faster
    than an FFT with its copies.

    Args:
        x: (rows, frame, dim).
        weight: (dim, dim / groups, kernel).
        groups: of channels.

    Returns:
        (rows, frame, dim); frame t sees frames t - kernel // 2 to t - kernel // 2 + kernel - 1.
    """
    return convolve(x, filter_spectrum(weight, groups, x.shape[1]))


def filter_spectrum(weight: Tensor, groups: int, frames: int) -> Spectrum:
    """What a convolution of up to `frames` frames needs beside them; arguments as above."""
    dim, size, kernel = weight.shape
    length = frames + kernel - 1  # of the transform: long enough that nothing wraps around
    num = length // 2 + 1
    time = torch.arange(max(frames, kernel), device=weight.device)
    forward = _fourier(num, time, length, weight.dtype)
    filters = forward[:, :kernel] @ weight.reshape(dim * size, kernel).T
    real, imaginary = filters.view(2, num * groups, size, size).transpose(2, 3)
    lag = torch.arange(frames, device=weight.device) - kernel // 2
    times_seen = torch.full((num, 1), 2.0 / length, dtype=weight.dtype, device=weight.device)
    times_seen[0] = 1.0 / length  # all others stand for themselves and their conjugate
    if length % 2 == 0:
        times_seen[-1] = 1.0 / length
    inverse = _fourier(num, lag, length, weight.dtype) * times_seen.repeat(2, 1)
    return Spectrum(forward[:, :frames], real, imaginary, inverse.T)


def convolve(x: Tensor, spectrum: Spectrum) -> Tensor:
    """(rows, frame, dim) -> the same shape; at most as many frames as the spectrum is for."""
    rows, frames, dim = x.shape
    size, num = spectrum.real.shape[1], len(spectrum.forward) // 2
    groups = dim // size
    signal = (spectrum.forward[:, :frames] @ x).view(rows, 2, num, groups, size)
    signal = signal.permute(2, 3, 1, 0, 4).reshape(num * groups, 2 * rows, size)
    by_real = torch.bmm(signal, spectrum.real).view(num, groups, 2, rows, size)
    by_imaginary = torch.bmm(signal, spectrum.imaginary).view(num, groups, 2, rows, size)
    # signal * conjugate(filter): a correlation, as nn.Conv1d is.
    product = torch.stack(
        [by_real[:, :, 0] + by_imaginary[:, :, 1], by_real[:, :, 1] - by_imaginary[:, :, 0]]
    )
    return spectrum.inverse[:frames] @ product.permute(3, 0, 1, 2, 4).reshape(rows, 2 * num, dim)


def _fourier(num: int, time: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """(2 * num, time) real and imaginary part of exp(-2 pi i frequency time / length)."""
    frequency = torch.arange(num, device=time.device)
    # Reduced while still whole numbers: the angle keeps all its digits.
    turns = (frequency[:, None] * time).remainder(length).double() / length
    angle = 2 * torch.pi * turns
    return torch.cat([angle.cos(), -angle.sin()]).to(dtype)


def is_wrong_in_bfloat16(channels_per_group: int) -> bool:
    """Whether oneDNN would return something else than the convolution, on a CPU.

    Seen with torch 2.13 on a CPU with AMX: for less than 16 channels per group the result has
    nothing to do with the right one, without any error.
    """
    return channels_per_group < 16


def _prefers_frequencies(x: Tensor) -> bool:
    """Measured: float32 on the CPU; bfloat16 has fast convolutions there, and GPUs have others."""
    return (
        x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    )
