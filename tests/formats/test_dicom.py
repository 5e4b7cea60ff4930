from pathlib import Path

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import dicom
from anylead.leads import LEADS
from format_samples import SAMPLES

pydicom = pytest.importorskip("pydicom")


@pytest.fixture(scope="module")
def real():
    """A real ECG that comes with pydicom."""
    return pydicom.data.get_testdata_file("waveform_ecg.dcm", download=False)


def test_a_real_ecg_obeys_einthoven_and_goldberger(real, tmp_path):
    path = tmp_path / "real.dcm"
    path.write_bytes(Path(real).read_bytes())
    record = dicom.read(path)
    assert record.leads == LEADS
    assert (record.sample_rate, record.signal.shape) == (1000.0, (12, 10000))
    assert (record.age, record.sex) == (42.0, "female")
    assert record.start_time == "2013-01-25T10:59:19"
    assert record.diagnosis == "RITMO SINUSALE\nECG NORMALE"
    one, two, three, right, left, foot = record.signal[:6].astype(np.float64)
    step = 1.25e-3 * 1.01  # mV; the device rounds each lead on its own
    np.testing.assert_allclose(three, two - one, atol=2 * step)
    np.testing.assert_allclose(right, -(one + two) / 2, atol=2 * step)
    np.testing.assert_allclose(left, one - two / 2, atol=2 * step)
    np.testing.assert_allclose(foot, two - one / 2, atol=2 * step)
    assert 0.5 < np.ptp(record.signal[1]) < 5  # millivolts, not micro and not volts


def edited(tmp_path, edit):
    path = SAMPLES["dicom"]["2 leads"](tmp_path).path
    dataset = pydicom.dcmread(path)
    edit(dataset, dataset.WaveformSequence[1])
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def units(text):
    def edit(_, group):
        for channel in group.ChannelDefinitionSequence:
            channel.ChannelSensitivityUnitsSequence[0].CodeValue = text

    return edit


def without(keyword):
    def edit(_, group):
        for channel in group.ChannelDefinitionSequence:
            delattr(channel, keyword)

    return edit


def test_units_other_than_microvolts_are_scaled(tmp_path):
    in_microvolts = dicom.read(SAMPLES["dicom"]["2 leads"](tmp_path).path).signal
    found = dicom.read(edited(tmp_path, units("mV"))).signal
    np.testing.assert_allclose(found, 1000 * in_microvolts, rtol=1e-5)


def waveform(**fields):
    def edit(_, group):
        for name, value in fields.items():
            setattr(group, name, value)

    return edit


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (units("mm[Hg]"), r"mm\[Hg\]"),
        (without("ChannelSensitivity"), "arbitrary"),
        (waveform(NumberOfWaveformSamples=2**31), "waveform declared"),
        (waveform(NumberOfWaveformChannels=3), "2 channel definitions for 3"),
        (waveform(WaveformBitsAllocated=24), "24 bits"),
        (waveform(SamplingFrequency=0), "0.0 Hz"),
        (waveform(WaveformOriginality="DERIVED"), "no ECG waveform"),
        (lambda dataset, _: delattr(dataset, "WaveformSequence"), "no ECG waveform in this ECG"),
    ],
)
def test_what_is_no_ecg_in_volts_is_refused(edit, found, tmp_path):
    with pytest.raises(FormatError, match=found):
        dicom.read(edited(tmp_path, edit))


def test_a_lead_is_found_by_its_meaning_where_its_code_is_unknown(tmp_path):
    def edit(_, group):
        source = group.ChannelDefinitionSequence[0].ChannelSourceSequence[0]
        source.CodingSchemeDesignator, source.CodeMeaning = "99LOCAL", "Lead aVL (augmented)"

    assert dicom.read(edited(tmp_path, edit)).leads == ("aVL", "V5")


def test_a_large_deflated_object_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "deflated.dcm"
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.3"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    path.write_bytes(path.read_bytes() + bytes(2**19))
    with pytest.raises(FormatError, match="deflated"):
        dicom.read(path)


def in_groups(tmp_path, parts, change=lambda groups: None):
    """The sample's original group, split into one for each of `parts` (places of leads)."""
    from copy import deepcopy

    path = SAMPLES["dicom"]["12 leads"](tmp_path).path
    dataset = pydicom.dcmread(path)
    median, whole = dataset.WaveformSequence
    rows = np.frombuffer(whole.WaveformData, "<i2").reshape(-1, 12)
    groups = []
    for part in parts:
        group = deepcopy(whole)
        group.NumberOfWaveformChannels = len(part)
        group.ChannelDefinitionSequence = [whole.ChannelDefinitionSequence[i] for i in part]
        group.WaveformData = rows[:, part].tobytes()
        groups.append(group)
    change(groups)
    dataset.WaveformSequence = [median, *groups]
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return dicom.read(path)


THIRDS = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_leads_in_several_groups_of_the_same_time_are_one_recording(tmp_path):
    whole = dicom.read(SAMPLES["dicom"]["12 leads"](tmp_path).path)
    record = in_groups(tmp_path, THIRDS)
    assert record.leads == LEADS
    np.testing.assert_array_equal(record.signal, whole.signal)
    assert record.notes == ()


def test_a_group_of_another_time_is_left_out_with_a_note(tmp_path):
    def later(groups):
        groups[3].MultiplexGroupTimeOffset = 2500.0

    record = in_groups(tmp_path, THIRDS, later)
    assert record.leads == LEADS[:9]
    assert record.notes == (
        "multiplex group 4 (V4, V5, V6): 0.4 s of another time, length or rate",
    )
    record = in_groups(tmp_path, [[0, 1], [1, 2]])
    assert record.leads == LEADS[:2]
    assert record.notes == ("multiplex group 2 (II, III): leads that another group holds",)


def labels(*texts):
    """Channels told by their labels alone."""

    def edit(_, group):
        for channel, text in zip(group.ChannelDefinitionSequence, texts, strict=True):
            del channel.ChannelSourceSequence
            channel.ChannelLabel = text

    return edit


def test_the_user_names_the_leads_behind_channels(tmp_path):
    path = edited(tmp_path, labels("CH1", "ECG 2"))
    named = {"ch1": "V1", "ECG 2": "II"}
    record = formats.read(path, named)
    assert record.leads == ("V1", "II") and record.patient_id == "P-17"
    (tmp_path / "anylead.json").write_text('{"rename": {"CH1": "V1"}}')
    assert formats.read(path).leads == ("V1",)


def test_channels_of_unknown_place_are_told_with_the_way_to_name_them(tmp_path):
    with pytest.raises(FormatError, match='--rename "ECG 1=I"'):
        dicom.read(edited(tmp_path, labels("ECG 1", "ECG 2")))


def test_a_unit_may_stand_in_words_alone(tmp_path):
    def edit(_, group):
        for channel in group.ChannelDefinitionSequence:
            unit = channel.ChannelSensitivityUnitsSequence[0]
            unit.CodeValue, unit.CodeMeaning = "", "millivolt"

    before = dicom.read(SAMPLES["dicom"]["2 leads"](tmp_path).path)
    np.testing.assert_allclose(
        dicom.read(edited(tmp_path, edit)).signal, 1000 * before.signal, rtol=1e-6
    )
