"""HuBERT-ECG: twelve leads laid end to end as one sequence at 100 Hz, then a HuBERT encoder.

Coppola et al. 2024, medRxiv 2024.11.14.24317328; Hsu et al. 2021, arXiv:2106.07447.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import conv1d

from anylead.leads import LEADS, NUM_LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.feature_extractor import ConvFeatureExtractor
from anylead.models.positional import ConvPosition
from anylead.models.transformer import TransformerLayer
from anylead.models.window import by_length, last_of

DECIMATION = 5
# Beyond so many samples the zero-phase filter in front of the decimation has died away (1e-10).
_REACH = 1000


@dataclass(frozen=True)
class HubertECGConfig:
    """Shape of the encoder; the defaults are the published base model.

    Attributes:
        conv_layers: (dim, kernel, stride) of each convolution.
        dim: channels of the Transformer.
        num_layers: Transformer layers.
        num_heads: attention heads.
        ffn_dim: hidden channels of the feed-forward networks.
        conv_pos_kernel: frames seen by the positional convolution.
        conv_pos_groups: its groups.
        dropout: in the Transformer.
        missing_lead: what stands for a lead that is not there: "flat" is -1, what the authors'
            scale makes of a flat lead; "zero" is 0.
        decimates: take every fifth sample, as of the published 500 Hz; else the signal has 100 Hz.
    """

    conv_layers: tuple[tuple[int, int, int], ...] = (
        (512, 10, 4),
        (512, 3, 2),
        (512, 3, 2),
        (512, 2, 2),
        (512, 2, 2),
    )
    dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    ffn_dim: int = 3072
    conv_pos_kernel: int = 128
    conv_pos_groups: int = 16
    dropout: float = 0.1
    missing_lead: Literal["flat", "zero"] = "flat"
    decimates: bool = True


_TINY_CONVS = ((16, 10, 4), (16, 3, 2), (16, 3, 2), (16, 2, 2), (16, 2, 2))
_SMALL_CONVS = ((128, 10, 4), (128, 3, 2), (128, 3, 2), (128, 2, 2), (128, 2, 2))
HUBERT_ECG_SIZES = {
    "tiny": HubertECGConfig(*(_TINY_CONVS, 32, 2, 2, 64), conv_pos_kernel=16, conv_pos_groups=4),
    "small": HubertECGConfig(*(_SMALL_CONVS, 128, 4, 4, 512), conv_pos_kernel=64),
    "base": HubertECGConfig(),
    "published_small": HubertECGConfig(dim=512, num_layers=8, num_heads=8, ffn_dim=2048),
    "published_large": HubertECGConfig(dim=960, num_layers=16, num_heads=12, ffn_dim=3840),
}


class HubertECG(nn.Module):
    """(rows, 12, time) at 500 Hz, each lead from -1 to 1 -> (rows, frame, dim).

    Frames run through one lead after another: they are no times of the recording.
    """

    leads = LEADS
    uses_has_lead = True
    frames_are_time = False
    window_samples: int | None = 2500

    def __init__(self, config: HubertECGConfig):
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.layer_dims = (config.dim,) * (config.num_layers + 1)
        self.feature_extractor = ConvFeatureExtractor(1, config.conv_layers)
        self.feature_norm = nn.LayerNorm(config.conv_layers[-1][0])
        self.feature_projection = nn.Linear(config.conv_layers[-1][0], config.dim)
        self.mask_vector = nn.Parameter(torch.rand(config.dim))
        self.positional = ConvPosition(config.dim, config.conv_pos_kernel, config.conv_pos_groups)
        self.norm = nn.LayerNorm(config.dim)
        self.layers = nn.ModuleList(
            TransformerLayer(
                *(config.dim, config.num_heads, config.ffn_dim, config.dropout, config.dropout)
            )
            for _ in range(config.num_layers)
        )
        step = DECIMATION if config.decimates else 1
        self.shortest = shortest_input(config.conv_layers) * step // NUM_LEADS + 1

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode; arguments as for every encoder (`AnyEncoder`)."""
        return by_length(self.encode, signal, num_samples, has_lead, self.shortest)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, frame, dim)."""
        return last_of(self.through_layers(signal, has_lead))

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, frame, dim)."""
        if self.config.missing_lead == "flat":
            signal = torch.where(has_lead[:, :, None], signal, -1.0)
        sequence = signal.flatten(1)
        if self.config.decimates:
            sequence = decimate(sequence)
        yield from self.hidden_states(self.project(sequence))

    def project(self, sequence: Tensor) -> Tensor:
        """(rows, time) at 100 Hz, leads end to end -> (rows, frame, dim), projected features."""
        features = self.feature_extractor(sequence[:, None])
        projected: Tensor = self.feature_projection(self.feature_norm(features))
        return projected

    def hidden_states(
        self,
        projected: Tensor,
        is_masked: Tensor | None = None,
        is_padding: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, frame, dim).

        Args:
            projected: (rows, frame, dim).
            is_masked: (rows, frame) bool, frames replaced by the learned mask vector.
            is_padding: (rows, frame) bool, frames set to zero and seen by none.
        """
        x = projected
        if is_masked is not None:
            x = torch.where(is_masked[:, :, None], self.mask_vector.to(x.dtype), x)
        is_valid = None
        if is_padding is not None:
            x = x.masked_fill(is_padding[:, :, None], 0.0)
            is_valid = ~is_padding[:, None, None]
        x = self.norm(x + self.positional(x))
        yield x
        for layer in self.layers:
            x = layer(x, is_valid)
            yield x

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)


def shortest_input(conv_layers: tuple[tuple[int, int, int], ...]) -> int:
    """Samples of which the convolutions make one frame."""
    num = 1
    for _, kernel, stride in reversed(conv_layers):
        num = (num - 1) * stride + kernel
    return num


def decimate(sequence: Tensor) -> Tensor:
    """Every fifth sample behind a Chebyshev filter of order 8, forwards and backwards.

    Linear in the sequence: matrices at both ends, where mirrored ends play a part, and a strided
    convolution between.

    Args:
        sequence: (rows, time).

    Returns:
        (rows, ceil(time / 5)).
    """
    length = sequence.shape[1]
    if length <= 4 * _REACH:
        return sequence @ _like(sequence, _matrix(length, 0))
    first_kept = _matrix(3 * _REACH, 0)[:, : _REACH // DECIMATION]
    left = sequence[:, : 3 * _REACH] @ _like(sequence, first_kept)
    middle = conv1d(sequence[:, None], _like(sequence, _kernel()), stride=DECIMATION)[:, 0]
    num_done = left.shape[1] + middle.shape[1]
    tail = 3 * _REACH
    first = (length - tail) % DECIMATION  # of the tail: samples before one that is kept
    last = _like(sequence, _matrix(tail, -first % DECIMATION))
    num_left = -(-length // DECIMATION) - num_done
    right = sequence[:, -tail:] @ last[:, last.shape[1] - num_left :]
    return torch.cat([left, middle, right], dim=1)


def _like(sequence: Tensor, array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(array).to(sequence)


# Arrays are kept: a tensor may be one of a tracer, or of inference alone.
@lru_cache(maxsize=16)
def _matrix(length: int, first: int) -> NDArray[np.float32]:
    """(length, kept): the samples first, first + 5, ... of what the filter makes of each sample."""
    filtered = _filter(np.eye(length))[:, first::DECIMATION]
    return np.ascontiguousarray(filtered, dtype=np.float32)


@lru_cache(maxsize=1)
def _kernel() -> NDArray[np.float32]:
    """(1, 1, 2 * reach + 1): the filter far from any end."""
    impulse = np.zeros((1, 6 * _REACH + 1))
    impulse[0, 3 * _REACH] = 1
    response = _filter(impulse)[:, 2 * _REACH : 4 * _REACH + 1]
    return np.ascontiguousarray(response[None], dtype=np.float32)


def _filter(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal import cheby1, sosfiltfilt

    sections = cheby1(8, 0.05, 0.8 / DECIMATION, output="sos")
    ends = min(3 * (2 * len(sections) + 1), rows.shape[1] - 1)
    return np.asarray(sosfiltfilt(sections, rows, axis=1, padlen=ends))
