"""Views of recordings to be contrasted, and the choices that several methods share."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from anylead.leads import NUM_LEADS
from anylead.objective import Batch
from anylead.randomness import integers, permutation_keys

_PURPOSE_SEGMENT = 0x564945
_PURPOSE_LEAD = 0x56494C


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


def two_leads(batch: Batch, segment: Tensor) -> Views:
    """Two views of one lead each, the leads different, drawn from those both segments have.

    Each goes through the encoder as one of the twelve canonical leads; the others are missing.

    Args:
        batch: segments of recordings.
        segment: (batch, 2) int64, the segment of each view.
    """
    taken = take(batch, segment)
    is_common = taken.has_lead.all(dim=1)  # (batch, lead)
    keys = permutation_keys(batch.seed, NUM_LEADS, _PURPOSE_LEAD).double()
    order = keys.masked_fill(~is_common, -1.0).argsort(dim=1, descending=True)
    is_kept = torch.zeros_like(taken.has_lead).scatter(2, order[:, :2, None], value=True)
    is_kept = is_kept & taken.has_lead
    single = replace(taken, signal=taken.signal.where(is_kept[..., None], 0.0), has_lead=is_kept)
    has_two = is_common.sum(dim=1) >= 2
    return Views(single, is_valid=has_two[:, None].expand(-1, 2))


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
