"""Baseline shift: a stretch of the signal is lifted or lowered (Oh et al. 2022, arXiv:2203.06889,
appendix: "Physio" perturbations; U(-0.5, 0.5) mV on 20 % of the segment).

Differs from the reference's code, which subtracts the drawn amplitude from the sign (+-1 - U, a
shift near 1 mV) where the paper multiplies them; and each lead has an amplitude of its own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anylead.augment.drawing import check_at_least, check_prob, length, segment_uniform
from anylead.augment.noise import add_noise, num_sources
from anylead.errors import RecipeError
from anylead.objective import Batch

_PURPOSE = 0x53484946


@dataclass(frozen=True)
class BaselineShift:
    """Shift the baseline of each segment for a while.

    Attributes:
        prob: chance of each segment.
        max_amplitude: mV (with `relative`: standard deviations of the lead); each lead, or
            electrode, is shifted by a number from -max_amplitude to max_amplitude.
        stretch: share of the segment that is shifted.
        on_electrodes: the shift is that of the electrodes, so the leads keep Einthoven's law.
        relative: for signals that are not in mV.
    """

    prob: float = 1.0
    max_amplitude: float = 0.5
    stretch: float = 0.2
    on_electrodes: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        check_prob(self.prob)
        check_at_least(0, max_amplitude=self.max_amplitude)
        if not 0 <= self.stretch <= 1:
            raise RecipeError(f"stretch = {self.stretch}: want a share from 0 to 1")

    def __call__(self, batch: Batch) -> Batch:
        """The batch with a shifted stretch."""
        draws = segment_uniform(batch, 1 + num_sources(self.on_electrodes), _PURPOSE)
        num = length(batch.num_samples, batch.signal)
        num_shifted = (num * self.stretch).round()
        noise = shift(
            amplitude=(2 * draws[..., 1:] - 1) * self.max_amplitude,
            start=((num - num_shifted + 1) * draws[..., 0]).floor(),
            num_shifted=num_shifted,
            time=batch.signal.shape[-1],
        )
        return add_noise(batch, noise, self, _PURPOSE)


def shift(amplitude: Tensor, start: Tensor, num_shifted: Tensor, time: int) -> Tensor:
    """(..., source, time): `amplitude` on the stretch, else zero.

    Args:
        amplitude: (..., source), signed.
        start, num_shifted: (...), in samples.
        time: samples of the whole.
    """
    since = torch.arange(time, device=amplitude.device) - start[..., None]  # (..., time)
    is_shifted = (since >= 0) & (since < num_shifted[..., None])
    return amplitude[..., None] * is_shifted[..., None, :]
