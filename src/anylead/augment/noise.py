"""Where noise enters an ECG: on each lead, or on the nine electrodes the leads are made of.

What an electrode picks up shows in every lead that uses it, so the leads keep Einthoven's and
Goldberger's relations: I = LA - RA, II = LL - RA, III = LL - LA, aVR = RA - (LA + LL) / 2 and its
sisters, V1 = V1 - (RA + LA + LL) / 3 (Wilson 1934).
"""

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from anylead.augment.drawing import is_chosen, is_present, lead_scale
from anylead.leads import NUM_LEADS
from anylead.objective import Batch

ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")

_LIMB_ROWS = (  # I, II, III, aVR, aVL, aVF from RA, LA, LL
    (-1, 1, 0),
    (-1, 0, 1),
    (0, -1, 1),
    (1, -1 / 2, -1 / 2),
    (-1 / 2, 1, -1 / 2),
    (-1 / 2, -1 / 2, 1),
)
# (12, 9): leads = matrix @ electrode potentials.
LEADS_FROM_ELECTRODES = torch.cat(
    [
        torch.cat([torch.tensor(_LIMB_ROWS), torch.zeros(6, 6)], dim=1),
        torch.cat([torch.full((6, 3), -1 / 3), torch.eye(6)], dim=1),
    ]
)


def num_sources(on_electrodes: bool) -> int:
    """How many independent noises: one for each electrode or one for each lead."""
    return len(ELECTRODES) if on_electrodes else NUM_LEADS


class Noise(Protocol):
    """What the augmentations that add noise have in common.

    prob: chance of each segment.
    on_electrodes: the noise is that of the `ELECTRODES`. With `relative` all leads of a segment
        then share one unit, the root mean square over its leads, which keeps Einthoven's law.
    relative: for signals that are not in mV.
    """

    @property
    def prob(self) -> float: ...

    @property
    def on_electrodes(self) -> bool: ...

    @property
    def relative(self) -> bool: ...


def add_noise(batch: Batch, noise: Tensor, how: Noise, purpose: int) -> Batch:
    """Add noise to the segments it falls on; missing leads and padding stay zero.

    Args:
        batch: unchanged.
        noise: (batch, segment, lead or electrode, time) in mV; where it is relative, in units of
            the standard deviation of each lead.
        how: which segments, and where it enters.
        purpose: of the draw of segments.
    """
    if how.on_electrodes:
        matrix = LEADS_FROM_ELECTRODES.to(noise.device)
        noise = torch.einsum("le,bset->bslt", matrix, noise)
    if how.relative:
        scale = lead_scale(batch)
        if how.on_electrodes:
            num = batch.has_lead.sum(-1, keepdim=True).clamp(min=1)
            scale = (scale.square().sum(-1, keepdim=True) / num).sqrt()
        noise = noise * scale[..., None]
    chosen = is_chosen(batch, how.prob, purpose)
    may_change = is_present(batch) & chosen[..., None, None]
    return replace(batch, signal=torch.where(may_change, batch.signal + noise, batch.signal))


def seconds(batch: Batch, sample_rate: float) -> Tensor:
    """(time,) time of each sample."""
    return torch.arange(batch.signal.shape[-1], device=batch.signal.device) / sample_rate
