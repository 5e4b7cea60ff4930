"""Change of the sample rate: our own way, and those that published encoders were trained with."""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError

# Reach of the filter in samples of the slower rate, and its side lobes below -80 dB.
_HALF_WIDTH = 16
_KAISER_BETA = 8.0
_LARGEST_FACTOR = 4000
_SMALL_FACTOR = 250
# Of both factors multiplied: beyond it the matrices of a block win nothing (500 to 257 Hz).
_LARGEST_BLOCK = 2**13
# A rate such as 499.983 Hz may lie so far from one that whole numbers lead to.
_LARGEST_SHIFT = 0.01
_LARGEST_RESULT = 2**28  # samples: 1 GiB


def resample(
    signal: NDArray[np.float32], sample_rate: float, new_rate: float
) -> NDArray[np.float32]:
    """Resample every row by a polyphase FIR filter (Kaiser window) against aliases.

    Ends are continued along the line from first to last sample.

    Args:
        signal: (lead, time), finite.
        sample_rate, new_rate: Hz.

    Returns:
        (lead, ceil(time * new_rate / sample_rate)); the signal itself where the rates are equal.

    Raises:
        FormatError: the rates are too far apart, or the result would fill the memory.
    """
    if sample_rate == new_rate:
        return signal
    exact = new_rate / sample_rate
    if exact > 1 and signal.size * exact > _LARGEST_RESULT:
        raise FormatError(
            f"{signal.shape[1]} samples at {sample_rate} Hz would become"
            f" {signal.shape[1] * exact:.0f} at {new_rate} Hz; is the rate right?"
        )
    ratio = Fraction(exact).limit_denominator(_LARGEST_FACTOR)
    if ratio.numerator > _LARGEST_FACTOR or abs(float(ratio) - exact) > 1e-6 * exact:
        ratio = _near(exact)
        if abs(float(ratio) - exact) > _LARGEST_SHIFT * exact:
            raise FormatError(
                f"cannot resample {sample_rate} Hz to {new_rate} Hz: too far apart; choose another"
                " sample_rate"
            )
        wanted = ceil(signal.shape[1] * exact)
        signal = _shifted(signal, exact / float(ratio))
    else:
        wanted = ceil(signal.shape[1] * ratio)
    if ratio == 1:
        return signal[:, :wanted]
    up, down = ratio.numerator, ratio.denominator
    if signal.shape[1] == 1:  # one sample makes no line
        return np.repeat(signal, ceil(up / down), axis=1)
    if up * down > _LARGEST_BLOCK:
        from scipy.signal import resample_poly

        window: Any = _window(max(up, down))  # type stubs of scipy know windows by name only
        resampled = resample_poly(signal, up, down, axis=1, window=window, padtype="line")
        return np.ascontiguousarray(resampled[:, :wanted], dtype=np.float32)
    return _by_blocks(signal, up, down, wanted)


def _by_blocks(signal: NDArray[np.float32], up: int, down: int, wanted: int) -> NDArray[np.float32]:
    """The first `wanted` samples of `scipy.signal.resample_poly`, as matrix products.

    A block of outputs sees two blocks of inputs, through the same two matrices everywhere. Each
    lead is a product of its own, so that none depends on those beside it.
    """
    first_half, second_half, reach = _block(up, down)
    size_in, size_out = first_half.shape
    leads, num = signal.shape
    blocks = ceil(wanted / size_out)
    padded = np.empty((leads, (blocks + 1) * size_in), dtype=np.float32)
    after = padded.shape[1] - reach - num
    begin, end = signal[:, :1], signal[:, -1:]
    slope = (end - begin) / np.float32(num - 1)
    padded[:, reach : reach + num] = signal
    padded[:, :reach] = begin - slope * np.arange(reach, 0, -1, dtype=np.float32)
    padded[:, reach + num :] = end + slope * np.arange(1, after + 1, dtype=np.float32)
    pieces = padded.reshape(leads, blocks + 1, size_in)
    resampled = pieces[:, :-1] @ first_half
    resampled += pieces[:, 1:] @ second_half
    return np.ascontiguousarray(resampled.reshape(leads, blocks * size_out)[:, :wanted])


