"""Muscle noise: white noise (Oh et al. 2022, arXiv:2203.06889, appendix: "Physio" perturbations,
standard deviation U(0, 0.5) mV).
"""

from dataclasses import dataclass

from torch import Tensor

from anylead.augment.drawing import check_prob, is_chosen, segment_normal, segment_uniform
from anylead.augment.noise import add_noise, num_sources
from anylead.objective import Batch

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

    def __call__(self, batch: Batch) -> Batch:
        """The batch with muscle noise."""
        sources, time = num_sources(self.on_electrodes), batch.signal.shape[-1]
        amplitude = segment_uniform(batch, sources, _PURPOSE_AMPLITUDE) * self.max_amplitude
        white = segment_normal(batch, sources * time, _PURPOSE)
        noise = muscle_noise(amplitude, white.reshape(*amplitude.shape, time))
        return add_noise(
            batch,
            noise,
            is_chosen(batch, self.prob, _PURPOSE),
            on_electrodes=self.on_electrodes,
            relative=self.relative,
        )


def muscle_noise(amplitude: Tensor, white: Tensor) -> Tensor:
    """(..., source) standard deviations and (..., source, time) white noise -> their product."""
    return amplitude[..., None] * white
