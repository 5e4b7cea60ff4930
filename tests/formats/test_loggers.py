"""BIOPAC, OpenSignals and Viatom: what their files leave to the user, and what is wrong in them."""

import json
import struct

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError, MissingPackageError
from anylead.formats import biopac, viatom
from format_samples.biopac import interleaved, packed
from format_samples.devices import apple_english, bitalino

HEAD = "# OpenSignals Text File Format\n# {}\n# EndOfHeader\n0\t512\t\n1\t513\t\n"
DEVICE = {
    "device": "bitalino", "sampling rate": 100, "resolution": [4, 10], "sensor": ["ECG"],
    "column": ["nSeq", "A1"],
}  # fmt: skip


def device(folder, **change):
    path = folder / "logger.txt"
    path.write_text(HEAD.format(json.dumps({"00:07": {**DEVICE, **change}})))
    return path


@pytest.mark.parametrize("write", [bitalino, interleaved, packed])
def test_the_user_names_the_lead_behind_a_channel(write, tmp_path):
    path = write(tmp_path).path
    name = "ECG A2" if write is bitalino else "ECG Lead II"
    record = formats.read(path, rename={name: "V3"})
    assert record.leads[0] == "V3"
    assert record.channels["V3"] == name
    (tmp_path / "anylead.json").write_text(json.dumps({"rename": {name: "aVF"}}))
    assert formats.read(path).leads[0] == "aVF"


def test_the_other_channels_of_a_logger_are_told(tmp_path):
    assert formats.read(interleaved(tmp_path).path).notes == (
        "Respiration: unit 'cmH2O' is no voltage",
    )
    assert formats.read(bitalino(tmp_path).path).notes == ("EDA A1: no ECG lead",)


def test_steps_of_a_converter_become_millivolts_by_the_maker_s_transfer_function(tmp_path):
    record = formats.read(device(tmp_path))
    np.testing.assert_allclose(record.signal[0], [0, 3.3 / 1.1 / 1024], atol=1e-7)
    assert record.resolution == pytest.approx((3.3 / 1.1 / 1024,))


def test_a_sensor_of_unknown_kind_has_no_voltage(tmp_path):
    path = device(tmp_path, sensor=["RAW"])
    with pytest.raises(FormatError, match=r'--rename "RAW A1=I"'):
        formats.read(path)
    record = formats.read(path, rename={"raw a1": "I"})
    assert (record.leads, record.unit) == (("I",), "NU")


def test_converted_values_want_a_stated_unit(tmp_path):
    path = device(tmp_path, convertedValues=1)
    with pytest.raises(FormatError, match=r"of a unit not stated; .* logger\.json"):
        formats.read(path)
    path.with_suffix(".json").write_text('{"unit": "uV"}')
    np.testing.assert_allclose(formats.read(path).signal[0], [0.512, 0.513], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"device": "toaster"}, "raw values of 'toaster'; known are bioplux"),
        ({"resolution": [4, 99]}, "99 bits"),
        ({"sensor": []}, "it is damaged"),
        ({"sampling rate": 0}, "sample rate 0"),
        ({"sampling rate": "fast"}, "fast"),
        ({"column": ["nSeq", "A1", "A2"]}, "invalid column index|usecols"),
    ],
)
def test_a_header_of_a_logger_that_makes_no_sense_is_refused(change, told, tmp_path):
    with pytest.raises(FormatError, match=told):
        formats.read(device(tmp_path, **change))


def test_two_devices_in_a_file_are_refused(tmp_path):
    path = device(tmp_path)
    path.write_text(HEAD.format(json.dumps({"a": DEVICE, "b": DEVICE})))
    with pytest.raises(FormatError, match="2 devices; want one"):
        formats.read(path)


def test_lost_samples_are_told(tmp_path):
    path = bitalino(tmp_path).path
    lines = path.read_text().splitlines()
    del lines[13]
    path.write_text("\n".join(lines))
    assert "1 gaps in the sequence numbers: samples were lost" in formats.read(path).notes


@pytest.mark.parametrize(
    ("text", "lead", "millivolts"),
    [
        ("F-0-01,125,II,405.35,32,45,54,57", "II", [32, 45, 54, 57]),
        ("125,II,405.35,32,-45,", "II", [32, -45]),
        ("F-0-01,250,I,405.35,1,\n2,\n3\n", "I", [1, 2, 3]),
        ("F-0-01,250,,405.35,1,2", "ECG", [1, 2]),
    ],
)
def test_viatom_states_rate_lead_and_steps_before_the_samples(text, lead, millivolts, tmp_path):
    path = tmp_path / "R20211119104124.txt"
    path.write_text(text)
    assert formats.find_format(path) == "viatom"
    record = formats.read(path)
    assert (record.leads, record.sample_rate) == ((lead,), float(text.removeprefix("F-0-01,")[:3]))
    np.testing.assert_allclose(record.signal[0], np.array(millivolts) / 405.35, rtol=1e-6)
    assert record.resolution == pytest.approx((1 / 405.35,))


@pytest.mark.parametrize(
    "text", ["125,II,405,1,x", "125,II,0,1,2", "125,II,405,1,2.5", "125,VX,4,1"]
)
def test_viatom_text_that_is_none_is_refused(text, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"a\.txt"):
        viatom.read(path)


def with_number(folder, at, code, number, write=interleaved):
    path = write(folder).path
    data = bytearray(path.read_bytes())
    struct.pack_into(code, data, at, number)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("at", "code", "number", "told"),
    [
        (10, "<h", 0, "0 channels"),
        (10, "<h", 30000, "30000 channels"),
        (1894 + 88, "<i", 10**9, "cut off|would unpack"),
        (1894 + 250, "<h", -1, "rates divided by"),
        (1894 + 252 + 250, "<h", 401, "rates divided by"),
        (1894 + 504 + 250, "<h", 4, "ECG channels of"),
        (16, "<d", 0.0, "sample rate|ZeroDivision|make no sense"),
    ],
)
def test_absurd_numbers_of_acqknowledge_are_refused_unread(
    at, code, number, told, tmp_path, monkeypatch
):
    monkeypatch.setattr(biopac, "MAX_PATTERN", 1000)
    with pytest.raises(FormatError, match=told):
        biopac.read_here(with_number(tmp_path, at, code, number))


def test_a_packed_channel_of_another_length_is_refused(tmp_path):
    path = with_number(tmp_path, 2398 + 88, ">i", 99, packed)
    with pytest.raises(FormatError, match="100 samples of 'ECG Lead II', want 99"):
        biopac.read_here(path)


def test_without_bioread_the_remedy_is_told(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "bioread.reader", None)
    with pytest.raises(MissingPackageError, match=r"bioread is not installed.*\[biopac\]"):
        biopac.read_here(interleaved(tmp_path).path)


@pytest.mark.parametrize("name", ["Henry Smith III", "King I", '"Smith, Henry V5"'])
def test_a_person_whose_name_ends_like_a_lead_is_no_lead(name, tmp_path):
    path = apple_english(tmp_path).path
    path.write_text(
        path.read_text().replace("Name,P-17", f"Name,{name}").replace("Lead I", "Lead II")
    )
    record = formats.read(path)
    assert record.leads == ("II",) and record.patient_id == name.strip('"')


def test_a_name_in_any_language_stands_before_the_lead(tmp_path):
    path = apple_english(tmp_path).path
    path.write_text(path.read_text().replace("Name,P-17", "Ainm,Henry Smith III"))
    assert formats.read(path).leads == ("I",)