@lru_cache(maxsize=16)
def _block(up: int, down: int) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The filter from a block of inputs, and from the one after it, to a block of outputs.

    Returns:
        Two (input, output), and how many inputs the first output sees before its own place.
    """
    taps = _window(max(up, down)) * np.float32(up)
    half = len(taps) // 2
    reach = half // up
    periods = 1
    while ((periods * up - 1) * down + half) // up + reach >= 2 * periods * down:
        periods += 1
    size_in, size_out = periods * down, periods * up
    place = np.arange(size_out) * down + half - (np.arange(2 * size_in)[:, None] - reach) * up
    is_within = (place >= 0) & (place < len(taps))
    filters = np.where(is_within, taps[place.clip(0, len(taps) - 1)], np.float32(0))
    return filters[:size_in], filters[size_in:], reach


def _near(exact: float) -> Fraction:
    """A ratio of two small numbers close to one that is none."""
    below = Fraction(min(exact, 1 / exact)).limit_denominator(_SMALL_FACTOR)
    below = below or Fraction(1, _SMALL_FACTOR)
    return 1 / below if exact > 1 else below


def _shifted(signal: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """The signal at `factor` times its rate, which is close to 1, by splines of degree 5.

    499.983 Hz becomes 500 Hz so, from where whole numbers lead on.
    """
    num = signal.shape[1]
    place = np.minimum(np.arange(ceil(num * factor)) / factor, num - 1)
    degree = min(5, num - 1)
    if degree < 1:
        return signal
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline(np.arange(num), signal, k=degree - (degree + 1) % 2, axis=1)
    return np.asarray(spline(place), dtype=np.float32)


@lru_cache(maxsize=32)
def _window(factor: int) -> NDArray[np.float32]:
    from scipy.signal import firwin

    taps = firwin(2 * _HALF_WIDTH * factor + 1, 1 / factor, window=("kaiser", _KAISER_BETA))
    return np.asarray(taps, dtype=np.float32)


def fourier(
    signal: NDArray[np.float32], sample_rate: float, new_rate: float
) -> NDArray[np.float32]:
    """Cut or extend the spectrum of every row, which is taken to go round in a circle.

    Args:
        signal: (lead, time), finite.
        sample_rate, new_rate: Hz.

    Returns:
        (lead, floor(time * new_rate / sample_rate)).
    """
    if sample_rate == new_rate:
        return signal
    from scipy.signal import resample as by_spectrum

    wanted = max(1, int(signal.shape[1] * new_rate / sample_rate + 1e-6))
    resampled = by_spectrum(signal.astype(np.float64), wanted, axis=1)
    return np.ascontiguousarray(resampled, dtype=np.float32)


def linear(signal: NDArray[np.float32], sample_rate: float, new_rate: float) -> NDArray[np.float32]:
    """Straight lines between samples; the first and the last stay where they are.

    Args:
        signal: (lead, time), finite.
        sample_rate, new_rate: Hz.

    Returns:
        (lead, floor(time * new_rate / sample_rate)).
    """
    if sample_rate == new_rate:
        return signal
    num = signal.shape[1]
    wanted = max(1, int(num * new_rate / sample_rate + 1e-6))
    place = np.linspace(0, num - 1, wanted)
    rows = [np.interp(place, np.arange(num), row) for row in signal]
    return np.stack(rows).astype(np.float32)


# "kaiser_best" of resampy 0.4: zero crossings of the sinc on each side, table steps between two of
# them, its cut-off relative to half the sample rate, and the shape of the window.
_SINC_ZEROS, _SINC_STEPS, _SINC_ROLL_OFF, _SINC_BETA = 50, 2**13, 0.917347, 12.9846


def windowed_sinc(
    signal: NDArray[np.float32], sample_rate: float, new_rate: float
) -> NDArray[np.float32]:
    """Interpolate by a long windowed sinc from a table (Smith 1984), as the library resampy.

    Args:
        signal: (lead, time), finite; nothing lies beyond its ends.
        sample_rate, new_rate: Hz.

    Returns:
        (lead, floor(time * new_rate / sample_rate)).
    """
    if sample_rate == new_rate:
        return signal
    ratio, num = new_rate / sample_rate, signal.shape[1]
    scale = min(1.0, ratio)
    step = int(scale * _SINC_STEPS)
    table = _sinc_table() * scale
    slope = np.append(np.diff(table), 0.0)
    time = np.arange(max(1, int(num * ratio + 1e-6))) / ratio
    before = time.astype(np.int64)
    total = np.zeros((len(signal), len(time)))
    padded = np.pad(signal.astype(np.float64), ((0, 0), (0, 1)))  # index -1 and num: nothing
    for direction, part in ((-1, time - before), (1, 1 - (time - before))):
        place = scale * part * _SINC_STEPS
        first = place.astype(np.int64)
        for tap in range(len(table) // step + 1):
            entry = first + tap * step
            sample = before + direction * tap + (1 if direction == 1 else 0)
            # The last table entries that a whole step does not reach are left out, as there.
            is_there = (tap < (len(table) - first) // step) & (sample >= 0) & (sample < num)
            entry, sample = np.where(is_there, entry, 0), np.where(is_there, sample, num)
            total += (table[entry] + (place - first) * slope[entry]) * padded[:, sample]
    return total.astype(np.float32)


@lru_cache(maxsize=1)
def _sinc_table() -> NDArray[np.float64]:
    """Right half of the windowed sinc, from its middle to the last zero."""
    size = _SINC_ZEROS * _SINC_STEPS
    place = np.linspace(0, _SINC_ZEROS, size + 1)
    taper = np.kaiser(2 * size + 1, _SINC_BETA)[size:]
    return np.asarray(_SINC_ROLL_OFF * np.sinc(_SINC_ROLL_OFF * place) * taper)


RESAMPLERS: dict[str, Callable[[NDArray[np.float32], float, float], NDArray[np.float32]]] = {
    "polyphase": resample,
    "fourier": fourier,
    "linear": linear,
    "windowed_sinc": windowed_sinc,
}
