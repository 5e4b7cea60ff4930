"""Zero-phase filters over time."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_BUTTERWORTH_ORDER = 4
_NOTCH_QUALITY = 30.0


def bandpass(
    signal: NDArray[np.float32],
    sample_rate: float,
    highpass_hz: float | None = None,
    lowpass_hz: float | None = None,
) -> NDArray[np.float32]:
    """Butterworth of order 4, forwards and backwards; either edge may be left open.

    Args:
        signal: (lead, time), finite.
        sample_rate: Hz.
        highpass_hz: what is slower goes; None keeps it.
        lowpass_hz: what is faster goes; None keeps it.
    """
    if highpass_hz is None and lowpass_hz is None:
        return signal
    sections = _butterworth(sample_rate, highpass_hz, lowpass_hz)
    return _both_ways(sections, signal, sample_rate / (highpass_hz or lowpass_hz or 1))


def notch(signal: NDArray[np.float32], sample_rate: float, notch_hz: float) -> NDArray[np.float32]:
    """Take out one frequency (the mains), forwards and backwards."""
    settling = sample_rate * _NOTCH_QUALITY / notch_hz
    return _both_ways(_notch(sample_rate, notch_hz), signal, settling)


@lru_cache(maxsize=32)
def _butterworth(
    sample_rate: float, highpass_hz: float | None, lowpass_hz: float | None
) -> NDArray[np.float64]:
    from scipy.signal import butter

    edges = [edge for edge in (highpass_hz, lowpass_hz) if edge is not None]
    if len(edges) == 2:
        sections = butter(_BUTTERWORTH_ORDER, edges, "bandpass", fs=sample_rate, output="sos")
    elif highpass_hz is not None:
        sections = butter(_BUTTERWORTH_ORDER, edges[0], "highpass", fs=sample_rate, output="sos")
    else:
        sections = butter(_BUTTERWORTH_ORDER, edges[0], "lowpass", fs=sample_rate, output="sos")
    return np.asarray(sections, dtype=np.float64)


@lru_cache(maxsize=32)
def _notch(sample_rate: float, notch_hz: float) -> NDArray[np.float64]:
    from scipy.signal import iirnotch, tf2sos

    numerator, denominator = iirnotch(notch_hz, _NOTCH_QUALITY, fs=sample_rate)
    return np.asarray(tf2sos(numerator, denominator), dtype=np.float64)


def _both_ways(
    sections: NDArray[np.float64], signal: NDArray[np.float32], settling: float
) -> NDArray[np.float32]:
    from scipy.signal import sosfiltfilt

    # Mirrored ends, long enough for the filter to settle, but shorter than the signal.
    ends = min(max(round(settling), 3 * (2 * len(sections) + 1)), signal.shape[1] - 1)
    filtered = sosfiltfilt(sections, signal, axis=1, padlen=ends)
    return np.ascontiguousarray(filtered, dtype=np.float32)
