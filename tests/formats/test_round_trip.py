"""What is written comes back: millivolts within half a step of the format, and who it was."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import csv, dicom, dicom_write, edf, edf_write, wfdb_write
from anylead.formats import wfdb as wfdb_format
from anylead.leads import LEADS
from anylead.records import Record

RATES = st.sampled_from([100.0, 250.0, 257.0, 360.0, 400.0, 500.0, 512.0, 977.0, 1000.0, 128.5])


@st.composite
def records(draw, may_miss=True):
    """Any leads, rate, length and amplitude from microvolts to volts."""
    leads = draw(st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True))
    num_samples = draw(st.integers(2, 700))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    amplitude = 10.0 ** draw(st.floats(-3, 3))
    signal = (amplitude * rng.standard_normal((len(leads), num_samples))).astype(np.float32)
    if draw(st.booleans()):
        signal[0] = 0  # a flat lead
    if may_miss and draw(st.booleans()):
        signal[-1, rng.integers(num_samples)] = np.nan
    return Record(
        signal=signal,
        leads=tuple(leads),
        sample_rate=draw(RATES),
        record_id="trip",
        patient_id=draw(st.sampled_from([None, "P-17", "Ångström"])),
        age=draw(st.sampled_from([None, 0.0, 63.0])),
        sex=draw(st.sampled_from([None, "female", "male"])),
        start_time=draw(st.sampled_from([None, "2013-01-25T10:59:19", "1984-02-29T00:00:00"])),
        diagnosis=draw(st.sampled_from([None, "Normal ECG", "Two\nlines: of it"])),
    )


def there_and_back(write, read, record, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(record, path)
        return read(path)


def assert_same_signal(found, record, num_steps):
    """Within half a step, where the largest sample of a lead takes `num_steps` steps."""
    assert found.leads == record.leads
    assert found.sample_rate == pytest.approx(record.sample_rate, rel=1e-6)
    np.testing.assert_array_equal(np.isnan(found.signal), np.isnan(record.signal))
    largest = np.nanmax(np.abs(record.signal), axis=1, keepdims=True, initial=0)
    # Float32 on top: its own rounding of the largest value.
    allowed = largest * (0.5 / num_steps + 2.0**-23)
    error = np.abs(found.signal.astype(np.float64) - record.signal)
    assert (np.nan_to_num(error) <= allowed).all()


def needs_no_more_than_eight_characters(record):
    """EDF states a rate by a duration; a short one at 128.5 Hz has too few digits."""
    assume(record.sample_rate % 1 == 0 or record.seconds > 1)


def same(found, record, *fields):
    assert {f: getattr(found, f) for f in fields} == {f: getattr(record, f) for f in fields}


@settings(max_examples=30, deadline=None)
@given(record=records(), name=st.sampled_from(["trip.csv", "trip.tsv"]))
def test_csv_keeps_everything_to_the_last_bit(record, name):
    found = there_and_back(csv.write, csv.read, record, name)
    np.testing.assert_array_equal(found.signal, record.signal)
    same(found, record, "leads", "sample_rate", "patient_id", "age", "sex", "start_time")
    same(found, record, "diagnosis", "unit")


@settings(max_examples=30, deadline=None)
@given(record=records())
def test_dicom_keeps_millivolts_and_facts(record):
    found = there_and_back(dicom_write.write, dicom.read, record, "trip.dcm")
    assert_same_signal(found, record, 32767 / 1.001)
    same(found, record, "sample_rate", "patient_id", "age", "sex", "start_time", "diagnosis")


@settings(max_examples=30, deadline=None)
@given(record=records(may_miss=False))
def test_edf_keeps_millivolts_sex_and_start(record):
    needs_no_more_than_eight_characters(record)
    assume((record.patient_id or "").isascii())
    found = there_and_back(edf_write.write, edf.read, record, "trip.edf")
    # A limit of seven characters is up to a hundred-thousandth more than the largest sample.
    largest = np.abs(record.signal).max(axis=1)
    limits = [float(edf_write._limit(Path(), row)) for row in record.signal]
    slack = max((b / a for a, b in zip(largest, limits, strict=True) if a > 0), default=1.0)
    assert_same_signal(found, record, 32767 / slack)
    same(found, record, "sex", "start_time", "patient_id")


@settings(max_examples=30, deadline=None)
@given(record=records())
def test_wfdb_is_what_the_wfdb_package_reads(record):
    import wfdb

    with tempfile.TemporaryDirectory() as folder:
        wfdb_write.write(record, Path(folder) / "trip.hea")
        found = wfdb.rdrecord(f"{folder}/trip")
    gains = [wfdb_write.largest_gain(Path(), row) for row in record.signal]
    assert found.sig_name == list(record.leads)
    assert found.fs == record.sample_rate
    assert found.units == ["mV"] * len(record.leads)
    np.testing.assert_array_equal(np.isnan(found.p_signal.T), np.isnan(record.signal))
    error = np.abs(np.nan_to_num(found.p_signal.T - record.signal))
    assert (error <= 0.5 / np.array(gains)[:, None] * (1 + 1e-9)).all()
    largest = np.nanmax(np.abs(record.signal.astype(np.float64)), axis=1, initial=0)
    assert all(gain * top <= 32767 for gain, top in zip(gains, largest, strict=True))
    assert all(gain * top > 32700 for gain, top in zip(gains, largest, strict=True) if top > 0)
    assert [sum(row) & 0xFFFF for row in found_digital(record, gains)] == [
        checksum & 0xFFFF for checksum in found.checksum
    ]
    ours = there_and_back(wfdb_write.write, wfdb_format.read, record, "trip.hea")
    same(ours, record, "leads", "sample_rate", "patient_id", "age", "sex", "diagnosis")
    has_start = record.start_time is not None
    assert (found.base_date is not None) == has_start


def found_digital(record, gains):
    """The steps by a loop, NaN as the value that stands for it."""
    return [
        [-32768 if math.isnan(v) else round(float(v) * gain) for v in row]
        for row, gain in zip(record.signal, gains, strict=True)
    ]


@settings(max_examples=25, deadline=None)
@given(record=records(may_miss=False))
def test_edfio_reads_the_same_edf(record):
    import edfio

    needs_no_more_than_eight_characters(record)
    assume((record.patient_id or "").isascii())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trip.edf"
        edf_write.write(record, path)
        theirs, ours = edfio.read_edf(path), edf.read(path)
        assert [signal.label for signal in theirs.signals] == [f"ECG {lead}" for lead in ours.leads]
        for signal, row in zip(theirs.signals, ours.signal, strict=True):
            np.testing.assert_allclose(signal.data, row, rtol=1e-6, atol=1e-9)
            # They divide by the eight characters of the duration; we look for the rate behind them.
            seconds = len(row) / signal.sampling_frequency
            assert seconds == pytest.approx(len(row) / ours.sample_rate, rel=1e-6, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    step=st.sampled_from([0.00125, 0.0024, 0.005, 1 / 200, 1 / 1000, 0.00488]),
    seed=st.integers(0, 999),
    num_samples=st.integers(2, 300),
)
@example(step=0.00488, seed=264, num_samples=16)  # EDF cannot state this step
def test_what_was_integers_stays_the_same_integers(step, seed, num_samples):
    rng = np.random.default_rng(seed)
    digital = rng.integers(-32767, 32768, (2, num_samples))
    signal = (digital * step).astype(np.float32)
    record = Record(signal, ("II", "V1"), 500.0, resolution=(step, step))
    found = there_and_back(dicom_write.write, dicom.read, record, "trip.dcm")
    np.testing.assert_array_equal(found.signal, signal)
    assert found.resolution == pytest.approx(record.resolution, rel=1e-9)
    found = there_and_back(wfdb_write.write, wfdb_format.read, record, "trip.hea")
    np.testing.assert_array_equal(np.rint(found.signal / step), digital)
    assert found.resolution == pytest.approx(record.resolution, rel=1e-9)
    found = there_and_back(edf_write.write, edf.read, record, "trip.edf")
    # EDF has seven characters for 32767 steps: where they do not state them, half a step is lost.
    text = f"{32767 * step:.7g}"
    has_room = len(text) <= 7 and float(text) / 32767 == pytest.approx(step, rel=1e-9)
    assert np.abs(found.signal / step - digital).max() < (0.01 if has_room else 0.51)


def test_pydicom_reads_the_same_dicom(tmp_path):
    import pydicom

    rng = np.random.default_rng(0)
    record = Record(rng.standard_normal((12, 500)).astype(np.float32), LEADS, 500.0)
    dicom_write.write(record, tmp_path / "a.dcm")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID.name == "12-lead ECG Waveform Storage"
    theirs = pydicom.waveforms.multiplex_array(dataset, 0, as_raw=False).T / 1000
    np.testing.assert_allclose(theirs, record.signal, atol=1e-4)


def test_the_same_recording_gets_the_same_dicom(tmp_path):
    record = Record(np.ones((1, 9), dtype=np.float32), ("I",), 500.0)
    for name in ("a.dcm", "b.dcm"):
        dicom_write.write(record, tmp_path / name)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_different_recordings_get_different_identifiers(tmp_path):
    import pydicom

    signal = np.zeros((1, 5000), dtype=np.float32)
    other = signal.copy()
    other[0, -1] = 1
    for name, values in (("a.dcm", signal), ("b.dcm", other)):
        dicom_write.write(Record(values, ("I",), 500.0), tmp_path / name)
    first, second = (pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "b.dcm"))
    assert first.SOPInstanceUID != second.SOPInstanceUID


def ecg(**fields):
    signal = np.ones((1, 9), dtype=np.float32)
    return Record(**{"signal": signal, "leads": ("I",), "sample_rate": 500.0, **fields})


@pytest.mark.parametrize(
    ("write", "name", "record", "found"),
    [
        (edf_write.write, "a.edf", ecg(signal=np.full((1, 9), np.nan, np.float32)), "missing"),
        (edf_write.write, "a.edf", ecg(signal=np.full((1, 9), 1e7, np.float32)), "999999"),
        (edf_write.write, "a.edf", ecg(patient_id="Müller"), "without accents"),
        (edf_write.write, "a.edf", ecg(patient_id="P" * 75), "up to 74 letters"),
        (dicom_write.write, "a.dcm", ecg(unit="NU"), "voltages"),
        (dicom_write.write, "a.dcm", ecg(signal=np.full((1, 9), np.inf, np.float32)), "infinite"),
        (wfdb_write.write, "a b.hea", ecg(), "letters, digits"),
        (wfdb_write.write, "a.hea", ecg(signal=np.full((1, 9), np.inf, np.float32)), "infinite"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(write, name, record, found, tmp_path):
    with pytest.raises(FormatError, match=found) as caught:
        write(record, tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_a_long_recording_at_an_awkward_rate_keeps_rate_and_length(tmp_path):
    record = ecg(signal=np.ones((1, 100_003), dtype=np.float32), sample_rate=257.0)  # a prime
    edf_write.write(record, tmp_path / "a.edf")
    found = edf.read(tmp_path / "a.edf")
    assert (found.sample_rate, found.signal.shape) == (257.0, (1, 100_003))


@pytest.mark.parametrize(
    ("age", "back"),
    [(10 / 365.25, 10 / 365.25), (0.5, 0.5), (1.5, 1.5), (2.9, 2), (0.0, 0.0), (63.0, 63)],
)
def test_dicom_keeps_the_age_of_an_infant(age, back):
    found = there_and_back(dicom_write.write, dicom.read, ecg(age=age), "trip.dcm")
    assert found.age == pytest.approx(back)


@pytest.mark.parametrize(("write", "name"), [
    (dicom_write.write, "a.dcm"), (edf_write.write, "a.edf"),
    (wfdb_write.write, "a.hea"), (csv.write, "a.csv"),
])  # fmt: skip
def test_a_lead_of_unknown_place_stays_one(write, name, tmp_path):
    write(ecg(leads=("ECG",)), tmp_path / name)
    found = formats.read(tmp_path / name)
    assert found.leads == ("ECG",) and found.notes == ()


@pytest.mark.parametrize(("num_samples", "rate"), [(2700, 250.0), (513, 513.0), (777, 128.0)])
def test_edf_keeps_a_whole_rate_exactly(num_samples, rate):
    record = ecg(signal=np.ones((1, num_samples), np.float32), sample_rate=rate)
    assert there_and_back(edf_write.write, edf.read, record, "trip.edf").sample_rate == rate


def test_codes_of_a_challenge_stay_labels_in_wfdb():
    record = ecg(labels={"dx": ("426783006", "59118001")}, diagnosis="426783006,59118001")
    found = there_and_back(wfdb_write.write, wfdb_format.read, record, "trip.hea")
    assert found.labels == record.labels and found.diagnosis == record.diagnosis
    plain = ecg(diagnosis="AF, LVH")
    found = there_and_back(wfdb_write.write, wfdb_format.read, plain, "trip.hea")
    assert found.labels == {} and found.diagnosis == "AF, LVH"
