"""Which part of each recording becomes a segment."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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
