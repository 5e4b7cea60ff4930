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


def check_at_least(least: float, **values: float) -> None:
    """Raise a `RecipeError` for a value below the least."""
    for name, value in values.items():
        if value < least:
            raise RecipeError(f"{name} = {value}: want {least:g} or more")


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


def is_inside(num_samples: Tensor | None, signal: Tensor) -> Tensor:
    """(batch, segment, time) bool: not padding.

    Args:
        num_samples: (batch, segment), or None where nothing is padded.
        signal: (batch, segment, lead, time).
    """
    time = torch.arange(signal.shape[-1], device=signal.device)
    if num_samples is None:
        return torch.ones_like(signal[..., 0, :], dtype=torch.bool)
    return time < num_samples[..., None]


def length(num_samples: Tensor | None, signal: Tensor) -> Tensor:
    """(batch, segment) float32: samples of each segment that are not padding."""
    if num_samples is None:
        return signal.new_full(signal.shape[:2], signal.shape[-1])
    return num_samples.to(signal.dtype)


def is_present(batch: Batch) -> Tensor:
    """(batch, segment, lead, time) bool: neither a missing lead nor padding."""
    return batch.has_lead[..., None] & is_inside(batch.num_samples, batch.signal)[:, :, None]


def lead_scale(batch: Batch) -> Tensor:
    """(batch, segment, lead) standard deviation of each lead, without its padding."""
    present = is_present(batch)
    num = length(batch.num_samples, batch.signal).clamp(min=1)[..., None]
    mean = (batch.signal * present).sum(-1) / num
    spread = ((batch.signal - mean[..., None]) * present).square().sum(-1) / num
    return spread.sqrt()
