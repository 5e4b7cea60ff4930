"""A plain 1-D residual network: the yardstick a self-supervised Transformer has to beat.

Residual blocks as in He et al. 2015 (arXiv:1512.03385), each halving the time axis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from anylead.leads import LEADS, NUM_LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.limb_completion import LimbCompletion
from anylead.models.residual import (
    MaskedBatchNorm,
    ResidualBlock,
    clear_padding,
    convolution,
    is_valid_step,
    steps_after,
)


@dataclass(frozen=True)
class ResNet1dConfig:
    """Shape of the network; the defaults have 0.7 M parameters.

    Attributes:
        stem_dim: channels of the first convolution, of stride 2.
        stem_kernel: its kernel, odd.
        dims: channels of the blocks, of stride 2 each.
        kernel: of their convolutions, odd.
        dropout: of whole channels of the result, the same for all frames.
        completes_limb_leads: fill in limb leads that follow from two present ones (exact in mV).
        knows_leads: twelve more input channels tell which leads are present.
    """

    stem_dim: int = 48
    stem_kernel: int = 15
    dims: tuple[int, ...] = (64, 96, 128, 160)
    kernel: int = 7
    dropout: float = 0.3
    completes_limb_leads: bool = False
    knows_leads: bool = False


RESNET1D_SIZES: dict[str, ResNet1dConfig] = {
    "tiny": ResNet1dConfig(stem_dim=16, dims=(16, 24, 32)),
    "small": ResNet1dConfig(stem_dim=24, dims=(32, 48, 64, 80)),
    "base": ResNet1dConfig(),
}


class ResNet1d(nn.Module):
    """(rows, 12, time) in mV -> (rows, frame, dim).

    What lies beyond `num_samples` never reaches a valid frame: a padded signal gives the frames of
    the signal alone. In training, rows of a batch share the statistics of the normalization, so
    that micro-batches differ a little from one large batch.
    """

    leads = LEADS
    frames_are_time = True
    window_samples: int | None = None

    def __init__(self, config: ResNet1dConfig):
        super().__init__()
        self.config = config
        self.uses_has_lead = config.completes_limb_leads or config.knows_leads
        self.dim = config.dims[-1]
        self.layer_dims = (config.stem_dim, *config.dims)
        self.completion = LimbCompletion() if config.completes_limb_leads else None
        num_channels = NUM_LEADS * (2 if config.knows_leads else 1)
        self.stem = convolution(num_channels, config.stem_dim, config.stem_kernel, stride=2)
        self.stem_norm = MaskedBatchNorm(config.stem_dim)
        dims = (config.stem_dim, *config.dims)
        self.layers = nn.ModuleList(
            ResidualBlock(dim_in, dim, config.kernel) for dim_in, dim in pairwise(dims)
        )
        self.dropout = nn.Dropout1d(config.dropout)

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode.

        Args:
            signal: (rows, 12, time) mV, canonical leads, zero where missing or padded.
            num_samples: (rows,) valid samples; None: all.
            has_lead: (rows, 12) bool; None: all present.
        """
        if has_lead is None:
            has_lead = torch.ones(signal.shape[:2], dtype=torch.bool, device=signal.device)
        for after, num_valid in self._states(signal, num_samples, has_lead):
            x, num_frames = after, num_valid
        context = self.dropout(x).transpose(1, 2)  # (rows, frame, dim)
        if num_frames is None:
            return Encoded(context, None)
        return Encoded(context, ~is_valid_step(context.shape[1], num_frames))

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first block, then what leaves each, (rows, frame, channels)."""
        for x, _ in self._states(signal, None, has_lead):
            yield x.transpose(1, 2)

    def _states(
        self, signal: Tensor, num_samples: Tensor | None, has_lead: Tensor
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """(rows, channels, step) and the valid steps: of the stem, then of each block."""
        if self.completion is not None:
            signal = self.completion(signal, has_lead)
        if self.config.knows_leads:
            told = has_lead[..., None].to(signal.dtype).expand(-1, -1, signal.shape[2])
            signal = torch.cat([signal, told], dim=1)
        num_valid = num_samples
        x = clear_padding(signal, num_valid)
        num_valid = steps_after(num_valid)
        x = nn.functional.relu(self.stem_norm(self.stem(x), num_valid))
        yield x, num_valid
        for block in self.layers:
            x = block(x, num_valid)
            num_valid = steps_after(num_valid)
            yield x, num_valid

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)
