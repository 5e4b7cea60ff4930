"""Baseline wander by breathing and movement: a few slow cosines (Oh et al. 2022, arXiv:2203.06889,
appendix: "Physio" perturbations; three cosines of 0.01 to 0.2 Hz, amplitude U(0, 0.5) mV, a factor
N(1, 0.5^2) for each lead).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anylead.augment.drawing import check_at_least, check_prob, segment_normal, segment_uniform
from anylead.augment.noise import add_noise, num_sources, seconds
from anylead.objective import Batch

_PURPOSE = 0x57414E44
_PURPOSE_FACTOR = 0x57414E45
_FACTOR_SPREAD = 0.5


@dataclass(frozen=True)
class BaselineWander:
    """Let the baseline of each segment wander.

    Attributes:
        prob: chance of each segment.
        max_amplitude: mV (with `relative`: standard deviations of the lead); drawn from 0 to it for
            each cosine.
        num_cosines: how many cosines make the wander.
        min_frequency_hz, max_frequency_hz: range of their frequencies.
        sample_rate: Hz of the signal.
        on_electrodes: the factors are those of the electrodes, so the leads keep Einthoven's law.
        relative: for signals that are not in mV.
    """

    prob: float = 1.0
    max_amplitude: float = 0.5
    num_cosines: int = 3
    min_frequency_hz: float = 0.01
    max_frequency_hz: float = 0.2
    sample_rate: float = 500.0
    on_electrodes: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        check_prob(self.prob)
        check_at_least(0, max_amplitude=self.max_amplitude)
        check_at_least(1, num_cosines=self.num_cosines, sample_rate=self.sample_rate)
        check_at_least(0, min_frequency_hz=self.min_frequency_hz)
        check_at_least(self.min_frequency_hz, max_frequency_hz=self.max_frequency_hz)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with a wandering baseline."""
        draws = segment_uniform(batch, 3 * self.num_cosines, _PURPOSE)
        amplitude, place, turn = draws.chunk(3, dim=-1)
        spread = segment_normal(batch, num_sources(self.on_electrodes), _PURPOSE_FACTOR)
        noise = wander(
            factor=1 + _FACTOR_SPREAD * spread,
            amplitude=amplitude * self.max_amplitude,
            frequency_hz=self.min_frequency_hz
            + place * (self.max_frequency_hz - self.min_frequency_hz),
            phase=turn * 2 * torch.pi,
            seconds=seconds(batch, self.sample_rate),
        )
        return add_noise(batch, noise, self, _PURPOSE)


def wander(
    factor: Tensor, amplitude: Tensor, frequency_hz: Tensor, phase: Tensor, seconds: Tensor
) -> Tensor:
    """(..., source, time) = factor * sum over cosines of amplitude * cos(2 pi frequency t + phase).

    Args:
        factor: (..., source).
        amplitude, frequency_hz, phase: (..., cosine); phase in radians.
        seconds: (time,).
    """
    angle = 2 * torch.pi * frequency_hz[..., None] * seconds + phase[..., None]
    common = (amplitude[..., None] * angle.cos()).sum(-2)  # (..., time)
    return factor[..., None] * common[..., None, :]
