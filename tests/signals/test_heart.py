import numpy as np

from anylead.leads import LEADS
from anylead.signals import heart


def test_electrode_noise_keeps_the_law_of_einthoven_exactly():
    rng = np.random.default_rng(0)
    body = heart.make_body(rng)
    beats = [(0.5, 0.8, 1.0, heart.beat_waves(body)), (1.3, 0.8, 1.0, heart.ectopic_waves(body))]
    dipole = heart.dipole_over_time(beats, 1000, 500.0)
    signal = heart.lead_signals(dipole, 0.1 * rng.standard_normal((9, 1000)), body.chest)
    steps = np.rint(signal.astype(np.float64) * 1000)
    np.testing.assert_allclose(signal, steps / 1000, atol=1e-6)
    i, ii, iii, avr, avl, avf = steps[:6]
    np.testing.assert_array_equal(iii, ii - i)
    np.testing.assert_array_equal(-2 * avr, i + ii)
    np.testing.assert_array_equal(2 * avl, 2 * i - ii)
    np.testing.assert_array_equal(2 * avf, 2 * ii - i)


def test_waves_are_the_sum_of_their_gaussians():
    body = heart.make_body(np.random.default_rng(1))
    waves = heart.beat_waves(body, "right", pr_delay=0.05, st_dipole=(0.1, 0.0, 0.0))
    dipole = heart.dipole_over_time([(1.0, 0.85, 1.0, waves)], 1000, 500.0)
    time = np.arange(1000) / 500
    expected = sum(
        np.exp(-0.5 * ((time - 1.0 - t) / w) ** 2)[None] * d[:, None]
        for t, w, d in zip(waves.time, waves.width, waves.dipole, strict=True)
    )
    np.testing.assert_allclose(dipole, expected, atol=2e-3)


def test_a_mean_heart_looks_like_an_electrocardiogram():
    """Signs every reader of ECGs knows, over the average person."""
    signals = []
    for seed in range(40):
        body = heart.make_body(np.random.default_rng(seed))
        dipole = heart.dipole_over_time([(0.5, 0.8, 1.0, heart.beat_waves(body))], 500, 500.0)
        signals.append(heart.lead_signals(dipole, np.zeros((9, 500)), body.chest))
    mean = dict(zip(LEADS, np.mean(signals, axis=0), strict=True))
    assert mean["II"][250] > 0.5  # R upright
    assert mean["aVR"][250] < -0.4
    assert mean["V1"].min() < -0.5  # rS in V1, tall R in V5
    assert mean["V5"][250] > 0.5
    t_wave = slice(360, 400)
    assert mean["II"][t_wave].mean() > 0.1
    assert mean["V4"][t_wave].mean() > 0.1
    assert 0.03 < mean["II"][160:190].max() < 0.3  # P
