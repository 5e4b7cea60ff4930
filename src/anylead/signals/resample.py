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
# Of the rate: a clock that is so far off moves the end of ten seconds by one millisecond. Devices
# write 124.9999 and 499.983 Hz, and mean 125 and 500 or did not measure better.
_TOLERANCE = 1e-4


def resample(
    signal: NDArray[np.float32], sample_rate: float, new_rate: float
) -> NDArray[np.float32]:
    """Resample every row; ends are continued along the line from first to last sample.

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
