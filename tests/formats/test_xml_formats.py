"""aECG, MUSE and Philips: what is peculiar to each."""

import base64
import re
import tracemalloc

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import hl7_aecg, muse_xml, philips_xml
from format_samples import SAMPLES, clinical
from format_samples.xli import lzw_encode


def edited(name, variant, tmp_path, *changes):
    path = SAMPLES[name][variant](tmp_path).path
    text = path.read_bytes()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(text)
    return path


def test_muse_computes_the_four_limb_leads_it_leaves_out(tmp_path):
    found = muse_xml.read(SAMPLES["muse_xml"]["with crc"](tmp_path).path)
    one, two, three, right, left, foot = found.signal[:6]
    np.testing.assert_allclose(three, two - one, atol=1e-6)
    np.testing.assert_allclose(right, -(one + two) / 2, atol=1e-6)
    np.testing.assert_allclose(left, one - two / 2, atol=1e-6)
    np.testing.assert_allclose(foot, two - one / 2, atol=1e-6)


def test_muse_refuses_samples_that_do_not_fit_their_checksum(tmp_path):
    sample = SAMPLES["muse_xml"]["with crc"](tmp_path)
    text = sample.path.read_text()
    start = text.rindex("<WaveFormData>") + 20
    other = "B" if text[start] != "B" else "C"
    sample.path.write_text(text[:start] + other + text[start + 1 :])
    with pytest.raises(FormatError, match="CRC32 mismatch"):
        muse_xml.read(sample.path)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"MICROVOLTS", b"FURLONGS", "no amplitude unit"),
        (b"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>", b"", "no amplitude unit"),
        (b"<SampleBase>250", b"<SampleBase>0", "SampleBase"),
        (b"<LeadSampleCountTotal>100", b"<LeadSampleCountTotal>999999999", "999999999"),
        (b"<WaveformType>Rhythm", b"<WaveformType>Other", "No rhythm waveform"),
    ],
)
def test_muse_without_unit_rate_or_samples_is_refused(old, new, found, tmp_path):
    with pytest.raises(FormatError, match=found):
        muse_xml.read(edited("muse_xml", "with crc", tmp_path, (old, new)))


def test_muse_takes_other_units(tmp_path):
    sample = SAMPLES["muse_xml"]["with crc"](tmp_path)
    path = edited("muse_xml", "with crc", tmp_path, (b"MICROVOLTS", b"MILLIVOLTS"))
    np.testing.assert_allclose(muse_xml.read(path).signal, 1000 * sample.signal, rtol=1e-4)


def test_aecg_keeps_a_rate_that_is_no_whole_number(tmp_path):
    path = edited("hl7_aecg", "aecg", tmp_path, (b'value="0.004"', b'value="0.0078"'))
    assert hl7_aecg.read(path).sample_rate == pytest.approx(1 / 0.0078, rel=1e-12)


