"""Powerline interference: a cosine at the mains frequency (Oh et al. 2022, arXiv:2203.06889,
appendix: "Physio" perturbations, amplitude U(0, 0.5) mV).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anylead.augment.drawing import check_at_least, check_prob, segment_uniform
from anylead.augment.noise import add_noise, num_sources, seconds
from anylead.errors import RecipeError
from anylead.objective import Batch

_PURPOSE = 0x504F5752


@dataclass(frozen=True)
class PowerlineNoise:
    """Add hum to each segment.

    Attributes:
        prob: chance of each segment.
        max_amplitude: mV (with `relative`: standard deviations of the lead); drawn from 0 to it.
        frequencies_hz: one of them is drawn for each segment.
        sample_rate: Hz of the signal.
        on_electrodes: each electrode picks up hum of an amplitude of its own; else all leads show
            the same hum, as published.
        relative: for signals that are not in mV.
    """

    prob: float = 1.0
    max_amplitude: float = 0.5
    frequencies_hz: tuple[float, ...] = (50.0, 60.0)
    sample_rate: float = 500.0
    on_electrodes: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        check_prob(self.prob)
        check_at_least(0, max_amplitude=self.max_amplitude)
        check_at_least(0, frequencies_hz=min(self.frequencies_hz, default=0))
        if not self.frequencies_hz or max(self.frequencies_hz) >= self.sample_rate / 2:
            raise RecipeError(
                f"frequencies_hz = {self.frequencies_hz} at a sample rate of {self.sample_rate} Hz:"
                " want at least one, below half the sample rate"
            )

    def __call__(self, batch: Batch) -> Batch:
        """The batch with hum."""
        sources = num_sources(self.on_electrodes) if self.on_electrodes else 1
        draws = segment_uniform(batch, 2 + sources, _PURPOSE)
        choices = torch.tensor(self.frequencies_hz, device=draws.device)
        frequency_hz = choices[(draws[..., 0] * len(self.frequencies_hz)).long()]
        noise = hum(
            amplitude=draws[..., 2:] * self.max_amplitude,
            frequency_hz=frequency_hz,
            phase=draws[..., 1] * 2 * torch.pi,
            seconds=seconds(batch, self.sample_rate),
        )
        return add_noise(batch, noise, self, _PURPOSE)


def hum(amplitude: Tensor, frequency_hz: Tensor, phase: Tensor, seconds: Tensor) -> Tensor:
    """(..., source, time) = amplitude * cos(2 pi frequency t + phase).

    Args:
        amplitude: (..., source).
        frequency_hz, phase: (...); phase in radians.
        seconds: (time,).
    """
    angle = 2 * torch.pi * frequency_hz[..., None] * seconds + phase[..., None]
    return amplitude[..., None] * angle.cos()[..., None, :]
