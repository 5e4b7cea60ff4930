"""Time masking: a stretch of each lead is set to zero (3KG, Gopal et al. 2021, arXiv:2106.04452,
section 3.2).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from anylead.augment.drawing import check_prob, is_chosen, is_present, length, segment_uniform
from anylead.errors import RecipeError
from anylead.leads import NUM_LEADS
from anylead.objective import Batch

_PURPOSE = 0x54494D45


@dataclass(frozen=True)
class TimeMask:
    """Set a stretch of each segment to zero; one that passes the end goes on at the start.

    Attributes:
        prob: chance of each segment.
        stretch: share of the segment that is masked.
        per_lead: each lead has a stretch of its own; else all leads share one.
    """

    prob: float = 1.0
    stretch: float = 0.5
    per_lead: bool = True

    def __post_init__(self) -> None:
        check_prob(self.prob)
        if not 0 <= self.stretch <= 1:
            raise RecipeError(f"stretch = {self.stretch}: want a share from 0 to 1")

    def __call__(self, batch: Batch) -> Batch:
        """The batch with masked stretches; `has_lead` is as before."""
        draws = segment_uniform(batch, NUM_LEADS if self.per_lead else 1, _PURPOSE)
        num = length(batch.num_samples, batch.signal)[..., None]
        is_masked = stretch_mask(
            (draws * num).floor(), (num * self.stretch).floor(), num, batch.signal.shape[-1]
        )
        is_masked = is_masked & is_chosen(batch, self.prob, _PURPOSE)[..., None, None]
        signal = batch.signal.where(~(is_masked & is_present(batch)), 0.0)
        return replace(batch, signal=signal)


def stretch_mask(start: Tensor, num_masked: Tensor, num_samples: Tensor, time: int) -> Tensor:
    """(..., lead, time) bool: the samples from `start` on, around the end of the segment.

    Args:
        start, num_masked, num_samples: (..., lead), in samples.
        time: samples with padding.
    """
    since = torch.arange(time, device=start.device) - start[..., None]
    return since.remainder(num_samples.clamp(min=1)[..., None]) < num_masked[..., None]
