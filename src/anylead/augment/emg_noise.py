"""Muscle noise: white noise (Oh et al. 2022, arXiv:2203.06889, appendix: "Physio" perturbations,
standard deviation U(0, 0.5) mV).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anylead.augment.drawing import check_at_least, check_prob, segment_uniform
from anylead.augment.noise import add_noise, num_sources
from anylead.objective import Batch
from anylead.randomness import integers

_PURPOSE = 0x454D47
_PURPOSE_AMPLITUDE = 0x454D48


@dataclass(frozen=True)
class EmgNoise:
    """Add white noise to each segment.

    Attributes:
        prob: chance of each segment.
        max_amplitude: largest standard deviation in mV (with `relative`: in standard deviations of
            the lead); drawn from 0 to it for each lead, or electrode.
        on_electrodes: the noise is that of the electrodes, so the leads keep Einthoven's law.
        relative: for signals that are not in mV.
    """

    prob: float = 1.0
    max_amplitude: float = 0.5
    on_electrodes: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        check_prob(self.prob)
        check_at_least(0, max_amplitude=self.max_amplitude)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with muscle noise."""
        sources = num_sources(self.on_electrodes)
        amplitude = segment_uniform(batch, sources, _PURPOSE_AMPLITUDE) * self.max_amplitude
        noise = muscle_noise(amplitude, white_noise(batch, sources))
        return add_noise(batch, noise, self, _PURPOSE)


def white_noise(batch: Batch, num_sources: int) -> Tensor:
    """(batch, segment, source, time) standard normal numbers.

    There is one for each sample, so this is made for speed: two from 31 random bits (Box-Muller
    with a radius of 16 bits and an angle of 15), which reach 4.9 standard deviations.
    """
    segments, time = batch.signal.shape[1], batch.signal.shape[-1]
    num_pairs = (num_sources * time + 1) // 2
    bits = integers(batch.seed, segments * num_pairs, 1 << 31, _PURPOSE)
    bits = bits.view(-1, segments, num_pairs)
    radius = torch.sqrt(-2 * (((bits >> 15) + 0.5) * 2.0**-16).log())
    angle = ((bits & 0x7FFF) + 0.5) * (2 * torch.pi * 2.0**-15)
    pairs = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=-1)
    return pairs[..., : num_sources * time].reshape(-1, segments, num_sources, time)


def muscle_noise(amplitude: Tensor, white: Tensor) -> Tensor:
    """(..., source) standard deviations and (..., source, time) white noise -> their product."""
    return amplitude[..., None] * white
