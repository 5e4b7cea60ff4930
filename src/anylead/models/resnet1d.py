"""A plain 1-D residual network: the yardstick a self-supervised Transformer has to beat.

Residual blocks as in He et al. 2015 (arXiv:1512.03385), each halving the time axis.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from anylead.leads import LEADS, NUM_LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.limb_completion import LimbCompletion


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
        self.completion = LimbCompletion() if config.completes_limb_leads else None
        num_channels = NUM_LEADS * (2 if config.knows_leads else 1)
        self.stem = _conv(num_channels, config.stem_dim, config.stem_kernel, stride=2)
        self.stem_norm = MaskedBatchNorm(config.stem_dim)
        dims = (config.stem_dim, *config.dims)
        self.layers = nn.ModuleList(
            _Block(dim_in, dim, config.kernel) for dim_in, dim in pairwise(dims)
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
        if self.completion is not None:
            signal = self.completion(signal, has_lead)
        if self.config.knows_leads:
            told = has_lead[..., None].to(signal.dtype).expand(-1, -1, signal.shape[2])
            signal = torch.cat([signal, told], dim=1)
        num_valid = num_samples
        x = _clear(signal, num_valid)
        num_valid = _halve(num_valid)
        x = nn.functional.relu(self.stem_norm(self.stem(x), num_valid))
        for block in self.layers:
            x = block(x, num_valid)
            num_valid = _halve(num_valid)
        context = self.dropout(x).transpose(1, 2)  # (rows, frame, dim)
        if num_valid is None:
            return Encoded(context, None)
        return Encoded(context, ~_is_valid(context.shape[1], num_valid))

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)


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
        is_valid = _is_valid(x.shape[2], num_valid)
        steps = x.transpose(1, 2)  # (rows, time, dim)
        normed = self.norm(steps[is_valid])
        return (
            torch.zeros_like(steps, dtype=normed.dtype)
            .index_put(is_valid.nonzero(as_tuple=True), normed)
            .transpose(1, 2)
        )


class _Block(nn.Module):
    """Two convolutions beside a short cut; half as many steps come out."""

    def __init__(self, dim_in: int, dim: int, kernel: int):
        super().__init__()
        self.first = _conv(dim_in, dim, kernel, stride=2)
        self.first_norm = MaskedBatchNorm(dim)
        self.second = _conv(dim, dim, kernel, stride=1)
        self.second_norm = MaskedBatchNorm(dim)
        self.short_cut = _conv(dim_in, dim, 1, stride=2)
        self.short_cut_norm = MaskedBatchNorm(dim)

    def forward(self, x: Tensor, num_valid: Tensor | None) -> Tensor:
        num_after = _halve(num_valid)
        inner = nn.functional.relu(self.first_norm(self.first(x), num_after))
        inner = self.second_norm(self.second(inner), num_after)
        return nn.functional.relu(inner + self.short_cut_norm(self.short_cut(x), num_after))


def _conv(dim_in: int, dim: int, kernel: int, stride: int) -> nn.Conv1d:
    return nn.Conv1d(dim_in, dim, kernel, stride, padding=kernel // 2, bias=False)


def _halve(num_valid: Tensor | None) -> Tensor | None:
    """Steps that are left after a stride of 2: a step counts if its middle does."""
    return None if num_valid is None else (num_valid + 1) // 2


def _is_valid(num_steps: int, num_valid: Tensor) -> Tensor:
    """(rows, step) bool."""
    return torch.arange(num_steps, device=num_valid.device) < num_valid[:, None]


def _clear(signal: Tensor, num_valid: Tensor | None) -> Tensor:
    if num_valid is None:
        return signal
    return signal * _is_valid(signal.shape[2], num_valid)[:, None]
