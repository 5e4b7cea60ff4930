"""Who was recorded: ages of infants, births without an age, sexes in words, in every format."""

import struct
from pathlib import Path

import pydicom
import pytest

from anylead import formats
from anylead.formats.assemble import parse_age
from format_samples import binary, clinical, devices


def changed(sample, *pairs, encoding="utf-8"):
    """The sample's text with parts replaced, read anew."""
    text = sample.path.read_text(encoding=encoding)
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    sample.path.write_text(text, encoding=encoding)
    return formats.read(sample.path)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("6 mo", 0.5),
        ("6 mos", 0.5),
        ("6 mon", 0.5),
        ("6 Monate", 0.5),
        ("6m", 0.5),
        ("21 days", 21 / 365.25),
        ("3 wks", 21 / 365.25),
        ("36 hrs", 1.5 / 365.25),
        ("40 more", 40),
        ("63 years", 63),
    ],
)
def test_short_words_for_months_weeks_and_hours_are_no_years(text, age):
    assert parse_age(text) == pytest.approx(age)


MONTHS = {
    "muse": (clinical.muse_without_crc, [(">63<", ">6<"), ("YEARS", "MONTHS")], "latin-1"),
    "cardiosoft": (devices.cardiosoft, [('"years">63', '"months">6')], "latin-1"),
    "mortara": (
        devices.mortara, [('="63" AGE_UNITS="YEARS"', '="6" AGE_UNITS="MONTHS"')], "utf-8",
    ),
    "aecg": (clinical.hl7_aecg, [("19500101", "20120726")], "utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", MONTHS)
def test_an_infant_of_six_months_is_half_a_year_old(name, tmp_path):
    write, pairs, encoding = MONTHS[name]
    record = changed(write(tmp_path), *pairs, encoding=encoding)
    assert record.age == pytest.approx(0.5, abs=0.01) and record.sex == "female"


@pytest.mark.parametrize(("number", "unit", "age"), [(6, 2, 0.5), (3, 3, 21 / 365.25), (63, 1, 63)])
def test_scp_states_ages_in_units_of_its_own(number, unit, age, tmp_path):
    sections = binary.scp_sections("plain", 0)
    tags = [(2, b"P-17\0"), (4, struct.pack("<HB", number, unit)), (8, b"\1"), (255, b"")]
    sections[1] = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags)
    path = tmp_path / "child.scp"
    path.write_bytes(binary.scp_bytes(sections))
    record = formats.read(path)
    assert record.age == pytest.approx(age) and record.sex == "male"


BORN = "<BirthDateTime><Day>25</Day><Month>1</Month><Year>1950</Year></BirthDateTime>"


def test_a_birth_without_an_age_tells_the_age_in_cardiosoft(tmp_path):
    pairs = [('<Age units="years">63</Age>', BORN)]
    assert changed(devices.cardiosoft(tmp_path), *pairs, encoding="latin-1").age == pytest.approx(
        63, abs=0.01
    )


@pytest.mark.parametrize(("day", "age"), [("20130125", 63), ("", None), ("19400101", None)])
def test_a_birth_without_an_age_tells_the_age_in_dicom(day, age, tmp_path):
    path = clinical.dicom_small(tmp_path).path
    dataset = pydicom.dcmread(path)
    del dataset.PatientAge, dataset.AcquisitionDateTime
    dataset.PatientBirthDate, dataset.PatientSex = "19500125", "F"
    dataset.StudyDate, dataset.StudyTime = day, "105919"
    dataset.save_as(path)
    record = formats.read(path)
    expected = None if age is None else pytest.approx(age, abs=0.01)
    assert record.age == expected and record.sex == "female"


@pytest.mark.parametrize(
    "words", ['code="Female"', 'code="FEMALE"', 'code="X" displayName="Woman"']
)
def test_aecg_may_state_the_gender_as_a_word(words, tmp_path):
    pairs = [('administrativeGenderCode code="F"', f"administrativeGenderCode {words}")]
    assert changed(clinical.hl7_aecg(tmp_path), *pairs).sex == "female"


@pytest.mark.parametrize(("word", "sex"), [("f", "female"), ("Male", "male"), ("X", None)])
def test_edf_may_state_the_sex_in_small_letters_or_as_a_word(word, sex, tmp_path: Path):
    path = clinical.edf_gap(tmp_path).path
    data = path.read_bytes()
    field = f"P-17 {word} 25-JAN-1950 X".encode().ljust(80)
    path.write_bytes(data[:8] + field + data[88:])
    record = formats.read(path)
    assert record.sex == sex and record.age == pytest.approx(63, abs=0.01)
    assert record.patient_id == "P-17"
