"""Strided convolutions from samples to frames (wav2vec 2.0, arXiv:2006.11477, section 2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anylead.models.residual import (
    MaskedBatchNorm,
    ResidualBlock,
    clear_padding,
    convolution,
    steps_after,
)


class ConvFeatureExtractor(nn.Module):
    """Turn a signal into one feature vector per frame.

    Differs from the paper, as its published code does: one normalization, after the first
    convolution, each channel over time, instead of one in every block. The statistics leave
    padding out, so that a padded signal gives the features of the signal alone.

    Args:
        num_leads: leads of the input.
        layers: (dim, kernel, stride) of each convolution.
    """

    def __init__(self, num_leads: int, layers: Sequence[tuple[int, int, int]]):
        super().__init__()
        self.layers = tuple((int(dim), int(kernel), int(stride)) for dim, kernel, stride in layers)
        dims = [num_leads, *(dim for dim, _, _ in self.layers)]
        convs = [
            nn.Conv1d(dim_in, dim, kernel, stride, bias=False)
            for dim_in, (dim, kernel, stride) in zip(dims, self.layers, strict=False)
        ]
        for conv in convs:
            nn.init.kaiming_normal_(conv.weight)
        self.convs = nn.ModuleList(convs)
        self.norm = nn.GroupNorm(dims[1], dims[1])

    def forward(self, signal: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """(rows, lead, time) -> (rows, frame, dim); frame = num_frames(time).

        Args:
            signal: (rows, lead, time).
            num_samples: (rows,) valid samples, or None where nothing is padded.
        """
        x = signal
        for i, (conv, (_, kernel, stride)) in enumerate(zip(self.convs, self.layers, strict=True)):
            x = conv(_covered(x, kernel, stride))
            if i == 0:
                num_valid = None if num_samples is None else (num_samples - kernel) // stride + 1
                x = self.norm(x) if num_valid is None else self._norm_valid(x, num_valid)
            x = nn.functional.gelu(x)
        return x.transpose(1, 2)

    def num_frames(self, num_samples: Tensor) -> Tensor:
        """Frames made from signals of `num_samples` samples; elementwise."""
        for _, kernel, stride in self.layers:
            num_samples = (num_samples - kernel) // stride + 1
        return num_samples.clamp(min=0)

    def _norm_valid(self, x: Tensor, num_valid: Tensor) -> Tensor:
        """`norm` with the statistics of the first `num_valid` (rows,) steps of x (rows, dim, t)."""
        is_valid = (torch.arange(x.shape[2], device=x.device) < num_valid[:, None])[:, None]
        count = num_valid.clamp(min=1)[:, None, None]
        mean = (x * is_valid).sum(dim=2, keepdim=True) / count
        centred = (x - mean) * is_valid
        variance = centred.square().sum(dim=2, keepdim=True) / count
        scale = torch.rsqrt(variance + self.norm.eps) * self.norm.weight[:, None]
        return centred * scale + self.norm.bias[:, None]


class ResidualFeatureExtractor(nn.Module):
    """A convolution, then residual blocks, all with batch normalization and windows that overlap.

    Unlike a normalization of each recording it keeps the absolute size of the waves, by which
    hypertrophy is told, and it neither sees padding nor fills it.

    Args:
        num_leads: leads of the input.
        layers: (dim, kernel, stride) of the first convolution and of each block; odd kernels.
    """

    def __init__(self, num_leads: int, layers: Sequence[tuple[int, int, int]]):
        super().__init__()
        self.layers = tuple((int(dim), int(kernel), int(stride)) for dim, kernel, stride in layers)
        dim, kernel, self.stride = self.layers[0]
        self.stem = convolution(num_leads, dim, kernel, self.stride)
        self.stem_norm = MaskedBatchNorm(dim)
        dims = [dim for dim, _, _ in self.layers]
        self.blocks = nn.ModuleList(
            ResidualBlock(dim_in, dim, kernel, stride)
            for dim_in, (dim, kernel, stride) in zip(dims, self.layers[1:], strict=False)
        )

    def forward(self, signal: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """(rows, lead, time) -> (rows, frame, dim); frame = num_frames(time).

        Args:
            signal: (rows, lead, time).
            num_samples: (rows,) valid samples, or None where nothing is padded.
        """
        return self.stages(signal, num_samples)[-1].transpose(1, 2)

    def stages(self, signal: Tensor, num_samples: Tensor | None = None) -> list[Tensor]:
        """Output of the first convolution and of each block, (rows, dim, step)."""
        num_valid = steps_after(num_samples, self.stride)
        x: Tensor = self.stem(clear_padding(signal, num_samples))
        outputs = [nn.functional.relu(self.stem_norm(x, num_valid))]
        for block, (_, _, stride) in zip(self.blocks, self.layers[1:], strict=True):
            outputs.append(block(outputs[-1], num_valid))
            num_valid = steps_after(num_valid, stride)
        return outputs

    def num_frames(self, num_samples: Tensor) -> Tensor:
        """Frames made from signals of `num_samples` samples; elementwise."""
        for _, _, stride in self.layers:
            num_samples = (num_samples + stride - 1) // stride
        return num_samples


def _covered(x: Tensor, kernel: int, stride: int) -> Tensor:
    """(rows, dim, time) without the last steps that no window reaches.

    With windows that overlap, oneDNN's gradient of the weights in bfloat16 multiplies what lies in
    memory behind such steps by zero, which is NaN where that memory happens to hold one
    (benchmarks/bf16_convolution.py).
    """
    if kernel <= stride:
        return x
    return x[..., : (x.shape[-1] - kernel) // stride * stride + kernel]