def test_aecg_applies_origin_and_scale(tmp_path):
    sample = SAMPLES["hl7_aecg"]["aecg"](tmp_path)
    path = edited("hl7_aecg", "aecg", tmp_path, (b'<origin value="0"', b'<origin value="250"'))
    np.testing.assert_allclose(hl7_aecg.read(path).signal, sample.signal + 0.25, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b'unit="uV"', b"", "no amplitude unit"),
        (b'value="0.004" unit="s"', b'value="0.004"', "unit"),
        (b'value="0.004" unit="s"', b'value="0" unit="s"', "increment"),
        (b"MDC_ECG_LEAD_", b"MDC_PULS_LEAD_", "No ECG lead"),
    ],
)
def test_aecg_without_unit_rate_or_leads_is_refused(old, new, found, tmp_path):
    with pytest.raises(FormatError, match=found):
        hl7_aecg.read(edited("hl7_aecg", "aecg", tmp_path, (old, new)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_philips_in_utf_16_is_found_and_read(encoding, tmp_path):
    sample = SAMPLES["philips_xml"]["plain"](tmp_path)
    text = sample.path.read_text().replace('encoding="UTF-8"', f'encoding="{encoding}"')
    data = text.encode(encoding)
    sample.path.write_bytes(data)
    assert philips_xml.matches(data[:4096], sample.path)
    np.testing.assert_allclose(philips_xml.read(sample.path).signal, sample.signal, atol=1e-5)


def test_philips_refuses_waveforms_that_unpack_to_more_than_an_ecg(tmp_path, monkeypatch):
    sample = SAMPLES["philips_xml"]["xli"](tmp_path)
    monkeypatch.setattr(philips_xml, "MAX_UNPACKED_BYTES", 2**18)
    packed = lzw_encode(bytes(2**19))
    chunk = len(packed).to_bytes(4, "little") + bytes(4) + packed
    sample.path.write_bytes(sample.wrap(chunk))
    assert sample.path.stat().st_size < 2**16
    tracemalloc.start()
    with pytest.raises(FormatError, match="would unpack"):
        philips_xml.read(sample.path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"a", b"abababab" * 50, bytes(5000), bytes(range(256)) * 40])
def test_the_length_of_lzw_is_found_without_unpacking(data):
    assert philips_xml.lzw_length(lzw_encode(data)) == len(data)


def test_philips_payload_must_be_base64(tmp_path):
    sample = SAMPLES["philips_xml"]["plain"](tmp_path)
    text = sample.path.read_bytes()
    payload = base64.b64encode(b"\x01\x02")
    end = b"</parsedwaveforms>"
    sample.path.write_bytes(text.replace(end, b"*" + payload + end))
    with pytest.raises(FormatError, match="Base64"):
        philips_xml.read(sample.path)


@pytest.mark.parametrize("subject", [b"", b'<id extension="trialSubject"/>', b'<id extension=""/>'])
@pytest.mark.parametrize(
    "stated", [b"<PatientID>A-17</PatientID>", b'<PatientID extension="A-17"/>']
)
def test_aecg_finds_the_patient_below_the_person_where_the_subject_names_none(
    subject, stated, tmp_path
):
    path = edited(
        *("hl7_aecg", "aecg", tmp_path),
        (b'<id extension="P-17"/>', subject),
        (b"<subjectDemographicPerson>", b"<subjectDemographicPerson>" + stated),
    )
    assert hl7_aecg.read(path).patient_id == "A-17"


def test_aecg_of_no_one_has_no_patient(tmp_path):
    path = edited("hl7_aecg", "aecg", tmp_path, (b"P-17", b"trialSubject"))
    assert hl7_aecg.read(path).patient_id is None


def test_philips_pulse_behind_the_ecg_is_no_ecg(tmp_path):
    rows = np.random.default_rng(0).integers(-200, 200, (12, 2650))
    pulse = np.repeat([0, 200, 0], [25, 50, 25])  # 0.1, 0.2 and 0.1 s at 250 Hz, steps of 5 uV
    both = np.concatenate([rows, np.tile(pulse, (12, 1))], axis=1).astype("<i2")
    path = SAMPLES["philips_xml"]["plain"](tmp_path).path
    text = path.read_text()
    start, end = text.index(">", text.index("<parsedwaveforms")) + 1, text.index("</parsedw")
    text = text[:start] + base64.b64encode(both.tobytes()).decode() + text[end:]
    path.write_text(text.replace('durationperchannel="400"', 'durationperchannel="11000"'))
    record = philips_xml.read(path)
    np.testing.assert_allclose(record.signal, rows * 0.005, atol=1e-5)
    assert record.notes == ("calibration pulse: 0.40 s cut at the end",)


@pytest.mark.parametrize(
    ("write", "part", "told"),
    [
        (clinical.hl7_aecg, r"<component><series>.*</series></component>", "2 rhythm series"),
        (
            clinical.hl7_aecg,
            r"<component><sequenceSet>.*</sequenceSet></component>",
            "2 sequence sets",
        ),
        (
            clinical.muse_without_crc,
            r"<Waveform><WaveformType>Rhythm.*</Waveform>",
            "Additional rhythm waveform",
        ),
    ],
)
def test_an_ecg_that_is_not_read_is_told(write, part, told, tmp_path):
    path = write(tmp_path).path
    text = path.read_text(encoding="latin-1")
    found = re.search(part, text, re.DOTALL)[0]
    assert not formats.read(path).notes
    path.write_text(text.replace(found, found + found), encoding="latin-1")
    assert [told in note for note in formats.read(path).notes] == [True]
