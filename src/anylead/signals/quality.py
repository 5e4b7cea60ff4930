"""What is wrong with a lead, as bits that a store keeps for every lead of every recording."""

from enum import IntFlag
from functools import lru_cache
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from anylead.leads import EINTHOVEN, LEADS, NUM_LEADS
from anylead.signals.readability import Spaced, is_beyond, is_noisy, measure, spaced


class Quality(IntFlag):
    """Bits of `Prepared.quality` and of a store's `quality` column."""

    MISSING_SAMPLES = 1  # some samples were missing and filled in
    LONG_GAP = 2  # for longer than 0.2 s at a time
    LOST = 4  # more than half of the samples were missing: the lead counts as missing
    FLAT = 8  # constant: the lead counts as missing
    DERIVED = 16  # computed from two other limb leads
    CLIPPED = 32  # rests at its largest or smallest value
    POWERLINE = 64  # a line at 50 or 60 Hz
    BASELINE = 128  # wanders by more than 1 mV
    AMPLITUDE = 256  # less than 0.05 mV or more than 15 mV from bottom to top
    LIMB_INCONSISTENT = 512  # III = II - I, or a relation like it, does not hold
    SWAPPED = 1024  # limb electrodes look swapped: lead I or II is V6 upside down
    DUPLICATED = 2048  # equal to another lead, sample by sample
    RATE = 4096  # of the recording: below 20 or above 300 beats a minute, or no beats stand out
    PARTLY_FLAT = 8192  # constant for longer than 1 s, but not throughout
    NOISE = 16384  # nearly as restless between the beats as in them
    UNACCEPTABLE = 32768  # a human reader would want the lead recorded again: see `is_acceptable`


# Bits that `assess` gives, in its order.
_JUDGED = np.array(
    [
        Quality.CLIPPED,
        Quality.POWERLINE,
        Quality.BASELINE,
        Quality.AMPLITUDE,
        Quality.LIMB_INCONSISTENT,
        Quality.SWAPPED,
        Quality.DUPLICATED,
        Quality.RATE,
        Quality.PARTLY_FLAT,
        Quality.NOISE,
        Quality.UNACCEPTABLE,
    ],
    dtype=np.uint16,
)
_LARGEST_MAINS = 0.03  # mV; in signals without voltage, standard deviations
_LARGEST_WANDER = {"mV": 1.0, "NU": 3.0}
_PLAUSIBLE_MV = (0.05, 15.0)
_CLIPPED_RUNS = 3
_CLIPPED_SAMPLES = 4
_CLIPPED_SECONDS = 0.5
_LARGEST_MISFIT = 0.1  # of the limb leads' root mean square
_OPPOSITE = -0.6
_SWAP_LEADS = [LEADS.index(name) for name in ("I", "II", "aVR", "V6")]
_PLAUSIBLE_PER_MINUTE = (20.0, 300.0)
_LONGEST_FLAT_SECONDS = 1.0
_NO_LEAD = np.uint16(Quality.FLAT | Quality.LOST | Quality.UNACCEPTABLE)
_LARGEST_REST = 0.45  # slope between beats, of that in them
_PAIRS = np.triu(np.ones((NUM_LEADS, NUM_LEADS), dtype=bool), k=1)


def assess(
    signal: NDArray[np.float32],
    has_lead: NDArray[np.bool_],
    sample_rate: float,
    unit: str,
    extremes: NDArray[np.float32] | None = None,
) -> NDArray[np.uint16]:
    """Flags of a recording as it was read.

    Args:
        signal: (12, time) finite; zero where a lead is missing.
        has_lead: (12,).
        sample_rate: Hz.
        unit: "mV" or "NU"; without voltage amplitudes are not judged, and the limb leads only as
            far as no factor of each could make them fit.
        extremes: (2, 12) smallest and largest value of each lead, where the caller knows them.

    Returns:
        (12,) uint16 bits of `Quality`; 0 for missing leads.
    """
    if extremes is None:
        extremes = extremes_of(signal)
    height = extremes[1] - extremes[0]
    # Relations between leads show in every fourth sample as well.
    thin = np.ascontiguousarray(signal[:, ::4]) if signal.shape[1] >= 1000 else signal
    centred = thin - thin.mean(axis=1, keepdims=True)
    gram = (centred @ centred.T).astype(np.float64)
    found = np.zeros((len(_JUDGED), NUM_LEADS), dtype=bool)
    found[0] = _is_clipped(signal, thin, extremes, sample_rate)
    samples = spaced(signal, sample_rate)
    measures = measure(signal, samples, height, sample_rate)
    found[1] = measures.mains > _LARGEST_MAINS
    found[2] = measures.wander > _LARGEST_WANDER[unit]
    if unit == "mV":
        least, most = _PLAUSIBLE_MV
        found[3] = (height < least) | (height > most)
    found[4, :6] = not limbs_fit(gram[:6, :6], has_lead[:6], free_scale=unit != "mV")
    found[5] = _is_swapped(gram, has_lead)
    found[6] = _is_duplicated(signal, gram, has_lead)
    found[7] = not has_plausible_rate(samples)
    found[8] = _is_partly_flat(signal, sample_rate)
    found[9] = is_noisy(measures, unit)
    found[10] = found[7] | found[8] | found[9] | is_beyond(measures, unit)
    flags: NDArray[np.uint16] = _JUDGED @ (found & has_lead)
    return flags


