"""Turning and scaling the heart's vector (3KG, Gopal et al. 2021, arXiv:2106.04452, section 3.1).

The leads are taken to the vectorcardiogram (X, Y, Z), turned and scaled there, and brought back:
what another position of the heart or of the electrodes does to them.

Matrix: `anylead.leads.DOWER`; the inverse Dower matrix of Edenbrandt and Pahlm 1988 is its
pseudo-inverse. Differs from the reference: where leads are missing, the vector is the least squares
solution (of least norm) from those present, in the directions they see well.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.augment.drawing import (
    check_prob,
    is_chosen,
    is_present,
    lead_scale,
    segment_uniform,
)
from anylead.errors import RecipeError
from anylead.leads import DOWER, NUM_LEADS
from anylead.objective import Batch

_PURPOSE = 0x564347

# mV, standard deviation of each lead in the median of 185 recordings of PTB-XL and of the PhysioNet
# Challenge 2021 (0.5 to 40 Hz).
TYPICAL_SCALE = (
    *(0.118, 0.138, 0.100, 0.119, 0.081, 0.102),
    *(0.154, 0.246, 0.240, 0.242, 0.225, 0.186),
)

_SMALLEST = 0.1  # a direction counts as seen from this share of the best seen one on


def inverse_dower(has_lead: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The vector from the leads present.

    Args:
        has_lead: (subset, 12).

    Returns:
        (subset, 3, 12). With I and II the other limb leads tell nothing new and are left out, so
        all twelve give the inverse Dower matrix as published on I, II and V1 to V6.
    """
    is_used = has_lead.copy()
    is_used[has_lead[:, :2].all(1), 2:6] = False
    # Leads that nearly lie in a plane, such as V3, V4, V6, would blow their noise up 200-fold.
    inverse = np.linalg.pinv(DOWER * is_used[:, :, None], rcond=_SMALLEST)
    return np.asarray(inverse * is_used[:, None, :], dtype=np.float64)  # exact zeros


_SUBSETS = np.array(list(product((False, True), repeat=NUM_LEADS)))[:, ::-1]  # bit i is lead i
_INVERSE = torch.from_numpy(inverse_dower(_SUBSETS)).to(torch.float32)  # (4096, 3, 12)
_FORWARD = torch.from_numpy(DOWER).to(torch.float32)


@dataclass(frozen=True)
class VcgRotation:
    """Turn and scale the vectorcardiogram of each segment.

    Attributes:
        prob: chance of each segment.
        max_angle: degrees; the angle about each axis is drawn from -max_angle to max_angle.
        max_scale: the factor of each axis is drawn from 1 to it.
        relative: for leads z-scored one by one, which no longer tell the direction of the vector:
            each is taken to have its `TYPICAL_SCALE`. Else the leads must be in one unit (mV, or a
            recording scaled by one factor).
    """

    prob: float = 1.0
    max_angle: float = 45.0
    max_scale: float = 1.5
    relative: bool = False

    def __post_init__(self) -> None:
        check_prob(self.prob)
        if self.max_scale < 1:
            raise RecipeError(f"max_scale = {self.max_scale}: want a factor of 1 or more")

    def __call__(self, batch: Batch) -> Batch:
        """The batch seen from another side."""
        draws = segment_uniform(batch, 6, _PURPOSE)
        turn = rotation((2 * draws[..., :3] - 1) * self.max_angle)
        scale = 1 + draws[..., 3:] * (self.max_scale - 1)
        device = batch.signal.device
        bits = 1 << torch.arange(NUM_LEADS, device=device)
        inverse = _INVERSE.to(device)[(batch.has_lead * bits).sum(-1)]  # (batch, segment, 3, 12)
        unit = self._unit(batch)
        moved = apply(batch.signal / unit, inverse, _FORWARD.to(device), turn, scale) * unit
        may_change = is_present(batch) & is_chosen(batch, self.prob, _PURPOSE)[..., None, None]
        return replace(batch, signal=torch.where(may_change, moved, batch.signal))

    def _unit(self, batch: Batch) -> Tensor:
        """(batch, segment, lead, 1) what stands for 1 mV in each lead."""
        if not self.relative:
            return torch.ones_like(batch.signal[..., :1])
        unit = lead_scale(batch) / torch.tensor(TYPICAL_SCALE, device=batch.signal.device)
        return torch.where(unit > 0, unit, 1.0)[..., None]


def apply(signal: Tensor, inverse: Tensor, forward: Tensor, turn: Tensor, scale: Tensor) -> Tensor:
    """Leads -> vector -> turned, then scaled along the axes -> leads.

    Args:
        signal: (..., lead, time).
        inverse: (..., 3, lead); forward: (lead, 3).
        turn: (..., 3, 3).
        scale: (..., 3).
    """
    matrix = forward @ (scale[..., None] * (turn @ inverse))  # (..., lead, lead)
    return matrix @ signal


def rotation(degrees: Tensor) -> Tensor:
    """(..., 3) angles about the fixed axes Z, then Y, then X -> (..., 3, 3) rotation matrices."""
    z, y, x = torch.deg2rad(degrees).unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    about_z = _matrix(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
    about_y = _matrix(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
    about_x = _matrix(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
    return about_x @ about_y @ about_z


def _matrix(*entries: Tensor) -> Tensor:
    """Nine (...) entries, row by row -> (..., 3, 3)."""
    return torch.stack(entries, dim=-1).reshape(*entries[0].shape, 3, 3)
