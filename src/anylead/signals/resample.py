"""Change of the sample rate with an anti-alias filter (polyphase FIR, Kaiser window)."""

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
# A rate such as 499.983 Hz may lie so far from one that whole numbers lead to.
_LARGEST_SHIFT = 0.01
_LARGEST_RESULT = 2**28  # samples: 1 GiB


def resample(
    signal: NDArray[np.float32], sample_rate: float, new_rate: float
) -> NDArray[np.float32]:
    """Resample every row; ends are continued along the line from first to last sample.

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
    from scipy.signal import resample_poly

    window: Any = _window(max(up, down))  # type stubs of scipy know windows by name only
    resampled = resample_poly(signal, up, down, axis=1, window=window, padtype="line")
    return np.ascontiguousarray(resampled[:, :wanted], dtype=np.float32)


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
