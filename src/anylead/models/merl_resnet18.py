"""MERL's ResNet18 over time, all leads together (arXiv:2403.06659; He et al., 1512.03385)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import pad, relu

from anylead.leads import LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.window import by_length, last_of, to_unit_range

# Trained on recordings with aVF before aVL: the two change places.
MERL_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
_ROWS = [LEADS.index(name) for name in MERL_LEADS]


@dataclass(frozen=True)
class MERLResNet18Config:
    """Shape of the network; the defaults are published.

    Attributes:
        dims: channels of the four stages of two blocks; the first is that of the stem.
        window_samples: a shorter window is filled up with 0 mV, as the authors do.
        scales: bring each window to the range from 0 to 1, over all its leads.
    """

    dims: tuple[int, ...] = (64, 128, 256, 512)
    window_samples: int = 5000
    scales: bool = True


MERL_RESNET18_SIZES = {
    "tiny": MERLResNet18Config(dims=(8, 16, 24, 32)),
    "small": MERLResNet18Config(dims=(24, 48, 64, 96)),
    "base": MERLResNet18Config(),
}


class MERLResNet18(nn.Module):
    """(rows, 12, time) at 500 Hz -> (rows, frame, dim); a frame is 16 samples."""

    leads = LEADS
    uses_has_lead = False
    frames_are_time = True

    def __init__(self, config: MERLResNet18Config):
        super().__init__()
        self.config = config
        self.dim = config.dims[-1]
        self.layer_dims = (config.dims[0], *config.dims)
        self.window_samples: int | None = config.window_samples
        self.stem = nn.Conv1d(len(LEADS), config.dims[0], 7, 2, padding=3, bias=False)
        self.stem_norm = nn.BatchNorm1d(config.dims[0])
        self.stages = nn.ModuleList(
            nn.Sequential(_Block(dim_in, dim, stride), _Block(dim, dim, 1))
            for (dim_in, dim), stride in zip(
                pairwise((config.dims[0], *config.dims)), (1, 2, 2, 2), strict=True
            )
        )

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
        if self.config.scales:
            signal = merl_window(signal, self.config.window_samples)
        x = relu(self.stem_norm(self.stem(signal)))
        yield x.transpose(1, 2)
        for stage in self.stages:
            x = stage(x)
            yield x.transpose(1, 2)

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)


def merl_window(signal: Tensor, num_samples: int) -> Tensor:
    """A window as MERL sees it: filled up with zeros, from 0 to 1, in the order of MIMIC-IV-ECG."""
    signal = pad(signal, (0, max(0, num_samples - signal.shape[2])))
    return to_unit_range(signal)[:, _ROWS]


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, dim_in: int, dim: int, stride: int):
        super().__init__()
        self.first = nn.Conv1d(dim_in, dim, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm1d(dim)
        self.second = nn.Conv1d(dim, dim, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm1d(dim)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or dim_in != dim:
            projection = nn.Conv1d(dim_in, dim, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm1d(dim))

    def forward(self, x: Tensor) -> Tensor:
        inner = relu(self.first_norm(self.first(x)))
        return relu(self.second_norm(self.second(inner)) + self.shortcut(x))
