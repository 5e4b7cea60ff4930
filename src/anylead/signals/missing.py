"""Missing samples (NaN): filled in where few, the lead given up where many."""

import numpy as np
from numpy.typing import NDArray

LONG_GAP_SECONDS = 0.2
_SILENT_SECONDS = 1.0
_STRAIGHT = 1e-3  # mV (or without unit) from one sample's slope to the next: no heart is so still


def fill_missing(
    signal: NDArray[np.float32], sample_rate: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Replace samples that are not finite by a line between their neighbours.

    Args:
        signal: (lead, time); not changed.
        sample_rate: Hz.

    Returns:
        The signal with finite samples only, zero throughout a lost lead; then three flags of shape
        (lead,): samples were missing, for longer than 0.2 s at a time, and more than half of the
        lead (the lead is lost).
    """
    num_leads, num_samples = signal.shape
    some = np.zeros(num_leads, dtype=bool)
    long = np.zeros(num_leads, dtype=bool)
    lost = np.zeros(num_leads, dtype=bool)
    filled = signal.copy()
    time = np.arange(num_samples)
    for lead in range(num_leads):
        is_missing = ~np.isfinite(signal[lead])
        num_missing = int(is_missing.sum())
        if num_missing == 0:
            continue
        some[lead] = True
        long[lead] = _longest_run(is_missing) > LONG_GAP_SECONDS * sample_rate
        lost[lead] = num_missing > num_samples / 2
        if lost[lead]:
            filled[lead] = 0
        else:
            known = time[~is_missing]
            filled[lead, is_missing] = np.interp(time[is_missing], known, signal[lead, known])
    return filled, some, long, lost


def silent_stretches(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.float64]:
    """Where no lead shows anything for a second or more: electrodes off, or a gap that was filled.

    Args:
        signal: (lead, time) finite.
        sample_rate: Hz.

    Returns:
        (stretch, 2) seconds from and to.
    """
    is_straight = (np.abs(np.diff(signal, 2, axis=1)) < _STRAIGHT).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_straight.view(np.int8), [0]))))
    stretches: NDArray[np.float64] = edges.reshape(-1, 2) / sample_rate
    return stretches[stretches[:, 1] - stretches[:, 0] >= _SILENT_SECONDS]


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.view(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
