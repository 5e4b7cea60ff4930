import time

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import csv

TABLE = "I (mV),II (mV)\n" + "0.1,0.2\n" * 5


def read(tmp_path, text, name="a.csv", **stated):
    path = tmp_path / name
    path.write_text(text)
    return csv.read(path, **stated)


def test_arguments_state_rate_and_unit(tmp_path):
    record = read(tmp_path, TABLE.replace(" (mV)", ""), sample_rate=250, unit="uV")
    np.testing.assert_allclose(record.signal, [[1e-4] * 5, [2e-4] * 5], rtol=1e-6)


def test_names_state_the_columns_of_a_bare_table(tmp_path):
    record = read(tmp_path, "1,2\n3,4\n", sample_rate=250, leads=["V1", "aVR"], unit="mV")
    assert record.leads == ("V1", "aVR")
    np.testing.assert_array_equal(record.signal, [[1, 3], [2, 4]])


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (["0", "0.004", "0.008", "0.012"], 250.0),
        (["0.000", "0.003", "0.006", "0.008", "0.011", "0.014"], None),
        (["0", "0.00390625", "0.0078125"], 256.0),
        (["0", "1", "0"], None),
        (["0"], None),
    ],
)
def test_the_rate_comes_from_even_times_only(times, rate, tmp_path):
    text = "time,II (mV)\n" + "".join(f"{t},1\n" for t in times)
    if rate is None:
        with pytest.raises(FormatError, match="not evenly spaced"):
            read(tmp_path, text)
    else:
        assert read(tmp_path, text).sample_rate == rate


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no table"),
        ("# only\n# comments: 1\n", "no table"),
        (TABLE, "sample_rate not stated"),
        (TABLE.replace("mV", "kg"), "no ECG lead in volts among I \\(unit 'kg'\\)"),
        (TABLE.replace("0.2\n", "up\n", 1), "not a table of numbers"),
        (TABLE + "1,2,3\n", "not a table of numbers"),
        (
            "PPG,SpO2\n1,2\n",
            'no ECG lead in volts among PPG, SpO2; name the lead with --rename "PPG=I"',
        ),
        ("a\0b", "binary"),
        (",".join(["1"] * 999), "999 columns"),
    ],
)
def test_what_is_no_ecg_is_refused_with_what_was_found(text, found, tmp_path):
    with pytest.raises(FormatError, match=found) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))


def test_units_that_are_no_voltage_are_refused(tmp_path):
    with pytest.raises(FormatError, match="kg"):
        read(tmp_path, TABLE.replace("mV", "kg"), sample_rate=100)


def test_a_long_first_line_takes_no_quadratic_time(tmp_path):
    started = time.perf_counter()
    with pytest.raises(FormatError):
        read(tmp_path, "I" + " " * 60000 + "x,II\n1,2\n")
    assert time.perf_counter() - started < 1


def test_stated_names_replace_those_of_the_header(tmp_path):
    text = "left (mV),right (mV)\n1,2\n"
    assert read(tmp_path, text, sample_rate=250, leads=["II", "V5"]).leads == ("II", "V5")


def test_what_the_caller_states_goes_before_the_header(tmp_path):
    record = read(tmp_path, TABLE, sample_rate=250, unit="uV")
    np.testing.assert_allclose(record.signal[0], 1e-4, rtol=1e-6)


def test_decimal_commas_are_seen_behind_a_first_row_of_zeros(tmp_path):
    record = read(tmp_path, "I (mV);II (mV)\n0;0\n0,5;-1,25\n", sample_rate=250)
    np.testing.assert_array_equal(record.signal, [[0, 0.5], [0, -1.25]])


def test_units_may_stand_in_a_second_line_below_quoted_names(tmp_path):
    text = "'Elapsed time','MLII','V5'\n'seconds','mV','uV'\n0.000,0.1,NA\n0.004,-,200\n"
    record = read(tmp_path, text)
    assert (record.leads, record.sample_rate, record.unit) == (("II", "V5"), 250.0, "mV")
    np.testing.assert_allclose(record.signal, [[0.1, np.nan], [np.nan, 0.2]], rtol=1e-6)


def test_times_of_a_clock_give_the_rate(tmp_path):
    rows = "".join(f"'0:{n * 0.004:06.3f}',{n}\n" for n in range(5))
    record = read(tmp_path, f"'Time','II'\n'hh:mm:ss.mmm','mV'\n{rows}")
    assert record.sample_rate == 250.0
    np.testing.assert_array_equal(record.signal, [[0, 1, 2, 3, 4]])


