"""Which frames are masked, and which others serve as negatives (arXiv:2006.11477, section 3)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d, pad

from anylead.randomness import integers, permutation_keys

_SPANS, _NEGATIVES = 0x5350414E, 0x4E454741  # "SPAN", "NEGA"


class Masked(NamedTuple):
    """The masked frames of each row.

    frames: (rows, masked) int64, different frames of the row.
    is_valid: (rows, masked) bool; False fills up rows that are shorter by padding.
    """

    frames: Tensor
    is_valid: Tensor

    def gather(self, x: Tensor) -> Tensor:
        """(rows, frame, dim) -> (rows, masked, dim)."""
        return x.gather(1, self.frames[:, :, None].expand(-1, -1, x.shape[2]))

    def flags(self, num_frames: int) -> Tensor:
        """(rows, frame) bool."""
        flags = torch.zeros(
            len(self.frames), num_frames, dtype=torch.bool, device=self.frames.device
        )
        return flags.scatter(1, self.frames, self.is_valid)


def span_mask(
    seed: Tensor,
    num_frames: int,
    is_padding: Tensor | None = None,
    start_prob: float = 0.065,
    span: int = 10,
) -> Masked:
    """Mask random spans of frames, the same number of frames in every row.

    Spans are laid in random order until the share that independent starts with `start_prob` would
    cover on average is masked; the last span is cut. Differs from the published code, which lets
    the number vary and then unmasks random frames down to the smallest number in the batch: a
    row's mask here does not depend on the other rows, and its size is fixed.

    Args:
        seed: (rows,) int64.
        num_frames: frames of a row.
        is_padding: (rows, frame) bool, or None.
        start_prob: probability that a frame starts a span.
        span: frames of a span.
    """
    share = 1 - (1 - start_prob) ** span
    num_starts = max(num_frames - span + 1, 1)
    order = permutation_keys(seed, num_starts, _SPANS).argsort(dim=1).argsort(dim=1)
    num_valid = torch.full_like(seed, num_frames)
    if is_padding is not None:
        num_valid = (~is_padding).sum(dim=1)
        last_start = (num_valid - span)[:, None]
        is_outside = torch.arange(num_starts, device=seed.device) > last_start
        order = order.masked_fill(is_outside, num_frames)
    # The first span in the random order that covers a frame decides when the frame is masked.
    edges = pad(-order.float(), (span - 1, span - 1), value=-float(num_frames))
    first = -max_pool1d(edges[:, None], span, stride=1)[:, 0, :num_frames]
    frame = torch.arange(num_frames, device=seed.device)
    when = first.long() * num_frames + frame
    size = max(1, round(share * num_frames))
    frames = when.topk(size, dim=1, largest=False).indices
    num_masked = torch.where(num_valid >= span, (share * num_valid).round().long(), 0)
    return Masked(frames, torch.arange(size, device=seed.device) < num_masked[:, None])


def negative_counts(masked: Masked, seed: Tensor, num_negatives: int = 100) -> Tensor:
    """How often each masked frame was drawn as a negative of each other one of its row.

    Drawn with replacement, uniformly from the other masked frames of the row. Counts say the same
    as a list of draws, and make the loss a dense product of (masked, masked).

    Returns:
        (rows, masked, masked) float32; [r, i, j] counts j among the negatives of i; zero for i = j.
    """
    rows, size = masked.frames.shape
    num_masked = masked.is_valid.sum(dim=1)
    others = (num_masked - 1).clamp(min=0)[:, None]
    drawn = integers(seed, size * num_negatives, others, _NEGATIVES).view(rows, size, num_negatives)
    own = torch.arange(size, device=seed.device)[None, :, None]
    drawn = drawn + (drawn >= own)  # skip the frame itself
    has_others = (others > 0)[:, :, None] & masked.is_valid[:, :, None]
    counts = torch.zeros(rows, size, size, device=seed.device)
    ones = has_others.to(counts.dtype).expand_as(drawn)
    return counts.scatter_add(2, drawn.clamp(max=size - 1), ones)
