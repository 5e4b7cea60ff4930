"""Filters that published encoders were trained behind, step by step as their authors run them."""

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError

# Their edges in Hz.
_HUBERT_BAND = (0.05, 47.0)
_FOUNDER_BAND, _FOUNDER_MAINS = (0.67, 40.0), 50.0


def hubert_ecg(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.float32]:
    """HuBERT-ECG: a short FIR filter of 0.3 s, forwards and backwards, at the recording's own rate.

    Args:
        signal: (lead, time) mV.
        sample_rate: Hz.

    Raises:
        FormatError: the rate is too low for its upper edge of 47 Hz.
    """
    from scipy.signal import filtfilt, firwin

    if sample_rate <= 2 * _HUBERT_BAND[1]:
        raise FormatError(
            f"{sample_rate:g} Hz is too slow for HuBERT-ECG; want more than {2 * _HUBERT_BAND[1]:g}"
        )
    num_taps = int(0.3 * sample_rate) | 1
    taps = firwin(num_taps, _HUBERT_BAND, pass_zero=False, fs=sample_rate)
    ends = min(3 * num_taps, signal.shape[1] - 1)
    filtered = filtfilt(taps, 1.0, signal.astype(np.float64), axis=1, padlen=ends)
    return np.ascontiguousarray(filtered, dtype=np.float32)


def ecgfounder(signal: NDArray[np.float32], sample_rate: float) -> NDArray[np.float32]:
    """ECGFounder: mains out, 0.67 to 40 Hz, and a running median of 0.4 s taken away.

    Args:
        signal: (lead, time) mV.
        sample_rate: Hz.

    Raises:
        FormatError: the rate is too low for the mains of 50 Hz.
    """
    from scipy.ndimage import median_filter
    from scipy.signal import butter, filtfilt, iirnotch

    if sample_rate <= 2 * _FOUNDER_MAINS:
        raise FormatError(
            f"{sample_rate:g} Hz is too slow for ECGFounder; want more than {2 * _FOUNDER_MAINS:g}"
        )
    x = signal.astype(np.float64)
    for numerator, denominator in (
        iirnotch(_FOUNDER_MAINS, 30, fs=sample_rate),
        butter(4, _FOUNDER_BAND, "bandpass", fs=sample_rate),
    ):
        ends = min(3 * max(len(numerator), len(denominator)), x.shape[1] - 1)
        x = filtfilt(numerator, denominator, x, axis=1, padlen=ends)
    size = (int(0.4 * sample_rate) + 1) | 1
    x = x - median_filter(x, size=(1, size), mode="constant", cval=0.0)
    return np.ascontiguousarray(x, dtype=np.float32)