def test_decimal_commas_stand_between_semicolons(tmp_path):
    record = read(tmp_path, "t;I (mV);V2 (mV)\n0,000;0,5;-1,25\n0,002;NA;2\n")
    assert record.sample_rate == 500.0
    np.testing.assert_array_equal(record.signal, [[0.5, np.nan], [-1.25, 2]])


@pytest.mark.parametrize(
    ("step", "is_told"), [("0.004", False), ("4", False), ("4000", False), ("1", False),
                          ("0.00278", True), ("8", True)],
)  # fmt: skip
def test_a_rate_that_the_times_deny_is_refused_with_both(step, is_told, tmp_path):
    rows = "".join(f"{n * float(step):.6g},{n}\n" for n in range(50))
    text = f"# sample_rate: 250\ntime,II (mV)\n{rows}"
    if is_told:
        with pytest.raises(FormatError, match=r"250 Hz stated, but its times go at (359|0\.12)"):
            read(tmp_path, text)
    else:
        assert read(tmp_path, text).sample_rate == 250


def test_columns_that_are_no_lead_may_hold_anything(tmp_path):
    text = "Phone timestamp;timestamp [ms];ecg [uV]\n2020-01-01T10:00:00.1;0.0;-12\nx;4.0;15\n"
    record = read(tmp_path, text)
    assert (record.leads, record.sample_rate) == (("ECG",), 250.0)
    np.testing.assert_allclose(record.signal, [[-0.012, 0.015]], rtol=1e-6)
    assert read(tmp_path, text, rename={"ecg": "I"}).leads == ("I",)


def test_axes_of_movement_are_no_frank_leads(tmp_path):
    record = read(tmp_path, "# unit: mV\n# sample_rate: 100\nI,x,y,z\n1,2,3,4\n")
    assert record.leads == ("I",)
    assert record.notes == ("x: no ECG lead", "y: no ECG lead", "z: no ECG lead")


@pytest.mark.parametrize(
    ("head", "step"),
    [("time_us,I_uV", "{us:.0f}"), ("Time_ms,I_uV", "{ms:g}"), ("Zeit (ms),I uV", "{ms:g}"),
     ("t_ns,I_\u00b5V", "{ns:.0f}"), ("timestamp,I (uV)", "2020-02-03 10:00:0{s:.3f}"),
     ("timestamp,I (uV)", "2020-02-03T10:00:0{s:.6f}+01:00")]
)  # fmt: skip
def test_units_and_times_as_other_software_names_them(head, step, tmp_path):
    seconds = np.arange(500) / 250
    times = [step.format(s=s, ms=1e3 * s, us=1e6 * s, ns=1e9 * s) for s in seconds]
    path = tmp_path / "e.csv"
    path.write_text("\n".join([head, *(f"{t},{i % 7 * 100}" for i, t in enumerate(times))]))
    record = formats.read(path)
    assert (record.leads, record.unit, round(record.sample_rate, 6)) == (("I",), "mV", 250)
    np.testing.assert_allclose(record.signal[0], np.arange(500) % 7 / 10, atol=1e-6)


