"""The calibration pulse that some devices store at an end of the ECG, told apart from the ECG.

Philips writes 0.1 s of zero, 0.2 s of 1 mV and 0.1 s of zero behind 10.6 s of ECG, in every lead. A
square that all leads share is no ECG: I + III - II and I + II + 2 aVR are 0 in any heart
(Einthoven, Goldberger), and no heart moves eight leads by the same voltage.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from anylead.leads import LEADS

LONGEST_SECONDS = 2.0  # of the stretch at the end that is looked at
LEAD_IN_SECONDS = 0.2  # of the flat line before a pulse that is cut with it
OFF_SECONDS = 0.3  # at zero, or missing: a lead without a pulse
SHORTEST_SECONDS = 0.04  # of the pulse
TALLEST, LOWEST = 2.1, 0.4  # mV
USUAL = (0.95, 1.05)
FEWEST_LEADS = 3
FLAT = 0.03  # mV between leads, and around the two levels
SAME_LEADS = 8  # so many cannot agree by chance where no law can be broken
_NEARLY_FLAT = 1.001 * FLAT  # whatever the rounding, nothing that is flat lies beyond


def without_pulse(
    signal: NDArray[np.float32], leads: Sequence[str], sample_rate: float
) -> tuple[NDArray[np.float32], str | None]:
    """Cut off a calibration pulse before or behind the ECG.

    Args:
        signal: (lead, time) in mV.
        leads: canonical names of the rows.
        sample_rate: Hz.

    Returns:
        The rest, and a note that says what was cut; None where nothing was.
    """
    kept, told = signal, []
    for where, step in (("end", -1), ("beginning", 1)):
        at_first, cut = kept[:, ::step], 0
        while _may_begin(at_first[:, cut:], sample_rate) and (
            more := _length(at_first[:, cut:], leads, sample_rate)
        ):
            cut += more
        if cut:
            kept = at_first[:, cut:][:, ::step]
            told.append(f"{cut / sample_rate:.2f} s cut at the {where}")
    note = f"calibration pulse: {', '.join(told)}" if told else None
    return np.ascontiguousarray(kept) if told else signal, note


def _may_begin(signal: NDArray[np.float32], sample_rate: float) -> bool:
    """Whether a pulse can stand first, by three samples; False for nearly every ECG.

    A pulse lasts for `SHORTEST_SECONDS`. In each of its samples the leads that are neither at zero
    nor missing, and so not off, have the same voltage.
    """
    shortest = max(1, ceil(SHORTEST_SECONDS * sample_rate))
    if shortest > signal.shape[1]:
        return False
    for place in (0, shortest // 2, shortest - 1):
        voltages = [value for value in signal[:, place].tolist() if abs(value) >= _NEARLY_FLAT]
        if voltages and max(voltages) - min(voltages) > _NEARLY_FLAT:
            return False
    return True


def _length(signal: NDArray[np.float32], leads: Sequence[str], sample_rate: float) -> int:
    """Samples of a pulse that stands first in all leads, or in those that are not off."""
    heights = _heights(leads)
    length = 0 if heights is None else _shared_length(signal, sample_rate, heights)
    if length or not signal.size:
        return length
    height = np.abs(np.nan_to_num(signal[:, : round(LONGEST_SECONDS * sample_rate)]))
    is_off = height[:, : round(OFF_SECONDS * sample_rate)].max(axis=1, initial=0) < FLAT
    heights = _heights([lead for lead, is_out in zip(leads, is_off, strict=True) if not is_out])
    if heights is None or not is_off.any():
        return 0
    length = _shared_length(signal[~is_off], sample_rate, heights)
    return length if (height[is_off, :length] < FLAT).all() else 0


def _heights(leads: Sequence[str]) -> tuple[float, float] | None:
    """MV that a pulse may have: any where no heart can make it, else that of the usual one."""
    names = set(leads)
    if len(names & set(LEADS)) >= SAME_LEADS or {"I", "II"} < names & {"I", "II", "III", "aVR"}:
        return LOWEST, TALLEST
    return USUAL if len(names) >= FEWEST_LEADS else None


def _shared_length(
    signal: NDArray[np.float32], sample_rate: float, heights: tuple[float, float]
) -> int:
    """Samples of a pulse that stands first in all leads, with its flat line; 0 without one."""
    most = min(round(LONGEST_SECONDS * sample_rate), signal.shape[1] // 2)
    first = signal[:, :most]
    if most == 0 or not _is_shared(first[:, :1]).all():
        return 0
    is_shared = _is_shared(first)
    shared = most if is_shared.all() else int(np.argmin(is_shared))
    level = first[:, :shared].mean(axis=0)
    height = level[np.argmax(np.abs(level))]
    if not heights[0] <= abs(height) <= heights[1]:
        return 0
    is_high = np.abs(level - height) < max(FLAT, 0.1 * abs(height))
    is_low = np.abs(level) < FLAT
    high = np.flatnonzero(is_high)
    # The first of perhaps several, between two flat lines; edges take a sample or two.
    high = high[: int(np.argmax(np.diff(high, append=high[-1] + 2) > 1)) + 1]
    is_square = (
        len(high) >= SHORTEST_SECONDS * sample_rate
        and (is_high | is_low)[: high[-1] + 1].mean() > 0.9
    )
    if not is_square:
        return 0
    flat = is_low[high[-1] + 1 :]
    edge = high[-1] + 1 + (int(np.argmax(flat)) if flat.any() else len(flat))
    lead_in = is_low[edge:]
    num_flat = len(lead_in) if lead_in.all() else int(np.argmin(lead_in))
    return int(edge + min(num_flat, round(LEAD_IN_SECONDS * sample_rate)))


def _is_shared(signal: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(time,): whether all leads have the same voltage; never where one is missing."""
    is_same: NDArray[np.bool_] = np.ptp(signal, axis=0) < FLAT
    return is_same
