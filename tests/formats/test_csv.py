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