def extremes_of(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, lead) smallest and largest value; signal: (lead, time)."""
    extremes = np.empty((2, len(signal)), dtype=np.float32)
    signal.min(axis=1, out=extremes[0])
    signal.max(axis=1, out=extremes[1])
    return extremes


def has_plausible_rate(samples: Spaced) -> bool:
    """Whether 20 to 300 beats a minute stand out; not judged in less than 4 s or below 7 Hz.

    Beats are where the leads together are steep. What counts as a beat is steeper where many would
    be wrong than where few would, so that a doubtful recording passes.

    Args:
        samples: of finite signals; zero where a lead is missing.
    """
    # Differences over 18 ms hardly see the mains, 50 Hz or 60 Hz.
    first, second, _, rate = samples
    slopes = np.abs(second - first[:, : second.shape[1]])
    window, smooth = round(2 * rate), round(0.08 * rate)
    num_windows = (slopes.shape[1] - smooth) // window
    if num_windows < 2 or smooth == 0:
        return True
    size = slopes.mean(axis=1)
    if not size.any():
        return True
    summed = ((1 / np.maximum(size, 1e-30)) @ slopes).cumsum()  # leads count alike
    steep = summed[smooth:] - summed[:-smooth]
    tops = steep[: num_windows * window].reshape(num_windows, window).max(axis=1)
    tops.sort()
    beat = tops[(num_windows - 1) // 2]  # the others may hold artefacts, or no beat
    if np.count_nonzero(steep > _LARGEST_REST * beat) > len(steep) / 2:
        return False
    least, most = _PLAUSIBLE_PER_MINUTE
    seconds = len(steep) / rate
    return (
        _per_minute(steep > 0.3 * beat, rate, seconds) >= least
        and _per_minute(steep > 0.5 * beat, rate, seconds) <= most
    )


def is_acceptable(quality: NDArray[np.uint16]) -> bool:
    """Whether a human reader would take a recording, judged by the flags of its leads.

    Not so if a lead is lost, flat, flat for more than a second, or beyond one of the limits
    `readability.UNREADABLE`, or if no beats stand out.

    Args:
        quality: (12,) bits of `Quality`, of `Prepared` or of a store.
    """
    return not (np.asarray(quality) & _NO_LEAD).any()


def _is_partly_flat(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.bool_]:
    """Whether the same value stands for longer than a second; signal: (lead, time)."""
    longest = _LONGEST_FLAT_SECONDS * sample_rate
    is_flat = np.zeros(len(signal), dtype=bool)
    for lead in _may_be_flat(signal, longest).nonzero()[0]:
        is_same = (signal[lead, 1:] == signal[lead, :-1]).view(np.int8)
        edges = np.flatnonzero(np.diff(is_same, prepend=0, append=0))
        is_flat[lead] = (edges[1::2] - edges[::2]).max(initial=0) > longest
    return is_flat


def _may_be_flat(signal: NDArray[np.float32], longest: float) -> NDArray[np.bool_]:
    """(lead,): False where no value stands for more than `longest` samples, by few of them."""
    # Of so many samples that are equal, six are among these, one behind the other.
    few = signal[:, :: max(1, int(longest / 6))]
    same = few[:, 1:] == few[:, :-1]
    if longest >= 6:
        same = same[:, :-4] & same[:, 2:-2] & same[:, 4:]
    return np.asarray(same.any(axis=1))


def _per_minute(is_beat: NDArray[np.bool_], rate: float, seconds: float) -> float:
    """Beats a minute by their mean distance; of a single one by the longer rest beside it."""
    begins: list[float] = ((is_beat[1:] > is_beat[:-1]).nonzero()[0] / rate).tolist()
    if not begins:
        return 0.0
    if len(begins) == 1:
        return 60 / max(begins[0], seconds - begins[0])
    separate = 1 + sum(later - begin > 0.12 for begin, later in pairwise(begins))
    return 60 * (separate - 1) / (begins[-1] - begins[0])


def limbs_fit(
    gram: NDArray[np.float64], has_limb: NDArray[np.bool_], free_scale: bool = False
) -> bool:
    """Whether limb leads are the linear functions of two that they must be.

    Args:
        gram: (6, 6) products of the limb leads with each other, offsets taken out.
        has_limb: (6,).
        free_scale: each lead may have a scale of its own; judged only where all six are there.
    """
    power = float(gram.trace())
    if has_limb.sum() < 3 or power <= 0 or (free_scale and not has_limb.all()):
        return True
    if free_scale:
        return smallest_misfit(gram)[0] < _LARGEST_MISFIT**2
    # The trace of M G M^T, where M takes out of the leads what fits; M = M^T = M M.
    wrong = float(np.vdot(_misfit(has_limb.tobytes()), gram))
    return wrong < _LARGEST_MISFIT**2 * power


@lru_cache(maxsize=64)
def _misfit(has_limb: bytes) -> NDArray[np.float64]:
    """(6, 6) projection of the limb leads that are there onto what no heart can make."""
    present = np.frombuffer(has_limb, dtype=bool)
    laws = EINTHOVEN * present[:, None]
    misfit: NDArray[np.float64] = np.diag(present.astype(np.float64)) - laws @ np.linalg.pinv(laws)
    return misfit


def smallest_misfit(gram: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The factors of six limb leads that make them fit best.

    Args:
        gram: (6, 6) products of the limb leads with each other, offsets taken out; none constant.

    Returns:
        Mean square of what does not fit, where leads have a mean square of 1 and factors one of
        1/6; and the (6,) factors for the leads as they are.
    """
    norm = np.sqrt(np.maximum(np.diag(gram), 1e-30))
    # Each row of `laws` times the six leads is zero.
    laws = np.concatenate([-EINTHOVEN[2:], np.eye(4)], axis=1)  # (4, 6)
    errors, vectors = np.linalg.eigh((laws.T @ laws) * gram / np.outer(norm, norm))
    factors = vectors[:, 0] * np.sign(vectors[:, 0].sum())
    return max(float(errors[0]), 0.0), factors / norm


