"""The four additive noises: the reference's recorded draws, Einthoven's law, units, amplitudes."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from anylead.augment.baseline_shift import BaselineShift, shift
from anylead.augment.baseline_wander import BaselineWander, wander
from anylead.augment.drawing import lead_scale
from anylead.augment.emg_noise import EmgNoise, muscle_noise, white_noise
from anylead.augment.keep_leads import KeepLeads
from anylead.augment.noise import ELECTRODES, LEADS_FROM_ELECTRODES
from anylead.augment.powerline_noise import PowerlineNoise, hum
from anylead.errors import RecipeError
from anylead.leads import EINTHOVEN
from augment.ecg_batches import ecg_batch, make_batch

NOISES = [PowerlineNoise, EmgNoise, BaselineWander, BaselineShift]
every_noise = pytest.mark.parametrize("noise", NOISES)


@pytest.fixture(scope="module")
def peer(golden):
    """The reference's inputs, draws and outputs."""
    with np.load(golden / "augmentations.npz") as file:
        return {
            name: torch.as_tensor(file[name]).float()
            for name in file.files
            if file[name].dtype.kind in "fi"
        }


def draws(peer, name):
    """Draws of one augmentation of the reference, in order, without the one for `prob`."""
    found = [key for key in peer if key.startswith(f"{name}_dep1_draw")]
    return [peer[key] for key in found][1:]


def with_limb_leads_of(signal):
    """III, aVR, aVL, aVF made again from I and II, as the reference does on request."""
    signal = signal.clone()
    signal[:6] = torch.tensor(EINTHOVEN).float() @ signal[:2]
    return signal


def agrees(peer, name, noise, dependent=True):
    signal = peer["source"] + noise
    torch.testing.assert_close(signal, peer[f"{name}_dep0_out"], rtol=1e-5, atol=1e-4)
    if dependent:
        expected = peer[f"{name}_dep1_out"]
        torch.testing.assert_close(with_limb_leads_of(signal), expected, rtol=1e-5, atol=1e-4)


def test_hum_equals_the_reference(peer):
    amplitude, which, phase = draws(peer, "powerline_noise")
    frequency_hz = torch.tensor(50.0 if which > 0.5 else 60.0)
    agrees(
        peer, "powerline_noise", hum(amplitude[0], frequency_hz, phase, torch.arange(2500) / 500)
    )


def test_muscle_noise_equals_the_reference(peer):
    amplitude, white = draws(peer, "emg_noise")
    agrees(peer, "emg_noise", muscle_noise(amplitude[:, 0], white))


def test_wander_equals_the_reference(peer):
    factor, amplitude, *rest = draws(peer, "baseline_wander")
    noise = wander(
        factor[:, 0],
        amplitude,
        frequency_hz=torch.stack(rest[0::2]),
        phase=torch.stack(rest[1::2]),
        seconds=torch.arange(2500) / 500,
    )
    agrees(peer, "baseline_wander", noise)


def test_shift_multiplies_sign_and_amplitude_where_the_reference_subtracts_them(peer):
    sign, amplitude, num_shifted, start = draws(peer, "baseline_shift")
    num_shifted = (start.floor() + num_shifted).floor() - start.floor()
    faulty = shift((sign - amplitude)[:, 0], start.floor(), num_shifted, 2500)
    agrees(peer, "baseline_shift", faulty)  # the stretch is the same, the height is not
    ours = shift((sign * amplitude)[:, 0], start.floor(), num_shifted, 2500)
    assert faulty.abs().max() > 1
    assert ours.abs().max() <= 0.1  # the reference's own `max_amplitude` in this draw


def test_baseline_shift_stays_within_half_a_millivolt_on_a_fifth_of_the_segment():
    batch = ecg_batch(rows=50)
    change = BaselineShift()(batch).signal - batch.signal
    assert change.abs().max() <= 0.5 + 1e-5
    assert ((change.abs() > 0).float().mean(-1) - 0.2).abs().max() < 0.01
    assert (change.amax(-1) > 0.01).any()
    assert (change.amin(-1) < -0.01).any()


def test_baseline_shift_reaches_both_ends_of_the_segment():
    batch = ecg_batch(rows=300, time=50)
    is_shifted = ((BaselineShift()(batch).signal - batch.signal).abs() > 1e-6)[:, :, 6]
    assert is_shifted.flatten(0, 1).any(0).all()


@every_noise
def test_noise_on_electrodes_keeps_einthovens_law(noise):
    batch = ecg_batch(rows=4)
    signal = noise(on_electrodes=True)(batch).signal
    expected = torch.einsum("ij,bsjt->bsit", torch.tensor(EINTHOVEN).float(), signal[:, :, :2])
    torch.testing.assert_close(signal[:, :, :6], expected, rtol=0, atol=1e-4)
    assert (signal - batch.signal).abs().amax(-1).min() > 1e-4  # every lead is touched


@every_noise
def test_noise_on_electrodes_keeps_einthovens_law_also_in_relative_units(noise):
    signal = noise(on_electrodes=True, relative=True)(ecg_batch(rows=4)).signal
    expected = torch.einsum("ij,bsjt->bsit", torch.tensor(EINTHOVEN).float(), signal[:, :, :2])
    torch.testing.assert_close(signal[:, :, :6], expected, rtol=0, atol=1e-4)


