"""How readable a lead is: wander, mains, height and noise, and from where on no one reads it."""

from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Frequencies of the mains, those beside them, and which of these each must stand out from.
_MAINS_HZ = (50.0, 60.0)
_BESIDE_HZ = (46.0, 47.0, 54.0, 56.0, 63.0, 64.0)
_BESIDE = len(_MAINS_HZ) + np.array([[0, 1, 2, 3], [2, 3, 4, 5]])  # their columns
_JUMPS, _TENTHS = 3, 5  # so many jumps, each within its own tenths of a second
_LEADS_FOR_JUMPS = 6
_LEAST_RATE = 119.0  # Hz; slower signals do not hold what is beside 50 Hz


class Measures(NamedTuple):
    """Of each lead, (lead,), in its unit.

    wander: between the highest and the lowest mean of a second.
    mains: height of a line at 50 or 60 Hz.
    height: from bottom to top.
    noise: how far half of the samples lie from the middle of those 18 ms before and after.
    beat: what the beats reach by the same measure.
    jump: the third highest rise or fall within 18 ms that is more than no other lead shows; see
        `_jumps`.
    """

    wander: NDArray[np.float32]
    mains: NDArray[np.float32]
    height: NDArray[np.float32]
    noise: NDArray[np.float32]
    beat: NDArray[np.float32]
    jump: NDArray[np.float32]


@dataclass(frozen=True)
class Limits:
    """From where on no human reader takes a lead; `benchmarks/quality.py --choose` found them.

    Attributes:
        wander: of the baseline, mV.
        mains: mV.
        lowest, highest: mV from bottom to top.
        noise: mV.
        noise_of_beat: of what the beats reach by the same measure; must be passed, too.
        noise_of_nothing: the same where nothing is taller than `nothing` mV, or there is no unit.
        jump: mV, three times within one lead alone.
    """

    wander: float = 4.25
    mains: float = 0.3
    lowest: float = 0.05
    highest: float = 17.0
    noise: float = 0.17
    noise_of_beat: float = 0.08
    noise_of_nothing: float = 0.15
    nothing: float = 0.25
    jump: float = 1.0


UNREADABLE = Limits()


