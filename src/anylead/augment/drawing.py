"""What every augmentation needs to know: which segments, which draws, where a signal may change."""

import torch
from torch import Tensor

from anylead.errors import RecipeError
from anylead.objective import Batch
from anylead.randomness import normal, uniform


def check_prob(prob: float) -> None:
    """Raise a `RecipeError` for what is no probability."""
    if not 0 <= prob <= 1:
        raise RecipeError(f"prob = {prob}: want a number from 0 to 1")


def segment_uniform(batch: Batch, num: int, purpose: int) -> Tensor:
    """(batch, segment, num) uniform numbers in [0, 1), each segment its own."""
    segments = batch.signal.shape[1]
    return uniform(batch.seed, segments * num, purpose).reshape(-1, segments, num)


def segment_normal(batch: Batch, num: int, purpose: int) -> Tensor:
    """(batch, segment, num) standard normal numbers, each segment its own."""
    segments = batch.signal.shape[1]
    return normal(batch.seed, segments * num, purpose).reshape(-1, segments, num)


def is_chosen(batch: Batch, prob: float, purpose: int) -> Tensor:
    """(batch, segment) bool: the segments an augmentation applies to, each with chance `prob`."""
    # A purpose of its own: its complement, so that it never meets the draws of the amplitude.
    return segment_uniform(batch, 1, ~purpose)[..., 0] < prob


def is_present(batch: Batch) -> Tensor:
    """(batch, segment, lead, time) bool: neither a missing lead nor padding."""
    time = torch.arange(batch.signal.shape[-1], device=batch.signal.device)
    is_inside = time < batch.num_samples[..., None]
    return batch.has_lead[..., None] & is_inside[:, :, None, :]
