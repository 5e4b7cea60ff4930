"""Which part of each recording becomes a segment."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Samples; shorter than this no encoder makes two frames of.
SHORTEST = 32


class Crops(NamedTuple):
    """Segments of recordings, (batch, segment) each.

    start: first sample.
    num_samples: valid samples; less than the segment where the recording is shorter.
    """

    start: NDArray[np.int64]
    num_samples: NDArray[np.int64]


def adjacent_pairs(
    num_samples: NDArray[np.int64], segment: int, uniform: NDArray[np.float64]
) -> Crops:
    """Two segments of each recording that touch each other.

    Args:
        num_samples: (batch,) length of the recordings.
        segment: samples of a segment.
        uniform: (batch,) in [0, 1): where in a longer recording the pair starts.

    A recording shorter than two segments is cut in half; both halves are padded.
    """
    length = np.minimum(segment, num_samples // 2)
    first = (uniform * (num_samples - 2 * length + 1)).astype(np.int64)
    return Crops(np.stack([first, first + length], axis=1), np.stack([length, length], axis=1))


def random_crops(
    num_samples: NDArray[np.int64], segment: int, uniform: NDArray[np.float64]
) -> Crops:
    """One segment at a random place of each recording."""
    length = np.minimum(segment, num_samples)
    start = (uniform * (num_samples - length + 1)).astype(np.int64)
    return Crops(start[:, None], length[:, None])


class Pieces(NamedTuple):
    """Segments, or adjacent pairs of them, at places that never change.

    recording: (piece,) which of the recordings.
    crops: (piece, segment) where it lies.
    """

    recording: NDArray[np.int64]
    crops: Crops


def every_pair(num_samples: NDArray[np.int64], segment: int) -> Pieces:
    """Segments 0 and 1, 2 and 3, ... of each recording, each pair a piece.

    What is left at the end is dropped, and so is a recording shorter than two segments.
    """
    return _pieces(num_samples // (2 * segment), num_samples, segment, 2)


def every_segment(num_samples: NDArray[np.int64], segment: int) -> Pieces:
    """Each segment of each recording from its start; what is left at the end is dropped.

    A recording shorter than a segment is a piece by itself.
    """
    return _pieces(np.maximum(num_samples // segment, 1), num_samples, segment, 1)


def _pieces(
    count: NDArray[np.int64], num_samples: NDArray[np.int64], segment: int, width: int
) -> Pieces:
    recording = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(recording)) - np.repeat(np.cumsum(count) - count, count)
    start = (number[:, None] * width + np.arange(width)) * segment
    length = np.minimum(num_samples[recording][:, None] - start, segment)
    return Pieces(recording, Crops(start, length))


def whole_windows(num_samples: int, segment: int) -> Crops:
    """(1, window) full windows from the start on, what is left at the end dropped.

    A recording shorter than a window is one by itself.
    """
    if num_samples < segment:
        return Crops(np.zeros((1, 1), np.int64), np.full((1, 1), num_samples, np.int64))
    start = np.arange(num_samples // segment) * segment
    return Crops(start[None], np.full((1, len(start)), segment, np.int64))


def even_windows(num_samples: int, segment: int) -> Crops:
    """(1, window) as few windows as cover a recording, evenly spaced, the last one at its end."""
    if num_samples <= segment:
        return Crops(np.zeros((1, 1), np.int64), np.full((1, 1), num_samples, np.int64))
    count = -(-num_samples // segment)
    start = np.linspace(0, num_samples - segment, count).round().astype(np.int64)
    return Crops(start[None], np.full((1, count), segment, np.int64))


# What becomes of the end of a recording that is no multiple of the window.
TAILS = {"overlap": even_windows, "drop": whole_windows}
