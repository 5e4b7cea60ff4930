import numpy as np
import pytest

from anylead.errors import FormatError
from anylead.formats import edf
from format_samples import SAMPLES


@pytest.fixture
def plain(tmp_path):
    return SAMPLES["edf"]["edf"](tmp_path)


def change(path, at, text):
    data = bytearray(path.read_bytes())
    data[at : at + len(text)] = text
    path.write_bytes(data)


# Two signals: 16 label, 80, 8 unit, then physical minimum at 256 + 2 * 104.
LABELS, UNITS, PHYSICAL_MIN, SAMPLES_FIELD = 256, 256 + 2 * 96, 256 + 2 * 104, 256 + 2 * 216


@pytest.mark.parametrize(
    ("at", "text", "found"),
    [
        (252, b"9999", "signals declared"),
        (252, b"x   ", "number of signals"),
        (184, b"99999999", "header of 99999999 bytes"),
        (236, b"99999999", "99999999 data records"),
        (236, b"0       ", "no data record"),
        (236, b"-2      ", "declared with -"),
        (244, b"0       ", "0' seconds"),
        (244, b"nan     ", "nan' seconds"),
        (LABELS, b"Pulse           Pulse           ", "no ECG lead in volts among Pulse"),
        (UNITS, b"mmHg    mmHg    ", "mmHg"),
        (PHYSICAL_MIN, b"x       ", "is no number"),
        (PHYSICAL_MIN, b"163835  ", "empty range"),
        (SAMPLES_FIELD, b"-5      ", "samples per data record"),
        (SAMPLES_FIELD, b"10      40      ", "different sample rates"),
    ],
)
def test_a_damaged_header_field_is_named(plain, at, text, found):
    change(plain.path, at, text)
    with pytest.raises(FormatError, match=found):
        edf.read(plain.path)


def test_a_recording_that_was_not_closed_gives_its_complete_data_records(plain):
    change(plain.path, 236, b"-1      ")
    plain.path.write_bytes(plain.path.read_bytes()[:-3])
    found = edf.read(plain.path)
    np.testing.assert_allclose(found.signal, plain.signal[:, :75], atol=plain.tolerance)


def test_a_gap_of_a_year_is_refused_and_not_filled(tmp_path):
    path = SAMPLES["edf"]["edf+d"](tmp_path).path
    data = path.read_bytes().replace(b"+0.4\x14\x14" + b"\0" * 8, b"+99999999\x14\x14\0\0\0")
    path.write_bytes(data)
    with pytest.raises(FormatError, match="gaps between the data records"):
        edf.read(path)


@pytest.mark.parametrize(
    ("samples", "seconds", "rate"),
    [
        (500, "1", 500.0),
        (257, "1", 257.0),
        (1, "0.003891", 257.0),
        (5001, "19.45914", 257.0),
        (25, "0.1", 250.0),
        (1, "0.0078125", 128.0),
        (641, "5", 128.2),
    ],
)
def test_the_rate_behind_a_duration_of_eight_characters(samples, seconds, rate):
    assert edf.roundest_rate(samples, seconds) == pytest.approx(rate, rel=1e-12)


def test_ranges_with_decimal_commas_are_numbers(plain):
    change(plain.path, PHYSICAL_MIN, b"-163840,-163840,")
    np.testing.assert_allclose(edf.read(plain.path).signal, plain.signal, atol=plain.tolerance)


@pytest.mark.parametrize("unit", [b"\xb5V      ", b"micV    ", b"microV  ", b"uVolt   ",
                                  b"[uV]    ", b"\xe6V      "])  # fmt: skip
def test_microvolts_have_many_spellings(plain, unit):
    change(plain.path, UNITS, 2 * unit)
    np.testing.assert_allclose(edf.read(plain.path).signal, plain.signal, atol=plain.tolerance)


def test_dates_may_be_written_in_any_case(tmp_path):
    path = SAMPLES["edf"]["edf+d"](tmp_path).path
    path.write_bytes(path.read_bytes().replace(b"25-JAN-1950", b"25-Jan-1950"))
    assert edf.read(path).age == pytest.approx(63.0, abs=0.01)


def test_subfields_count_without_the_word_edf_plus_and_no_one_is_a_patient(plain):
    change(plain.path, 8, b"P-18 F 02-Mar-1950 X".ljust(80))
    change(plain.path, 88, b"Startdate 02-Mar-2010 X X X".ljust(80))
    record = edf.read(plain.path)
    assert (record.patient_id, record.sex) == ("P-18", "female")
    assert record.age == pytest.approx(60.0, abs=0.01)
    change(plain.path, 8, b"X X X X".ljust(80))
    assert edf.read(plain.path).patient_id is None


def test_an_eeg_keeps_its_ecg_channel_only(plain):
    change(plain.path, LABELS, b"C3-A2".ljust(16) + b"ECG".ljust(16))
    record = edf.read(plain.path)
    assert record.leads == ("ECG",)
    np.testing.assert_allclose(record.signal, plain.signal[1:], atol=plain.tolerance)
    assert record.notes == ("C3-A2: no ECG lead",)
