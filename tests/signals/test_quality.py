from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.datasets import synthetic
from anylead.leads import LEADS
from anylead.signals import Quality, is_acceptable
from anylead.signals.limb_ratios import restore_limb_ratios
from anylead.signals.quality import assess, limbs_fit

EVERY = np.ones(12, dtype=bool)
RATE = 500.0


@pytest.fixture(scope="module")
def clean():
    return next(
        record.signal
        for record in synthetic.records(num_patients=20, seed=5)
        if record.labels["rhythm"] == ("SR",)
    )


def flags(signal, has_lead=EVERY, rate=RATE, unit="mV"):
    """Names of the flags of each lead that has one."""
    found = assess(np.asarray(signal, np.float32), has_lead, rate, unit)
    return {name: Quality(int(f)) for name, f in zip(LEADS, found, strict=True) if f}


def test_a_clean_recording_has_no_flag(clean):
    assert flags(clean) == {}
    assert flags(clean[:, ::2], rate=250.0) == {}
    assert flags(clean[:, ::5], rate=100.0) == {}
    assert flags(clean / clean.std(axis=1, keepdims=True), unit="NU") == {}


def test_most_generated_recordings_have_no_flag():
    found = [flags(r.signal) for r in synthetic.records(num_patients=60, records_per_patient=1)]
    assert sum(not f for f in found) >= 57


def test_a_lead_cut_off_at_its_peaks_is_clipped(clean):
    signal = clean.copy()
    chest = LEADS.index("V5")
    signal[chest] = np.minimum(signal[chest], 0.4 * signal[chest].max())
    assert flags(signal) == {"V5": Quality.CLIPPED}
    signal[chest] = clean[chest]
    signal[chest, -500:] = clean[chest].max() + 0.1  # saturated for a second
    assert flags(signal)["V5"] & Quality.CLIPPED
    signal[chest] = clean[chest]
    signal[chest, -40:] = clean[chest].max() + 0.1  # held for a moment at the end
    assert flags(signal) == {}


@pytest.mark.parametrize("mains", [50, 60])
@pytest.mark.parametrize("rate", [250.0, 500.0])
def test_mains_are_found(clean, mains, rate):
    signal = clean[:, :: int(500 / rate)].copy()
    time = np.arange(signal.shape[1]) / rate
    signal[7] += 0.1 * np.sin(2 * np.pi * mains * time)
    assert flags(signal, rate=rate) == {"V2": Quality.POWERLINE}


def test_a_wandering_baseline_is_found(clean):
    signal = clean.copy()
    signal[8] += 0.8 * np.sin(np.linspace(0, 7, 5000))
    assert flags(signal) == {"V3": Quality.BASELINE}


def test_implausible_amplitudes_are_found_where_there_is_voltage(clean):
    signal = clean.copy()
    signal[9] *= 0.01
    signal[10] *= 20 / np.ptp(signal[10])
    found = flags(signal)
    assert set(found) == {"V4", "V5"}
    assert found["V4"] & found["V5"] & Quality.AMPLITUDE
    assert not any(f & Quality.AMPLITUDE for f in flags(signal, unit="NU").values())


def test_a_limb_lead_that_does_not_follow_from_the_others_is_found(clean):
    signal = clean.copy()
    signal[2] = np.roll(signal[2], 30)
    expected = dict.fromkeys(LEADS[:6], Quality.LIMB_INCONSISTENT)
    assert flags(signal) == expected
    assert flags(signal, unit="NU") == expected
    scaled = clean.copy()
    scaled[2] *= 3
    assert flags(scaled) == expected
    assert flags(scaled, unit="NU") == {}  # a scale of its own is no fault there


def test_limb_leads_are_judged_on_those_that_are_there(clean):
    three = np.array([name in ("I", "II", "III", "V1") for name in LEADS])
    two = np.array([name in ("I", "II", "V1") for name in LEADS])
    signal = clean.copy()
    signal[1] *= -1
    for has_lead, expected in ((three, Quality.LIMB_INCONSISTENT), (two, None)):
        found = flags(np.where(has_lead[:, None], signal, 0), has_lead)
        assert found.get("I") == expected
        assert "aVR" not in found
    assert limbs_fit(np.zeros((6, 6)), EVERY[:6])


