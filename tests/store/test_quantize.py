import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anylead.store.quantize import quantize


@settings(max_examples=100, deadline=None)
@given(
    digital=hnp.arrays(np.int16, (2, 40)),
    gain=st.sampled_from([1000.0, 200.0, 204.8, 1500.0, 4880.0, 1e6 / 2.44, 3.0, 0.1]),
)
def test_integers_with_one_gain_come_back_exactly(digital, gain):
    signal = (digital / gain).astype(np.float32)
    steps = np.empty(signal.shape, dtype=np.int16)
    scale = quantize(signal, np.full(2, 1 / gain), steps)
    fits = np.abs(digital.astype(int)).max(axis=1) <= 32767
    np.testing.assert_array_equal(steps[fits], digital[fits])
    np.testing.assert_allclose(scale[fits], 1 / gain, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    signal=hnp.arrays(np.float32, (3, 20), elements=st.floats(-(2.0**40), 2.0**40, width=32)),
    resolution=st.sampled_from([np.nan, 1e-9, 0.0, -1.0]),
)
def test_anything_else_is_kept_within_half_a_step_of_32000(signal, resolution):
    steps = np.empty(signal.shape, dtype=np.int16)
    scale = quantize(signal, np.full(3, resolution), steps)
    peak = np.abs(signal.astype(np.float64)).max(axis=1)
    assert np.isfinite(scale).all()
    assert (scale <= np.maximum(peak / 32000, 1.1e-9) * 1.001).all()
    error = np.abs(steps * scale.astype(np.float64)[:, None] - signal)
    assert (error <= 0.502 * scale.astype(np.float64)[:, None]).all()
