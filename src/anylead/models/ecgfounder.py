"""ECGFounder's network, Net1D: grouped convolutions with gates (arXiv:2410.04133).

A regular network over time after Radosavovic et al. 2020 (arXiv:2003.13678) with squeeze-excite
gates. Batch normalization stands in the published files and is not part of the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool1d, pad, silu

from anylead.leads import LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.window import by_length, last_of, standardize


@dataclass(frozen=True)
class ECGFounderConfig:
    """Shape of the network; the defaults are the published 12-lead model.

    Attributes:
        leads: what it sees, in this order; the published ones see all twelve or ("I",).
        stem_dim: channels of the first convolution.
        dims: channels of each stage, multiples of `group_dim`.
        num_blocks: of each stage; the first halves the length.
        kernel: of the convolutions, even.
        group_dim: channels of a group.
        standardizes: bring each window to mean 0 and deviation 1, over all its present leads.
    """

    leads: tuple[str, ...] = LEADS
    stem_dim: int = 64
    dims: tuple[int, ...] = (64, 160, 160, 400, 400, 1024, 1024)
    num_blocks: tuple[int, ...] = (2, 2, 2, 3, 3, 4, 4)
    kernel: int = 16
    group_dim: int = 16
    standardizes: bool = True


ECGFOUNDER_SIZES = {
    "tiny": ECGFounderConfig(stem_dim=16, dims=(16, 32), num_blocks=(1, 2)),
    "small": ECGFounderConfig(stem_dim=32, dims=(32, 48, 64, 96, 128), num_blocks=(1, 1, 2, 2, 2)),
    "base": ECGFounderConfig(),
}


class ECGFounder(nn.Module):
    """(rows, 12, time) at 500 Hz -> (rows, frame, dim); a frame is 256 samples."""

    frames_are_time = True
    window_samples: int | None = 5000

    def __init__(self, config: ECGFounderConfig):
        super().__init__()
        self.config = config
        self.uses_has_lead = config.standardizes
        self.dim = config.dims[-1]
        self.layer_dims = (config.stem_dim, *config.dims)
        self.leads = tuple(config.leads)
        self.rows = [LEADS.index(name) for name in self.leads]
        self.stem = SameConv(len(self.rows), config.stem_dim, config.kernel, stride=2)
        stages = []
        dim_in = config.stem_dim
        for stage, (dim, count) in enumerate(zip(config.dims, config.num_blocks, strict=True)):
            blocks = []
            for number in range(count):
                is_first = stage == number == 0
                blocks.append(_Block(dim_in, dim, config, halves=number == 0, is_first=is_first))
                dim_in = dim
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode; arguments as for every encoder (`AnyEncoder`)."""
        return by_length(self.encode, signal, num_samples, has_lead, shortest=2)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, frame, dim)."""
        return last_of(self.through_layers(signal, has_lead))

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first stage, then what leaves each, (rows, frame, channels)."""
        signal, has_lead = signal[:, self.rows], has_lead[:, self.rows]
        if self.config.standardizes:
            signal = standardize(signal, has_lead)
        x = silu(self.stem(signal))
        yield x.transpose(1, 2)
        for stage in self.stages:
            x = stage(x)
            yield x.transpose(1, 2)

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)


class SameConv(nn.Module):
    """A convolution of an even kernel that keeps the length, divided by the stride, rounded up.

    One more zero stands on the right: symmetric zeros would shift the output.
    """

    def __init__(self, dim_in: int, dim: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.ends = ((kernel - 1) // 2, kernel // 2)
        self.conv = nn.Conv1d(dim_in, dim, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, dim_in, time) -> (rows, dim, ceil(time / stride))."""
        convolved: Tensor = self.conv(pad(x, self.ends))
        return convolved


class _Block(nn.Module):
    """Three convolutions and a gate beside a shortcut without weights."""

    def __init__(
        self, dim_in: int, dim: int, config: ECGFounderConfig, halves: bool, is_first: bool
    ):
        super().__init__()
        self.halves, self.is_first = halves, is_first
        self.new_channels = (dim - dim_in) // 2, dim - dim_in - (dim - dim_in) // 2
        groups, stride = dim // config.group_dim, 2 if halves else 1
        self.first = nn.Conv1d(dim_in, dim, 1)
        self.second = SameConv(dim, dim, config.kernel, stride, groups)
        self.third = nn.Conv1d(dim, dim, 1)
        self.squeeze = nn.Linear(dim, dim // 2)
        self.excite = nn.Linear(dim // 2, dim)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(x if self.is_first else silu(x))
        inner = self.third(silu(self.second(silu(inner))))
        gate = torch.sigmoid(self.excite(silu(self.squeeze(inner.mean(dim=2)))))
        if self.halves:
            x = max_pool1d(pad(x, (0, 1)), 2)  # an odd last sample is compared with 0
        gated: Tensor = inner * gate[:, :, None]
        return gated + pad(x, (0, 0, *self.new_channels))