def test_swapped_arm_electrodes_are_found(clean):
    index = {name: row for row, name in enumerate(LEADS)}
    swapped = clean.copy()
    swapped[index["I"]] = -clean[index["I"]]
    swapped[index["II"]], swapped[index["III"]] = clean[index["III"]], clean[index["II"]]
    swapped[index["aVR"]], swapped[index["aVL"]] = clean[index["aVL"]], clean[index["aVR"]]
    assert flags(swapped) == dict.fromkeys(LEADS[:6], Quality.SWAPPED)


def test_a_lead_that_stands_twice_is_found(clean):
    signal = clean.copy()
    signal[6] = signal[7]
    assert flags(signal) == dict.fromkeys(("V1", "V2"), Quality.DUPLICATED)


def test_missing_leads_have_no_flag_and_short_recordings_pass(clean):
    has_lead = EVERY.copy()
    has_lead[3:] = False
    assert flags(np.where(has_lead[:, None], clean, 0), has_lead) == {}
    for length in (1, 2, 100):
        assess(clean[:, :length].copy(), EVERY, RATE, "mV")


def test_ratios_of_limb_leads_come_back_whatever_their_scales(clean):
    rng = np.random.default_rng(0)
    centred = clean - clean.mean(axis=1, keepdims=True)
    scales = rng.uniform(0.2, 5, 12).astype(np.float32)
    restored, factors = restore_limb_ratios(centred * scales[:, None], LEADS)
    ratio = restored[:6] / centred[:6]
    np.testing.assert_allclose(np.median(ratio, axis=1), np.median(ratio), rtol=1e-3)
    np.testing.assert_allclose(np.square(restored[:6]).mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(restored[6:], centred[6:] * scales[6:, None])
    assert (factors[6:] == 1).all()


def heart(per_minute, seconds=10, leads=12, rate=RATE, seed=0, start=0.3):
    """A dipole that beats evenly, with a little noise."""
    from anylead.signals import heart as model

    rng = np.random.default_rng(seed)
    body = model.make_body(rng)
    interval = 60 / per_minute
    waves = model.beat_waves(body, has_p=per_minute < 150)
    beats = [
        (time, interval, 1.0, waves) for time in np.arange(start * interval, seconds, interval)
    ]
    num_samples = round(seconds * rate)
    dipole = model.dipole_over_time(beats, num_samples, rate)
    noise = 0.005 * rng.standard_normal((9, num_samples))
    signal = model.lead_signals(dipole, noise, body.chest)
    signal[leads:] = 0
    return signal


def has_rate_flag(signal, rate=RATE, unit="mV"):
    found = assess(np.asarray(signal, np.float32), signal.any(axis=1), rate, unit)
    return bool(found[0] & Quality.RATE)


@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("per_minute", [25, 30, 60, 100, 180, 240])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_heart_of_a_plausible_rate_is_not_flagged(per_minute, leads, seed):
    for seconds, rate in ((10, 500.0), (30, 250.0), (5, 1000.0)):
        # In 5 s of a slow heart there may be a single beat, which tells no rate.
        if seconds * per_minute >= 180:
            assert not has_rate_flag(heart(per_minute, seconds, leads, rate, seed), rate)


@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("per_minute", [8, 12, 15, 360, 420])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_heart_too_slow_or_too_fast_to_be_one_is_flagged(per_minute, leads, seed):
    assert has_rate_flag(heart(per_minute, 60, leads, seed=seed))
    assert has_rate_flag(heart(per_minute, 30, leads, 250.0, seed=seed), 250.0)


@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_heart_rate(leads, seed):
    noise = np.random.default_rng(seed).standard_normal((12, 5000))
    noise[leads:] = 0
    assert has_rate_flag(noise)
    assert has_rate_flag(np.sin(2 * np.pi * 50 * np.arange(5000) / RATE) + 0.01 * noise)


def test_one_steep_artefact_does_not_hide_the_beats():
    signal = heart(60)
    signal[:, 3000:3010] += 20
    assert not has_rate_flag(signal)


def test_a_flag_of_the_rate_is_of_all_leads_there_are():
    signal = np.random.default_rng(0).standard_normal((12, 5000)).astype(np.float32)
    has_lead = np.arange(12) < 7
    signal[7:] = 0
    found = assess(signal, has_lead, RATE, "mV")
    assert ((found & Quality.RATE) > 0).tolist() == has_lead.tolist()


def test_a_recording_too_short_to_tell_has_no_flag_of_the_rate():
    assert not has_rate_flag(np.random.default_rng(0).standard_normal((12, 1500)))
    assert not has_rate_flag(np.random.default_rng(0).standard_normal((12, 3)))


def verdict(signal):
    has_lead = np.ptp(signal, axis=1) > 0
    quality = assess(signal.astype(np.float32), has_lead, RATE, "mV")
    quality[~has_lead] |= np.uint16(Quality.FLAT)
    return is_acceptable(quality)


def verdict_of_leads(signal, num_leads):
    has_lead = np.arange(12) < num_leads
    return is_acceptable(assess(signal.astype(np.float32), has_lead, RATE, "mV"))


DAMAGES = {
    "a flat lead": lambda x, t, noise: 0 * x,
    "a lead flat for 2 s": lambda x, t, noise: np.where((t > 3) & (t < 5), 0.2, x),
    "wander": lambda x, t, noise: x + 3 * np.sin(2 * np.pi * 0.2 * t),
    "noise": lambda x, t, noise: x + 0.25 * noise,
    "mains": lambda x, t, noise: x + 0.8 * np.sin(2 * np.pi * 50 * t),
    "a step": lambda x, t, noise: x + 6 * (t > 6),
    "a rail": lambda x, t, noise: np.where(t > 4, 6.0, x),
    "no heart": lambda x, t, noise: 0.02 * noise,
    "spikes": lambda x, t, noise: x + 4 * (t % 2.3 < 0.01),
    "a loose electrode that jumps": lambda x, t, noise: x + 2.5 * (t % 1.7 > 0.8),
    "an open electrode": lambda x, t, noise: x + 12 * (t > 6) * np.sin(t),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("lead", [1, 7])
def test_a_lead_that_no_one_can_read_makes_a_recording_unacceptable(clean, damage, lead):
    time = np.arange(clean.shape[1]) / RATE
    noise = np.random.default_rng(1).standard_normal(clean.shape[1])
    signal = clean.astype(np.float64)
    assert verdict(signal)
    signal[lead] = DAMAGES[damage](signal[lead], time, noise)
    assert not verdict(signal)


def test_generated_recordings_are_acceptable_and_so_is_a_little_of_everything(clean):
    found = [verdict(r.signal) for r in synthetic.records(num_patients=60, records_per_patient=1)]
    assert sum(found) >= 59
    time = np.arange(clean.shape[1]) / RATE
    noise = np.random.default_rng(1).standard_normal(clean.shape)
    assert verdict(clean + 0.02 * noise + 0.05 * np.sin(2 * np.pi * 50 * time))
    assert verdict(clean + 0.8 * np.sin(2 * np.pi * 0.2 * time))


@pytest.mark.parametrize("leads", [12, 6, 2, 1])
def test_beats_that_come_too_early_and_pulses_of_a_pacemaker_are_no_jumps(clean, leads):
    time = np.arange(clean.shape[1]) / RATE
    steep = np.sign(np.random.default_rng(0).standard_normal(12))[:, None]
    paced = clean + steep * np.linspace(0.5, 3, 12)[:, None] * (time % 0.9 < 0.004)
    paced[leads:] = 0
    assert verdict_of_leads(paced, leads)
    once = clean.astype(np.float64)
    once[7] += 2 * (np.abs(time - 4.2) < 0.005)
    once[leads:] = 0
    assert verdict_of_leads(once, leads)


def test_most_clinical_recordings_are_acceptable(shared_data):
    from anylead import formats

    paths = sorted((shared_data / "ptbxl_raw500").rglob("*.hea"))
    found = [verdict(formats.read(path).signal) for path in paths]
    assert len(found) > 50
    assert np.mean(found) > 0.93


@given(
    st.sampled_from([1.0, 1.5, 5.0, 6.0, 7.0, 13.0, 100.0, 128.0, 500.0]),
    st.integers(-3, 3),
    st.floats(0, 1),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_what_stands_for_more_than_a_second_is_found_wherever_it_begins(
    rate, longer, place, levels, seed
):
    rng = np.random.default_rng(seed)
    signal = rng.integers(0, levels + 1, (12, round(6 * rate))).astype(np.float32)
    num_equal = max(1, round(rate) + longer)
    begin = round(place * (signal.shape[1] - num_equal))
    signal[::2, begin : begin + num_equal] = signal[::2, begin, None]
    found = (assess(signal, EVERY, rate, "NU") & Quality.PARTLY_FLAT) > 0
    for row, is_found in zip(signal, found, strict=True):
        longest = max(len(list(same)) for _, same in groupby(row.tolist()))
        assert is_found == (longest - 1 > rate)
