import numpy as np
import pytest

from anylead.datasets import synthetic
from anylead.leads import LEADS
from anylead.signals import Quality
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
