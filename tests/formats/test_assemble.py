from pathlib import Path

import numpy as np
import pytest

from anylead.errors import FormatError
from anylead.formats.assemble import (
    About,
    Channel,
    build_record,
    parse_age,
    parse_sex,
)
from anylead.formats.units import voltage_factor

PATH = Path("folder/ecg-7.xyz")
ROW = np.array([0, 100, -200], dtype=np.int16)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("mv", 1.0), ("Millivolts", 1.0), ("V", 1e3)],
)
def test_units_become_millivolts(unit, factor):
    assert voltage_factor(unit) == factor


def test_what_is_no_voltage_is_refused_by_name():
    with pytest.raises(FormatError, match="mmHg"):
        voltage_factor("mmHg")


def test_scale_offset_and_missing_value_are_applied_in_this_order():
    channel = Channel("I", ROW, "uV", scale=2.0, offset=1000.0, missing=100)
    np.testing.assert_allclose(channel.signal(), [1.0, np.nan, 0.6])


def test_channels_that_are_no_leads_are_left_out_and_the_first_of_a_lead_is_taken():
    channels = [Channel("Resp", ROW, "l"), Channel("ECG II", ROW, "mV"), Channel("II", -ROW, "mV")]
    record = build_record(PATH, channels, 500, About())
    assert record.leads == ("II",)
    assert record.signal[0, 1] == 100
    assert record.record_id == "ecg-7"


@pytest.mark.parametrize(
    ("channels", "rate", "found"),
    [
        ([], 500, "no ECG lead"),
        ([Channel("Pleth", ROW, "mV")], 500, "Pleth"),
        ([Channel("I", ROW, "mV"), Channel("II", ROW[:2], "mV")], 500, "different length"),
        ([Channel("I", ROW, "mV"), Channel("II", ROW, "NU")], 500, "some are not"),
        ([Channel("I", ROW, "mmHg")], 500, "mmHg"),
        ([Channel("I", ROW, "mV", scale=0)], 500, "scale 0"),
        ([Channel("I", ROW, "mV", scale=float("nan"))], 500, "scale nan"),
        ([Channel("I", ROW, "mV", scale=1e60)], 500, "infinite"),
        ([Channel("I", ROW[:0], "mV")], 500, "0 samples"),
        ([Channel("I", ROW, "mV")], 0, "0 Hz"),
        ([Channel("I", ROW, "mV")], float("nan"), "nan Hz"),
        ([Channel("I", ROW, "mV")], 1e9, "Hz"),
    ],
)
def test_what_makes_no_recording_is_refused_with_what_was_found(channels, rate, found):
    with pytest.raises(FormatError, match=found):
        build_record(PATH, channels, rate, About())


def test_signals_without_voltage_are_marked_so():
    assert build_record(PATH, [Channel("I", ROW, "NU")], 500, About()).unit == "NU"


@pytest.mark.parametrize("age", [-1.0, 131.0, float("nan"), float("inf")])
def test_an_age_no_one_has_is_unknown(age):
    assert build_record(PATH, [Channel("I", ROW, "mV")], 500, About(age=age)).age is None


@pytest.mark.parametrize(
    ("text", "age"),
    [("63", 63), ("063Y", 63), ("18 months", 1.5), ("63.5 years", 63.5), ("NaN", None), ("", None)],
)
def test_ages_in_the_usual_spellings(text, age):
    assert parse_age(text) == age


@pytest.mark.parametrize(
    ("text", "sex"), [("F", "female"), ("Male", "male"), (" m ", "male"), ("O", None), ("", None)]
)
def test_sexes_in_the_usual_spellings(text, sex):
    assert parse_sex(text) == sex


def test_a_bare_number_is_a_channel_and_no_lead():
    channels = [Channel("1", ROW, "mV"), Channel("2", ROW, "mV")]
    with pytest.raises(FormatError, match="no ECG lead in volts among 1, 2;"):
        build_record(PATH, channels, 500, About())


@pytest.mark.parametrize("text", ["", "X", "x x x", "0", "000", "Anonymous", "N/A", "trialSubject"])
def test_what_stands_for_no_patient_is_none(text):
    record = build_record(PATH, [Channel("I", ROW, "mV")], 500, About(patient_id=text))
    assert record.patient_id is None


@pytest.mark.parametrize("text", ["P-17", "100", "Xavier", "01"])
def test_what_may_be_a_patient_stays(text):
    record = build_record(PATH, [Channel("I", ROW, "mV")], 500, About(patient_id=text))
    assert record.patient_id == text
