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
# Of the rate: a clock that is so far off moves the end of ten seconds by one millisecond. Devices
# write 124.9999 and 499.983 Hz, and mean 125 and 500 or did not measure better.
_TOLERANCE = 1e-4


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
            The ratio is that of whole numbers up to 4000 that is nearest.

    Raises:
        FormatError: no such ratio comes within 1e-4 of that of the rates.
    """
    if sample_rate == new_rate:
        return signal
    ratio = Fraction(new_rate / sample_rate).limit_denominator(_LARGEST_FACTOR)
    exact = new_rate / sample_rate
    if ratio.numerator > _LARGEST_FACTOR or abs(float(ratio) - exact) > _TOLERANCE * exact:
        raise FormatError(
            f"cannot resample {sample_rate} Hz to {new_rate} Hz: the ratio is no fraction of whole"
            f" numbers up to {_LARGEST_FACTOR}; choose another sample_rate"
        )
    up, down = ratio.numerator, ratio.denominator
    if up == down:
        return signal
    if signal.shape[1] == 1:  # one sample makes no line
        return np.repeat(signal, ceil(up / down), axis=1)
    from scipy.signal import resample_poly

    window: Any = _window(max(up, down))  # type stubs of scipy know windows by name only
    resampled = resample_poly(signal, up, down, axis=1, window=window, padtype="line")
    wanted = ceil(signal.shape[1] * up / down)
    return np.ascontiguousarray(resampled[:, :wanted], dtype=np.float32)


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