def _is_clipped(
    signal: NDArray[np.float32],
    thin: NDArray[np.float32],
    rails: NDArray[np.float32],
    sample_rate: float,
) -> NDArray[np.bool_]:
    """Several times for a while, or once for long, at the largest or smallest value.

    Args:
        signal: (lead, time).
        thin: (lead, ...) at least every fourth sample of it.
        rails: (2, lead) smallest and largest value.
        sample_rate: Hz.
    """
    is_clipped = np.zeros(len(signal), dtype=bool)
    # Every run that counts has a sample in `thin`, and a long one has several.
    least = min(_CLIPPED_RUNS, int(_CLIPPED_SECONDS * sample_rate) // _CLIPPED_SAMPLES)
    at_rail = thin == rails[:, :, None]
    count = np.add.reduce(at_rail.view(np.int8), axis=2, dtype=np.int32)
    often_there = (count >= least) & (rails[1] > rails[0])
    for side, lead in zip(*often_there.nonzero(), strict=True):
        is_at_rail = (signal[lead] == rails[side, lead]).view(np.int8)
        edges = np.flatnonzero(np.diff(is_at_rail, prepend=0, append=0))
        runs = edges[1::2] - edges[::2]
        often = np.count_nonzero(runs >= _CLIPPED_SAMPLES) >= _CLIPPED_RUNS
        is_clipped[lead] |= bool(often or runs.max(initial=0) > _CLIPPED_SECONDS * sample_rate)
    return is_clipped


def _is_swapped(gram: NDArray[np.float64], has_lead: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Lead I or II upside down against V6 while aVR, else always inverted, is not."""
    is_swapped = np.zeros(NUM_LEADS, dtype=bool)
    if has_lead[_SWAP_LEADS].all():
        power, beside = gram.diagonal().tolist(), gram[_SWAP_LEADS[-1]].tolist()
        first, second, right = (
            beside[lead] / max(sqrt(power[lead] * power[_SWAP_LEADS[-1]]), 1e-30)
            for lead in _SWAP_LEADS[:-1]
        )
        is_swapped[:6] = min(first, second) < _OPPOSITE and right > -0.2
    return is_swapped


def _is_duplicated(
    signal: NDArray[np.float32], gram: NDArray[np.float64], has_lead: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    is_duplicated = np.zeros(NUM_LEADS, dtype=bool)
    power = gram.diagonal()
    both = power[:, None] + power
    is_near = _PAIRS & (both - 2 * gram < 1e-4 * both)
    for pair in zip(*is_near.nonzero(), strict=True):
        leads = list(pair)
        if has_lead[leads].all() and np.array_equal(*signal[leads]):
            is_duplicated[leads] = True
    return is_duplicated
