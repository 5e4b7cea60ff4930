"""Millivolts <-> int16 with one scale per lead."""

import numpy as np
from numpy.typing import NDArray

_LARGEST = 32767
_FULL_SCALE = 32000  # leaves room above the largest sample for rounding


def quantize(
    signal: NDArray[np.float32], resolution: NDArray[np.float64], out: NDArray[np.int16]
) -> NDArray[np.float32]:
    """Store each lead as whole numbers of its own step.

    The step is that of the source where its samples are known to be whole numbers of it, so that
    they are kept exactly; else the largest sample becomes 32000.

    Args:
        signal: (lead, time), finite.
        resolution: (lead,) step of the source, NaN where it is unknown.
        out: (lead, time), filled with the steps.

    Returns:
        (lead,) scale: signal = out * scale.
    """
    peak = np.maximum(signal.max(axis=1, initial=0), -signal.min(axis=1, initial=0))
    known = (resolution > 0) & (resolution < np.inf)
    fits = known & (np.rint(peak / np.where(known, resolution, 1)) <= _LARGEST)
    smallest = np.finfo(np.float32).tiny * _FULL_SCALE
    scale = np.where(fits, resolution, np.maximum(peak, smallest) / _FULL_SCALE)
    scale = scale.astype(np.float32)
    steps = signal * (1 / scale.astype(np.float64)).astype(np.float32)[:, None]
    out[:] = np.rint(steps, out=steps)
    return scale
