"""xresnet1d101: KED's encoder, and in a wider form the supervised baseline of PTB-XL.

KED: doi:10.1016/j.xcrm.2024.101875. xresnet: He et al. 2018, arXiv:1812.01187. PTB-XL: Strodthoff
et al. 2020, arXiv:2004.13701.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, max_pool1d, pad, relu

from anylead.leads import LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.window import by_length, last_of


@dataclass(frozen=True)
class XResNet1dConfig:
    """Shape of the network; the defaults are KED's, narrower inside than the usual xresnet1d101.

    Attributes:
        stem_dims: channels of the three convolutions in front.
        inner_dims: of the blocks of each stage, inside.
        dims: of the blocks of each stage, outside.
        num_blocks: of each stage.
        kernel: of the convolutions, odd.
        window_samples: a shorter window is put in the middle of so many samples, zeros around, as
            the authors do; null leaves it as it is.
    """

    stem_dims: tuple[int, ...] = (32, 32, 64)
    inner_dims: tuple[int, ...] = (64, 128, 128, 192)
    dims: tuple[int, ...] = (256, 512, 512, 768)
    num_blocks: tuple[int, ...] = (3, 4, 23, 3)
    kernel: int = 5
    window_samples: int | None = 1000


XRESNET1D_SIZES = {
    "tiny": XResNet1dConfig((8, 8, 16), (8, 8), (16, 32), (1, 2)),
    "small": XResNet1dConfig((16, 16, 32), (16, 24, 32, 32), (32, 48, 64, 96), (1, 1, 2, 1)),
    "base": XResNet1dConfig(),
    "ptbxl": XResNet1dConfig(inner_dims=(64, 128, 256, 512), dims=(256, 512, 1024, 2048)),
}


class XResNet1d(nn.Module):
    """(rows, 12, time) in mV at 100 Hz -> (rows, frame, dim); a frame is 32 samples."""

    leads = LEADS
    uses_has_lead = False
    frames_are_time = True

    def __init__(self, config: XResNet1dConfig):
        super().__init__()
        self.config = config
        self.dim = config.dims[-1]
        self.layer_dims = (config.stem_dims[-1], *config.dims)
        self.window_samples: int | None = config.window_samples
        dims = (len(LEADS), *config.stem_dims)
        self.stem = nn.Sequential(
            *(
                _Normed(dim_in, dim, config.kernel, 2 if number == 0 else 1)
                for number, (dim_in, dim) in enumerate(pairwise(dims))
            )
        )
        self.stages = nn.ModuleList()
        dim_in = config.stem_dims[-1]
        for number, (inner, dim, count) in enumerate(
            zip(config.inner_dims, config.dims, config.num_blocks, strict=True)
        ):
            stride = 1 if number == 0 else 2
            blocks = [_Block(dim_in, inner, dim, config.kernel, stride)]
            blocks += [_Block(dim, inner, dim, config.kernel, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
            dim_in = dim

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode; arguments as for every encoder (`AnyEncoder`)."""
        return by_length(self.encode, signal, num_samples, has_lead, shortest=1)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, frame, dim)."""
        return last_of(self.through_layers(signal, has_lead))

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first stage, then what leaves each, (rows, frame, channels)."""
        absent = max(0, (self.config.window_samples or 0) - signal.shape[2])
        stem = self.stem(pad(signal, (absent // 2, absent - absent // 2)))
        x: Tensor = max_pool1d(stem, 3, 2, padding=1)
        yield x.transpose(1, 2)
        for stage in self.stages:
            x = stage(x)
            yield x.transpose(1, 2)

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)


class _Normed(nn.Module):
    """A convolution, batch normalization and, mostly, a ReLU."""

    def __init__(self, dim_in: int, dim: int, kernel: int, stride: int = 1, has_relu: bool = True):
        super().__init__()
        self.conv = nn.Conv1d(dim_in, dim, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self.has_relu = has_relu

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(x))
        return relu(normed) if self.has_relu else normed


class _Block(nn.Module):
    """A bottleneck, its stride in the middle, beside a shortcut that is averaged first."""

    def __init__(self, dim_in: int, inner: int, dim: int, kernel: int, stride: int):
        super().__init__()
        self.stride = stride
        self.first = _Normed(dim_in, inner, 1)
        self.second = _Normed(inner, inner, kernel, stride)
        self.third = _Normed(inner, dim, 1, has_relu=False)
        self.shortcut = _Normed(dim_in, dim, 1, has_relu=False) if dim_in != dim else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.third(self.second(self.first(x)))
        if self.stride == 2:
            x = avg_pool1d(x, 2, ceil_mode=True)  # an odd last sample stands alone
        joined: Tensor = inner + self.shortcut(x)
        return joined.relu()
