"""The square that devices store beside the ECG."""

import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead import formats
from anylead.formats import calibration
from anylead.formats.assemble import About, Channel, build_record
from anylead.formats.calibration import without_pulse
from anylead.leads import EINTHOVEN, LEADS
from format_samples import SAMPLES, binary, clinical, devices
from format_samples.recording import EIGHT, NUM_SAMPLES

RATE = 500
# The package's name "recording" is that of a function.
written = sys.modules["format_samples.recording"]


def heart(seconds=10.0, seed=0, noise=0.02):
    """(12, time) mV that obeys Einthoven."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    beat = np.exp(-((((time + rng.uniform()) % 0.9 - 0.3) / 0.02) ** 2) / 2)
    independent = rng.uniform(0.3, 1.5, (8, 1)) * beat + noise * rng.standard_normal((8, len(time)))
    return np.concatenate([EINTHOVEN @ independent[:2], independent[2:]]).astype(np.float32)


def pulse(height=1.0, flat=0.1, wide=0.2, edge=()):
    parts = [np.zeros(round(flat * RATE)), edge, np.full(round(wide * RATE), height), edge[::-1],
             np.zeros(round(flat * RATE))]  # fmt: skip
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("height", [1.0, -1.0, 0.5, 2.0])
@pytest.mark.parametrize("edge", [(), (0.3, 0.8)])
@pytest.mark.parametrize("is_behind", [True, False])
@pytest.mark.parametrize("names", [LEADS, EIGHT, ("I", "II", "III"), ("I", "II", "aVR")])
def test_a_square_in_every_lead_is_cut_with_its_flat_line(height, edge, is_behind, names):
    ecg = heart()[[LEADS.index(name) for name in names]]
    square = np.tile(pulse(height, edge=np.multiply(edge, height)), (len(names), 1))
    both = np.concatenate([ecg, square] if is_behind else [square, ecg], axis=1)
    kept, note = without_pulse(both, names, RATE)
    assert abs(kept.shape[1] - ecg.shape[1]) <= 2
    place = slice(None, 4000) if is_behind else slice(-4000, None)
    np.testing.assert_array_equal(kept[:, place], ecg[:, place])
    assert note is not None and "calibration pulse" in note


@given(st.integers(0, 200))
@settings(max_examples=30, deadline=None)
def test_no_ecg_is_cut(seed):
    for noise in (0.0, 0.01):
        ecg = heart(5, seed, noise)
        kept, note = without_pulse(ecg, LEADS, RATE)
        assert kept is ecg
        assert note is None


@st.composite
def recordings(draw):
    """(signal, leads, Hz): ECGs, silence and the like between squares, or what is nearly one.

    Sizes lie around all limits: of heights, of lengths, of what is flat, of rates.
    """
    rate = draw(st.sampled_from([1, 1.5, 2, 25, 26, 100, 128, 250, 500]))
    leads = draw(
        st.sampled_from([LEADS, EIGHT, ("I", "II", "III"), ("I", "II", "V1"), ("I", "V1")])
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num = draw(st.integers(1, 40) | st.integers(1, round(4 * rate) + 2))
    middle = {
        "ecg": lambda: heart(num / RATE, int(rng.integers(2**32)))[: len(leads)],
        "zero": lambda: np.zeros((len(leads), num)),
        "one voltage": lambda: np.full((len(leads), num), rng.uniform(-2, 2)),
        "noise": lambda: rng.choice([0.005, 0.02, 1]) * rng.standard_normal((len(leads), num)),
    }
    rows = middle[draw(st.sampled_from(sorted(middle)))]()
    before, behind = draw(st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)]))
    squares = [_square(draw, rng, len(leads), rate) for _ in range(before + behind)]
    signal = np.concatenate([*squares[:before], rows, *squares[before:]], axis=1)
    match draw(st.sampled_from(["as it is", "as it is", "offsets", "leads", "leads", "samples"])):
        case "offsets":
            signal += rng.choice([0.0149, 0.0151, 0.03, 1]) * rng.choice([-1, 1], (len(leads), 1))
        case "leads":
            off = rng.choice(len(leads), rng.integers(1, len(leads)), replace=False)
            signal[off] = rng.choice([0, 0.0299, 0.0301, np.nan], (len(off), 1))
        case "samples":
            places = rng.integers(0, signal.size, 3)
            signal.flat[places] = rng.choice([0, np.nan, 1])
    return signal.astype(np.float32), leads, rate


def _square(draw, rng, num_leads, rate):
    """(lead, time) flat, high, flat; a part may be missing, too short, too long or slanted."""
    heights = [1, 1, -1, 0.94, 0.96, 1.04, 1.06, 0.39, 0.41, 2.09, 2.11, 0.02]
    flat, seconds = st.sampled_from([0.1, 0.1, 0, 0.002, 0.3]), [0.2, 0.2, 0, 0.039, 0.041, 2.1]
    parts = draw(flat), draw(st.sampled_from(seconds)), draw(flat)
    lengths = [round(each * rate) for each in parts]
    rows = np.repeat([0, draw(st.sampled_from(heights)), 0], lengths) + np.zeros((num_leads, 1))
    uneven = draw(st.sampled_from(["not", "not", "noise", "one lead"]))
    if uneven == "noise":
        rows += rng.choice([0.001, 0.0149, 0.02]) * rng.uniform(-1, 1, rows.shape)
    if uneven == "one lead":
        rows[0] *= rng.choice([0.5, 0.96, 0.98])
    return rows


@given(recordings())
@settings(max_examples=200, deadline=None)
def test_the_first_look_changes_nothing(recording):
    kept, note = without_pulse(*recording)
    with mock.patch.object(calibration, "_may_begin", return_value=True):
        wanted, wanted_note = without_pulse(*recording)
    assert note == wanted_note
    np.testing.assert_array_equal(kept, wanted)


def test_the_first_look_is_all_that_an_ecg_needs():
    with mock.patch.object(calibration, "_length", return_value=0) as search:
        for seed in range(50):
            ecg = heart(5, seed, noise=0.05)
            assert without_pulse(ecg, LEADS, RATE)[0] is ecg
    assert search.call_count <= 2


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_a_rate_at_which_no_sample_is_a_third_of_a_second_is_searched(rate):
    assert without_pulse(np.zeros((12, 9), np.float32), LEADS, rate)[1] is None


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((12, 3000)),
        np.tile(np.sin(np.arange(3000) / 30), (12, 1)),  # one signal in every lead
        np.tile(np.repeat([0.0, 1.0, 0.0], 1000), (12, 1)),  # longer than any pulse
        np.concatenate([heart()[:, :3000], np.tile(pulse(), (12, 1))], axis=1)
        * np.array([[1]] * 11 + [[0.5]]),  # not the same in all leads
    ],
)
def test_what_is_no_pulse_of_every_lead_stays(rows):
    assert without_pulse(rows.astype(np.float32), LEADS, RATE)[1] is None


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("behind", [0, 1, 2])
def test_pulses_at_both_ends_and_several_are_cut(before, behind):
    ecg, square = heart(), np.tile(pulse(), (12, 1))
    both = np.concatenate([*[square] * before, ecg, *[square] * behind], axis=1)
    kept, note = without_pulse(both, LEADS, RATE)
    # The flat line of a beat beside the pulse may go with it.
    assert ecg.shape[1] - 0.25 * RATE <= kept.shape[1] <= ecg.shape[1]
    assert (note is None) == (before + behind == 0)


@pytest.mark.parametrize("value", [0.0, np.nan])
@pytest.mark.parametrize("off", [["aVR"], ["V1", "V2", "V3", "V4", "V5", "V6"]])
@pytest.mark.parametrize("is_behind", [True, False])
def test_a_lead_that_is_off_hides_no_pulse(value, off, is_behind):
    ecg, square = heart(), np.tile(pulse(), (12, 1))
    rows = [LEADS.index(name) for name in off]
    square[rows] = value
    both = np.concatenate([ecg, square] if is_behind else [square, ecg], axis=1)
    kept, note = without_pulse(both, LEADS, RATE)
    assert note is not None and kept.shape[1] <= ecg.shape[1]
    beating = np.concatenate([ecg, np.tile(pulse(), (12, 1))], axis=1)
    beating[rows, -200:] = ecg[rows, :200]
    assert without_pulse(beating, LEADS, RATE)[1] is None  # theirs is an ECG


def test_three_leads_that_no_law_joins_know_the_usual_pulse_only():
    for height, is_cut in ((1.0, True), (0.6, False)):
        ecg = heart()[[0, 1, 6]]
        both = np.concatenate([ecg, np.tile(pulse(height), (3, 1))], axis=1)
        assert (without_pulse(both, ("I", "II", "V1"), RATE)[1] is not None) == is_cut


def test_one_lead_cannot_tell_and_keeps_everything():
    both = np.concatenate([heart()[:1], pulse()[None]], axis=1)
    assert without_pulse(both, ("I",), RATE)[1] is None


def test_every_format_that_joins_channels_looks_for_it(tmp_path):
    both = np.concatenate([heart(), np.tile(pulse(), (12, 1))], axis=1)
    channels = [Channel(name, row, "mV") for name, row in zip(LEADS, both, strict=True)]
    record = build_record(tmp_path / "a.xyz", channels, RATE, About())
    assert abs(record.signal.shape[1] - 5000) <= 2
    assert record.notes == ("calibration pulse: 0.40 s cut at the end",)


def with_pulse(num_samples=NUM_SAMPLES, plain=written.steps):
    """What the sample files hold; its last 40 samples are a square of 1 mV in every lead."""
    rows = plain(num_samples)
    rows[:, -40:] = 0
    rows[:, -37:-3] = round(1 / written.STEP_MV)
    return rows


# One lead cannot tell; WFDB has annotations that count its samples.
VENDORS = sorted(set(SAMPLES) - {"wfdb", "apple_health", "viatom", "opensignals", "biopac"})


@pytest.mark.parametrize("name", VENDORS)
def test_the_files_of_every_vendor_lose_it(name, tmp_path, monkeypatch):
    for module in (binary, clinical, devices, written):
        monkeypatch.setattr(module, "steps", with_pulse)
    samples = {variant: write(tmp_path) for variant, write in SAMPLES[name].items()}
    samples = {v: each for v, each in samples.items() if len(each.leads) > 2 and v != "edf+d"}
    assert samples
    for variant, sample in samples.items():
        record = formats.READERS[name].read(sample.path)
        notes = [note for note in record.notes if note.startswith("calibration pulse")]
        assert len(notes) == 1, (variant, record.notes)
        assert 0 <= record.signal.shape[1] - (sample.signal.shape[1] - 40) <= 2, variant
        kept = sample.signal[:, : record.signal.shape[1]]
        np.testing.assert_allclose(record.signal, kept, atol=sample.tolerance)
