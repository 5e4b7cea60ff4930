"""Views of recordings to be contrasted, and the choices that several methods share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from anylead.leads import lead_mask
from anylead.objective import Batch
from anylead.randomness import integers

# The four leads that CLOCS pairs (arXiv:2005.13249, section 4.1).
CLOCS_LEADS = ("II", "V2", "aVL", "aVR")

_PURPOSE_SEGMENT = 0x564945


class Views(NamedTuple):
    """What a global contrast compares.

    batch: its segment axis holds the views.
    is_pair: (view, view) bool, which views of one recording attract; None: each and all others.
    is_valid: (batch, view) bool, False leaves a view out; None: all count.
    """

    batch: Batch
    is_pair: Tensor | None = None
    is_valid: Tensor | None = None


def segments(batch: Batch) -> Views:
    """The segments as they are loaded: two adjacent ones of each recording."""
    return Views(batch)


def one_segment_twice(batch: Batch) -> Views:
    """Two copies of one segment of each recording, drawn at random; augmentations part them."""
    segment = draw_segment(batch)
    return Views(take(batch, segment[:, None].expand(-1, 2)))


def draw_segment(batch: Batch) -> Tensor:
    """(batch,) int64: one segment of each recording."""
    return integers(batch.seed, 1, batch.signal.shape[1], _PURPOSE_SEGMENT)[:, 0]


def single_leads(batch: Batch, segment: Tensor, leads: Sequence[str]) -> Views:
    """Views of one lead each; all of them attract, those of a lead that is missing do not count.

    Each goes through the encoder as one of the twelve canonical leads; the others are missing.

    Args:
        batch: segments of recordings.
        segment: (batch, view) int64, the segment of each view.
        leads: (view,) the lead of each view.
    """
    taken = take(batch, segment)
    shown = torch.from_numpy(np.stack([lead_mask([name]) for name in leads]))  # (view, lead)
    is_kept = taken.has_lead & shown.to(taken.has_lead.device)
    single = replace(taken, signal=taken.signal.where(is_kept[..., None], 0.0), has_lead=is_kept)
    return Views(single, is_valid=is_kept.any(dim=2))


def take(batch: Batch, segment: Tensor) -> Batch:
    """A batch of chosen segments.

    Args:
        batch: (batch, segment, ...).
        segment: (batch, view) int64, which segment each view shows.
    """
    row = torch.arange(len(segment), device=segment.device)[:, None]
    return replace(
        batch,
        signal=batch.signal[row, segment],
        has_lead=batch.has_lead[row, segment],
        num_samples=None if batch.num_samples is None else batch.num_samples[row, segment],
    )
