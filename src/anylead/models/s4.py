"""S4: a long convolution whose kernel is a linear state space (Gu et al. 2022, arXiv:2111.00396).

Complex numbers are pairs of reals in the last axis of a tensor; of each pair of conjugates one is
kept. The state matrix is diagonal minus a rank of one: A = diag(w) - P Q^T.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, glu


class S4(nn.Module):
    """Causal convolution of each channel, GELU, then a gated dense layer.

    Args:
        dim: channels.
        num_states: of each channel; even.
        length: of the longest sequence; `C` is stored as it belongs to this length.
    """

    w: Tensor
    P: Tensor
    B: Tensor
    Q: Tensor

    def __init__(self, dim: int, num_states: int, length: int):
        super().__init__()
        self.length = length
        for name, value in zip("wPBQ", hippo_legs(num_states), strict=True):
            shape = (dim, *value.shape) if name == "w" else (1, dim, *value.shape)
            self.register_buffer(name, value.expand(shape).contiguous())
        drawn = nn.init.normal_(torch.empty(1, dim, num_states // 2, 2), std=math.sqrt(0.5))
        self.C = nn.Parameter(drawn)
        steps = nn.init.uniform_(torch.empty(dim), math.log(0.001), math.log(0.1))
        self.log_step = nn.Parameter(steps)
        self.skip = nn.Parameter(torch.randn(dim))
        self.output = nn.Linear(dim, 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, token, dim) -> (rows, token, dim); a token sees itself and those before."""
        kernel = self.kernel()[:, : x.shape[1]]
        with torch.autocast(x.device.type, enabled=False):
            signal = x.float().transpose(1, 2)  # (rows, dim, token)
            mixed = causal_convolution(signal, kernel) + self.skip[:, None] * signal
        gated: Tensor = glu(self.output(gelu(mixed).transpose(1, 2)), dim=2)
        return gated

    def kernel(self) -> Tensor:
        """(dim, length) float32: the answer to an impulse, from its spectrum, in double."""
        w, P, B, Q, C = (
            torch.view_as_complex(t.double()) for t in (self.w, self.P, self.B, self.Q, self.C)
        )
        step = self.log_step.double().exp()
        turn = torch.arange(self.length // 2 + 1, device=w.device, dtype=torch.float64)
        root = torch.polar(torch.ones_like(turn), -2 * math.pi / self.length * turn)
        node = 2 * (1 - root[:-1]) / (1 + root[:-1])  # the last is a pole for an even length
        pole = w[:, :, None] * step[:, None, None]  # (dim, state, 1)

        def cauchy(v: Tensor) -> Tensor:
            v = v[0][:, :, None]
            both = v / (node - pole) + v.conj() / (node - pole.conj())
            return both.sum(dim=1) * step[:, None]

        spectrum = cauchy(B * C) - cauchy(B * Q) * cauchy(P * C) / (1 + cauchy(P * Q))
        spectrum = spectrum * 2 / (1 + root[:-1])
        last = step * (B * C)[0].real.sum(dim=1)  # the limit at -1
        spectrum = torch.cat([spectrum, torch.complex(last, torch.zeros_like(last))[:, None]], 1)
        kernel: Tensor = torch.fft.irfft(spectrum, self.length)
        return kernel.float()


class FrozenS4(nn.Module):
    """An S4 layer with its kernel computed.

    Args:
        layer: what it replaces.
        by_frequency: convolve by Fourier transforms; else directly, for programs without complex
            numbers.
    """

    kernel: Tensor

    def __init__(self, layer: S4, by_frequency: bool):
        super().__init__()
        self.by_frequency = by_frequency
        kernel = layer.kernel().detach()
        kernel[:, 0] += layer.skip.detach()
        self.register_buffer("kernel", kernel)
        self.output = layer.output

    def forward(self, x: Tensor) -> Tensor:
        """(rows, token, dim) -> (rows, token, dim)."""
        num = x.shape[1]
        kernel = self.kernel[:, :num]
        with torch.autocast(x.device.type, enabled=False):
            signal = x.float().transpose(1, 2)
            if self.by_frequency:
                mixed = causal_convolution(signal, kernel)
            else:
                before = nn.functional.pad(signal, (num - 1, 0))
                mixed = conv1d(before, kernel.flip(1)[:, None], groups=x.shape[2])
        gated: Tensor = glu(self.output(gelu(mixed).transpose(1, 2)), dim=2)
        return gated


def freeze_kernels(module: nn.Module, by_frequency: bool = True) -> None:
    """Replace every S4 layer inside a module by its frozen form; in place."""
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, S4):
                part.add_module(name, FrozenS4(child, by_frequency))


def hippo_legs(num_states: int) -> tuple[Tensor, ...]:
    """w, P, B and Q of HiPPO-LegS in its eigenvectors, (num_states / 2, 2) each.

    A + P P^T is -1/2 on the diagonal and skew-symmetric beside it (arXiv:2111.00396, appendix C).
    """
    n = np.arange(num_states)
    root = np.sqrt(2 * n + 1)
    matrix = -np.tril(root[:, None] * root, -1) - np.diag(n + 1)
    rank_one = np.sqrt(n + 0.5)
    skew = matrix + rank_one[:, None] * rank_one + 0.5 * np.eye(num_states)
    values, vectors = np.linalg.eigh(-1j * skew)
    kept = values > 0
    basis = vectors[:, kept].conj().T
    state = -0.5 + 1j * values[kept]
    P = basis @ rank_one
    return tuple(
        torch.from_numpy(np.stack([v.real, v.imag], axis=1).astype(np.float32))
        for v in (state, P, basis @ root, P.conj())
    )


class _CausalConvolution(torch.autograd.Function):
    """By the convolution theorem; torch's own way back would take complex transforms."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, kernel: Tensor) -> Tensor:
        num = signal.shape[2]
        of_signal, of_kernel = torch.fft.rfft(signal, 2 * num), torch.fft.rfft(kernel, 2 * num)
        ctx.save_for_backward(of_signal, of_kernel)
        convolved: Tensor = torch.fft.irfft(of_signal * of_kernel, 2 * num)
        return convolved[..., :num]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        of_signal, of_kernel = ctx.saved_tensors
        num = gradients[0].shape[2]
        back = torch.fft.rfft(gradients[0], 2 * num)
        to_kernel = torch.fft.irfft((back * of_signal.conj()).sum(dim=0), 2 * num)[..., :num]
        to_signal = torch.fft.irfft(back.mul_(of_kernel.conj()), 2 * num)[..., :num]
        return to_signal, to_kernel


def causal_convolution(signal: Tensor, kernel: Tensor) -> Tensor:
    """(rows, dim, token) * (dim, token) -> (rows, dim, token); a token sees those before it."""
    convolved: Tensor = _CausalConvolution.apply(signal, kernel)  # type: ignore[no-untyped-call]
    return convolved