class Spaced(NamedTuple):
    """Some 125 samples a second, which tell beats from noise.

    first, second, third: (lead, time) samples 18 ms apart from each other; `second` and `third` end
        where the signal does.
    rate: Hz of each.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    third: NDArray[np.float32]
    rate: float


def spaced(signal: NDArray[np.float32], sample_rate: float) -> Spaced:
    """Samples as the judgement of noise and of beats needs them; signal: (lead, time)."""
    step, lag = max(1, round(sample_rate / 125)), max(1, round(0.018 * sample_rate))
    # Copies: what is computed of samples side by side takes less than of every fourth.
    first, second, third = (np.ascontiguousarray(signal[:, n * lag :: step]) for n in range(3))
    return Spaced(first, second, third, sample_rate / step)


def measure(
    signal: NDArray[np.float32],
    samples: Spaced,
    height: NDArray[np.float32],
    sample_rate: float,
) -> Measures:
    """What a reader sees first.

    Args:
        signal: (lead, time) finite.
        samples: of the signal.
        height: (lead,) from bottom to top.
        sample_rate: Hz.
    """
    noise, beat = _bends(samples)
    wander, mains = _wander(signal, sample_rate), _mains(signal, sample_rate)
    return Measures(wander, mains, height, noise, beat, _jumps(samples))


def is_noisy(measures: Measures, unit: str, limits: Limits = UNREADABLE) -> NDArray[np.bool_]:
    """Between beats bent as noise is, by many mV or so much that it hides the beats.

    Also where a lead is low and no beats stand out in it: an electrode that touches nothing.
    """
    noise, beat = measures.noise, measures.beat
    if unit != "mV":
        return np.asarray(noise > limits.noise_of_nothing * beat)
    is_empty = (measures.height < limits.nothing) & (noise > limits.noise_of_nothing * beat)
    hides = (noise > limits.noise) & (noise > limits.noise_of_beat * beat)
    return np.asarray(hides | is_empty)


def is_beyond(measures: Measures, unit: str, limits: Limits = UNREADABLE) -> NDArray[np.bool_]:
    """Beyond one of the limits but that of noise; never without voltage."""
    if unit != "mV":
        return np.zeros(len(measures.height), dtype=bool)
    height = measures.height
    is_bad = (measures.wander > limits.wander) | (measures.mains > limits.mains)
    is_bad |= measures.jump > limits.jump
    return np.asarray(is_bad | (height < limits.lowest) | (height > limits.highest))


def _bends(samples: Spaced) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of half of the samples, and of the beats; 0 in less than 4 s.

    What is bent over 18 ms is the QRS, for a tenth of the time, and noise; T waves and ST are not.
    """
    first, second, third, rate = samples
    size = third.shape[1]
    bend = np.abs(third - 2 * second[:, :size] + first[:, :size])
    window = round(2 * rate)
    num_windows = size // window
    if num_windows < 2:
        nothing = np.zeros(len(first), dtype=np.float32)
        return nothing, nothing
    tops = bend[:, : num_windows * window].reshape(len(bend), num_windows, window).max(axis=2)
    tops.sort(axis=1)
    beat = tops[:, (num_windows - 1) // 2 : num_windows // 2 + 1].mean(axis=1)  # their median
    bend.partition(size // 2, axis=1)
    return bend[:, size // 2], beat


def _jumps(samples: Spaced) -> NDArray[np.float32]:
    """(lead,) what an electrode alone does, by the third highest of its jumps; 0 with few leads.

    A beat rises in several leads at once: by Einthoven's law at least half as much in another limb
    lead, and chest leads have neighbours. So much as twice the second highest rise within a tenth
    of a second is taken off.
    """
    first, second, _, rate = samples
    window = max(1, round(0.1 * rate))
    num_windows = second.shape[1] // window // _TENTHS * _TENTHS
    if num_windows < _JUMPS * _TENTHS:
        return np.zeros(len(first), dtype=np.float32)
    rises = np.abs(second - first[:, : second.shape[1]])[:, : num_windows * window]
    tops = _highest(rises, window)
    if np.count_nonzero(tops.any(axis=1)) < _LEADS_FOR_JUMPS:
        return np.zeros(len(first), dtype=np.float32)
    around = tops.copy()  # what lies astride two windows is in both
    np.maximum(around[:, 1:], tops[:, :-1], out=around[:, 1:])
    np.maximum(around[:, :-1], tops[:, 1:], out=around[:, :-1])
    around.partition(len(around) - 2, axis=0)
    jumps = _highest(tops - 2 * around[-2], _TENTHS)
    jumps.partition(jumps.shape[1] - _JUMPS, axis=1)
    return np.asarray(np.maximum(jumps[:, -_JUMPS], 0))


def _highest(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(lead, time / size) of each so many samples; faster than a maximum over a short axis."""
    return reduce(np.maximum, (rows[:, sample::size] for sample in range(size)))


def _mains(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.float32]:
    """(lead,) height of a line that stands out from what is beside it; 0 where none does."""
    window = round(sample_rate)
    num_windows = signal.shape[1] // window
    if num_windows == 0 or sample_rate < _LEAST_RATE:
        return np.zeros(len(signal), dtype=np.float32)
    pieces = signal[:, : num_windows * window].reshape(-1, window)
    power = np.square(pieces @ _waves(window, sample_rate))
    half = power.shape[1] // 2
    sizes = np.sqrt(power[:, :half] + power[:, half:])  # (lead * window, frequency)
    mean = sizes.reshape(len(signal), num_windows, half).mean(axis=1)
    line = mean[:, : len(_MAINS_HZ)]
    beside = mean[:, _BESIDE].mean(axis=2)  # (lead, mains)
    return np.asarray(np.where(line > 3 * beside, line, 0).max(axis=1))


@lru_cache(maxsize=16)
def _waves(window: int, sample_rate: float) -> NDArray[np.float32]:
    """(window, 2 * frequencies): cosines, then sines, that give amplitudes."""
    usable = [rate if rate < 0.48 * sample_rate else 0.0 for rate in _MAINS_HZ + _BESIDE_HZ]
    turn = 2 * np.pi * np.outer(np.arange(window) / sample_rate, usable)
    taper = np.hanning(window + 2)[1:-1, None]
    waves = np.concatenate([np.cos(turn), np.sin(turn)], axis=1) * taper * 2 / taper.sum()
    # A frequency that the rate cannot carry is never found.
    waves[:, np.array(usable * 2) == 0] = 0
    return np.asarray(waves, dtype=np.float32)


def _wander(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.float32]:
    """(lead,) between the highest and the lowest mean of a second."""
    window = round(sample_rate)
    num_windows = signal.shape[1] // window
    if num_windows < 2:
        return np.zeros(len(signal), dtype=np.float32)
    pieces = signal[:, : num_windows * window].reshape(len(signal), num_windows, window)
    level = pieces @ np.full(window, 1 / window, dtype=np.float32)
    return np.asarray(np.ptp(level, axis=1))
