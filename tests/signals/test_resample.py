from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, resample_poly

from anylead.errors import FormatError
from anylead.signals.resample import resample


def amplitude(signal, rate, frequency):
    """Amplitude of one frequency, by least squares on its sine, its cosine and a constant."""
    time = np.arange(len(signal)) / rate
    turn = 2 * np.pi * frequency * time
    basis = np.stack([np.sin(turn), np.cos(turn), np.ones_like(turn)], axis=1)
    sine, cosine, _ = np.linalg.lstsq(basis, signal, rcond=None)[0]
    return np.hypot(sine, cosine)


@pytest.mark.parametrize("rate", [257.0, 400.0, 1000.0])
def test_keeps_a_sine_of_40_hz_within_a_thousandth_and_adds_no_image_above_minus_60_db(rate):
    time = np.arange(int(20 * rate)) / rate
    sine = np.sin(2 * np.pi * 40 * time + 0.3).astype(np.float32)
    resampled = resample(sine[None], rate, 500.0)[0].astype(np.float64)
    assert len(resampled) == 10_000
    middle = resampled[1000:-1000]
    assert abs(amplitude(middle, 500, 40) - 1) < 1e-3
    rest = middle * np.blackman(len(middle))
    spectrum = np.abs(np.fft.rfft(rest)) / (np.blackman(len(middle)).sum() / 2)
    frequency = np.fft.rfftfreq(len(middle), 1 / 500)
    assert spectrum[abs(frequency - 40) > 2].max() < 1e-3


def test_takes_out_what_the_new_rate_cannot_carry():
    time = np.arange(20_000) / 1000
    fast = np.sin(2 * np.pi * 340 * time).astype(np.float32)  # would fold to 160 Hz
    assert np.abs(resample(fast[None], 1000.0, 500.0)[0, 500:-500]).max() < 1e-3


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([100.0, 128.0, 240.0, 250.0, 257.0, 360.0, 400.0, 500.0, 977.0, 1000.0]),
    num_samples=st.integers(1, 3000),
    leads=st.integers(1, 3),
)
def test_length_is_that_of_the_recording_and_a_constant_stays(rate, num_samples, leads):
    signal = np.full((leads, num_samples), 1.5, dtype=np.float32)
    resampled = resample(signal, rate, 500.0)
    assert resampled.shape == (leads, int(np.ceil(num_samples * 500 / rate - 1e-9)))
    np.testing.assert_allclose(resampled, 1.5, atol=2e-4)


@settings(max_examples=60, deadline=None)
@given(
    rates=st.sampled_from(
        [(500, 100), (500, 250), (1000, 500), (500, 125), (257, 500), (128, 500), (500, 360)]
    ),
    num_samples=st.integers(2, 3000),
    seed=st.integers(0, 2**32 - 1),
)
def test_is_as_near_to_the_exact_filter_as_the_same_filter_tap_by_tap(rates, num_samples, seed):
    factor = Fraction(rates[1], rates[0])
    up, down = factor.numerator, factor.denominator
    window = firwin(2 * 16 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 8.0))
    signal = np.random.default_rng(seed).standard_normal((3, num_samples)).cumsum(axis=1)
    signal = signal.astype(np.float32)
    exact = resample_poly(
        signal.astype(np.float64), up, down, axis=1, window=window, padtype="line"
    )
    resampled = resample(signal, *rates)
    assert resampled.shape == exact.shape
    assert resampled.flags.c_contiguous
    np.testing.assert_allclose(resampled, exact, rtol=0, atol=1e-6 * np.abs(signal).max())


@pytest.mark.parametrize("new_rate", [100.0, 250.0, 360.0])
def test_a_lead_does_not_depend_on_those_beside_it(new_rate):
    signal = np.random.default_rng(0).standard_normal((12, 5000)).astype(np.float32)
    together = resample(signal, 500.0, new_rate)
    alone = [resample(lead[None], 500.0, new_rate)[0] for lead in signal]
    np.testing.assert_array_equal(together, alone)


def test_the_same_rate_returns_the_signal_itself():
    signal = np.random.default_rng(0).standard_normal((2, 50)).astype(np.float32)
    assert resample(signal, 500.0, 500.0) is signal


@pytest.mark.parametrize("rate", [124.9999, 513.157, 499.983, 250.0017, 999.9, 4999.37, 1024.7])
@pytest.mark.parametrize("new_rate", [125.0, 500.0])
def test_odd_rates_keep_time_and_height(rate, new_rate):
    time = np.arange(round(20 * rate)) / rate
    sine = np.sin(2 * np.pi * 17 * time + 0.3).astype(np.float32)
    resampled = resample(sine[None], rate, new_rate)[0]
    assert abs(len(resampled) - 20 * new_rate) <= 1
    expected = np.sin(2 * np.pi * 17 * np.arange(len(resampled)) / new_rate + 0.3)
    inside = slice(len(expected) // 20, -len(expected) // 20)
    np.testing.assert_allclose(resampled[inside], expected[inside], atol=2e-3)


@pytest.mark.parametrize("num_samples", [1, 2, 3, 4, 7])
def test_odd_rates_of_very_short_signals(num_samples):
    resampled = resample(np.full((2, num_samples), 1.5, np.float32), 513.157, 500.0)
    assert resampled.shape == (2, int(np.ceil(num_samples * 500 / 513.157)))
    np.testing.assert_allclose(resampled, 1.5, atol=2e-3)


@pytest.mark.parametrize(("rate", "new_rate"), [(90_000.0, 1.0), (1.0, 90_000.0)])
def test_rates_that_are_too_far_apart_are_refused(rate, new_rate):
    with pytest.raises(FormatError, match="too far apart"):
        resample(np.zeros((1, 10), np.float32), rate, new_rate)


def test_a_result_that_would_fill_the_memory_is_refused():
    with pytest.raises(FormatError, match="is the rate right"):
        resample(np.zeros((1, 10**6), np.float32), 1.0, 500.0)


@pytest.mark.parametrize("rate", [124.9999, 513.157, 499.983, 513.656, 299.99])
def test_rates_as_clocks_have_them_are_read(rate):
    time = np.arange(round(10 * rate)) / rate
    sine = np.sin(2 * np.pi * 5 * time).astype(np.float32)
    resampled = resample(sine[None], rate, 125.0)[0].astype(np.float64)
    assert abs(len(resampled) - 1250) <= 1
    assert abs(amplitude(resampled[100:-100], 125, 5) - 1) < 1e-2