def test_times_that_count_samples_or_milliseconds_are_no_seconds(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("time,I (mV)\n" + "".join(f"{i},0.{i % 7}\n" for i in range(500)))
    with pytest.raises(FormatError, match="may be milliseconds or numbers of samples"):
        formats.read(path)


def test_a_table_in_utf_16_is_read(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("# sample_rate: 250\nI (\u00b5V)\n" + "100\n" * 300, encoding="utf-16")
    assert formats.read(path).signal.max() == np.float32(0.1)


ROWS = "0,0\n0.5,1\n1,2\n"


def test_the_unit_of_a_column_goes_before_that_of_the_file(tmp_path):
    path = tmp_path / "ecg.csv"
    for first in ("I (uV)", "I_uV"):
        path.write_text(f"# sample_rate: 250\n# unit: mV\n{first},II\n{ROWS}")
        record = csv.read(path)
        np.testing.assert_allclose(record.signal, [[0, 5e-4, 1e-3], [0, 1, 2]])
    assert csv.read(path, unit="uV").signal.max() == np.float32(2e-3)  # the caller's goes first


@pytest.mark.parametrize(
    "head",
    [
        "# Sampling Rate (Hz): 250\n# Patient ID: 77\n# Gender: F\n",
        "# fs = 250 Hz\n# subject-id = 77\n# SEX = female\n",
        "#Sample Rate: 0.25 kHz\n#Patient: 77\n#Sex: w\n",
        "Patient ID,77\nSex,F\nSample Rate,250\n",
        "Patient: 77\nSex: F\nSampling frequency: 250 Hz\n\n",
        "\ufeff# sample rate: 250\r\n# patient id: 77\r\n# sex: Female\r\n",
    ],
)
def test_facts_above_a_table_may_be_spelled_as_people_spell_them(head, tmp_path):
    for name in ("ecg.csv", "ecg.txt"):
        path = tmp_path / name
        path.write_text(f"{head}I (mV),II (mV)\n{ROWS}", encoding="utf-8")
        record = formats.read(path)
        assert (record.sample_rate, record.patient_id, record.sex) == (250, "77", "female")


def test_a_head_of_two_names_is_no_fact_where_no_line_below_names_a_lead(tmp_path):
    path = tmp_path / "ecg.csv"
    path.write_text("date,value\n1,0.1\n2,0.2\n3,0.3\n")
    record = csv.read(path, leads=["date", "II"], sample_rate=250, unit="mV")
    assert record.leads == ("II",) and record.signal.shape == (1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "# I (mV),II (mV)\n" + ROWS,  # np.savetxt
        "sep=,\nI (mV),II (mV)\n" + ROWS,
        "I II\n" + ROWS.replace(",", "  "),
        "# I II\n" + ROWS.replace(",", " "),
        "I (mV),0,0.5,1\nII (mV),0,1,2\n",
        "II;0;1;2\nI;0;0,5;1\n",
    ],
)
def test_other_layouts_of_the_same_table(text, tmp_path):
    path = tmp_path / "ecg.csv"
    for end in ("\n", "\r\n", "\r"):
        whole = "# sample_rate: 250\n# unit: mV\n" + text
        path.write_text(whole.replace("\n", end), newline="")
        record = formats.read(path)
        rows = dict(zip(record.leads, record.signal.tolist(), strict=True))
        assert rows == {"I": [0, 0.5, 1], "II": [0, 1, 2]}


def test_a_mu_in_one_byte_is_a_mu(tmp_path):
    path = tmp_path / "ecg.csv"
    path.write_bytes("# sample_rate: 250\nI (µV)\n500\n1000\n".encode("latin-1"))
    assert csv.read(path).signal.tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize(
    "times",
    [
        [f"{day}/01/2020 {clock}" for day, clock in ((1, "23:59:59.996"), (2, "00:00:00.000"))],
        ["23:59:59.996", "00:00:00.000"],
        ["31.12.2019 10:00:00,000", "31.12.2019 10:00:00,004"],
    ],
)
def test_a_clock_starts_again_at_midnight(times, tmp_path):
    path = tmp_path / "ecg.tsv"
    path.write_text("time\tI (mV)\n" + "".join(f"{time}\t0\n" for time in times))
    assert csv.read(path).sample_rate == pytest.approx(250, rel=1e-6)


def test_times_below_one_hertz_are_told_as_milliseconds_perhaps(tmp_path):
    path = tmp_path / "ecg.csv"
    path.write_text("time,I (mV)\n0,0\n4,0\n8,0\n")
    with pytest.raises(FormatError, match=r'0.25 Hz if they are seconds.*"time \(ms\)"'):
        csv.read(path)
    path.write_text("time (msec),I (mV)\n0,0\n4,0\n8,0\n")
    assert csv.read(path).sample_rate == 250


def test_lines_of_leads_that_are_no_numbers_are_refused(tmp_path):
    path = tmp_path / "ecg.csv"
    path.write_text("# sample_rate: 250\nI (mV),0,1,2\nII (mV),0,1,x\n")
    with pytest.raises(FormatError, match="not a table of numbers"):
        csv.read(path)


def test_recordings_one_below_the_other_are_refused(tmp_path):
    path = tmp_path / "ecg.csv"
    path.write_text("# sample_rate: 250\nrecord,I (mV)\na,0\na,1\nb,2\n")
    with pytest.raises(FormatError, match="2 recordings by its column 'record'"):
        csv.read(path)
    path.write_text("# sample_rate: 250\nrecord,I (mV)\na,0\na,1\na,2\n")
    assert csv.read(path).signal.tolist() == [[0, 1, 2]]