@every_noise
@pytest.mark.parametrize("on_electrodes", [False, True])
def test_relative_noise_follows_the_scale_of_the_signal(noise, on_electrodes):
    batch = ecg_batch(rows=4)
    augmentation = noise(relative=True, on_electrodes=on_electrodes)
    larger = make_batch(batch.signal * 100, batch.has_lead, batch.num_samples, batch.seed)
    torch.testing.assert_close(
        augmentation(larger).signal, augmentation(batch).signal * 100, rtol=1e-4, atol=1e-3
    )


@every_noise
def test_relative_noise_on_unit_leads_equals_noise_in_millivolt(noise):
    batch = ecg_batch(rows=4)
    scale = lead_scale(batch)[..., None]
    unit = make_batch(batch.signal / scale, batch.has_lead, batch.num_samples, batch.seed)
    torch.testing.assert_close(
        noise(relative=True)(unit).signal, noise()(unit).signal, rtol=1e-4, atol=1e-4
    )


def test_the_scale_of_a_lead_does_not_count_padding():
    short = ecg_batch(rows=2, segments=1, time=400)
    padded = make_batch(
        torch.nn.functional.pad(short.signal + 5, (0, 600)),
        short.has_lead,
        short.num_samples,
        short.seed,
    )
    expected = short.signal.std(-1, correction=0)
    torch.testing.assert_close(lead_scale(padded), expected, rtol=1e-4, atol=1e-5)


def test_leads_of_electrodes_are_their_definitions():
    potential = dict(zip(ELECTRODES, torch.randn(9), strict=True))
    ra, la, ll = potential["RA"], potential["LA"], potential["LL"]
    expected = [
        la - ra,
        ll - ra,
        ll - la,
        ra - (la + ll) / 2,
        la - (ra + ll) / 2,
        ll - (ra + la) / 2,
    ]
    expected += [potential[f"V{n}"] - (ra + la + ll) / 3 for n in range(1, 7)]
    leads = LEADS_FROM_ELECTRODES @ torch.stack(list(potential.values()))
    torch.testing.assert_close(leads, torch.stack(expected))


def test_powerline_noise_is_at_50_or_60_hz_as_often():
    batch = ecg_batch(rows=100, segments=1, time=500)
    change = (PowerlineNoise()(batch).signal - batch.signal)[:, 0, 0]
    peak = torch.fft.rfft(change).abs().argmax(-1)  # 500 samples at 500 Hz: bins of 1 Hz
    assert set(peak.tolist()) == {50, 60}
    assert 30 < (peak == 50).sum() < 70


def test_emg_noise_has_a_spread_from_0_to_half_a_millivolt_for_each_lead():
    batch = ecg_batch(rows=30, time=2000)
    spread = (EmgNoise()(batch).signal - batch.signal).std(-1)
    assert spread.max() < 0.53
    assert spread.mean() == pytest.approx(0.25, abs=0.02)
    assert (spread[:, :, 0] - spread[:, :, 1]).abs().mean() > 0.05


def test_white_noise_is_normal_and_no_sample_tells_another():
    noise = white_noise(ecg_batch(rows=4, segments=2, time=999), num_sources=9)
    assert noise.shape == (4, 2, 9, 999)
    assert noise.dtype == torch.float32
    assert kstest(noise.flatten().numpy(), "norm").pvalue > 0.01
    spectrum = torch.fft.rfft(noise).abs().square().mean((0, 1, 2))[1:] / 999
    assert (spectrum - 1).abs().max() < 0.6  # 72 signals: standard error 0.12
    correlation = torch.corrcoef(noise.flatten(0, 2)) - torch.eye(72)
    assert correlation.abs().max() < 0.16  # standard error 0.032


def test_baseline_wander_is_slow_and_differs_between_leads():
    batch = ecg_batch(rows=20, segments=1, time=10_000)
    change = (BaselineWander()(batch).signal - batch.signal)[:, 0]
    power = torch.fft.rfft(change * torch.hann_window(10_000)).abs().square()
    power = power.sum((0, 1))  # bins of 0.05 Hz
    assert power[:9].sum() / power.sum() > 0.99
    ratio = change.std(-1) / change.std(-1).mean(-1, keepdim=True)
    assert ratio.std() > 0.2


@pytest.mark.parametrize("fields", [{"frequencies_hz": ()}, {"sample_rate": 100.0}])
def test_hum_that_the_sample_rate_cannot_show_is_refused(fields):
    with pytest.raises(RecipeError, match="frequencies_hz"):
        PowerlineNoise(**fields)


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        *((noise, {"max_amplitude": -1.0}) for noise in NOISES),
        (BaselineWander, {"num_cosines": 0}),
        (BaselineWander, {"sample_rate": 0.0}),
        (BaselineWander, {"min_frequency_hz": 0.5}),
        (BaselineShift, {"stretch": 1.5}),
        (PowerlineNoise, {"frequencies_hz": (-50.0,)}),
        (KeepLeads, {"prob": 2.0}),
    ],
)
def test_sizes_that_there_cannot_be_are_refused_before_a_batch_is_seen(part, fields):
    with pytest.raises(RecipeError, match="want"):
        part(**fields)
