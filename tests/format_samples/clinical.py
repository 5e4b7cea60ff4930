"""EDF, DICOM, aECG, MUSE and Philips files of the common recording."""

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from format_samples.binary import BINARY
from format_samples.recording import (
    ABOUT,
    EIGHT,
    LEADS,
    RATE,
    STEP_MV,
    STEP_UV,
    Sample,
    about,
    recording,
    steps,
)
from format_samples.xli import xli_encode

# EDF ---------------------------------------------------------------------------------------------


def edf_plus(folder: Path) -> Sample:
    """Written by edfio; 3 leads and a respiration signal that is no lead."""
    import datetime

    import edfio

    leads = ("I", "aVF", "V2")
    signals = [
        edfio.EdfSignal(
            row,
            RATE,
            label=f"ECG {lead}",
            physical_dimension="mV",
            physical_range=(-32768 * STEP_MV, 32767 * STEP_MV),
            digital_range=(-32768, 32767),
        )
        for lead, row in zip(leads, recording(leads, 250), strict=True)
    ]
    breath = np.sin(np.arange(25) / 4)
    signals.append(edfio.EdfSignal(breath, 25, label="Resp", physical_dimension="l"))
    path = folder / "plus.edf"
    edfio.Edf(
        signals,
        patient=edfio.Patient(code="P-17", sex="F", birthdate=datetime.date(1950, 1, 25)),
        recording=edfio.Recording(startdate=datetime.date(2013, 1, 25)),
        starttime=datetime.time(10, 59, 19),
        annotations=[edfio.EdfAnnotation(0.1, None, "beat")],
    ).write(path)
    facts = about("patient_id", "sex", "start_time")
    return Sample(path, leads, recording(leads, 250), 1e-5, facts)


def _edf_bytes(
    leads: tuple[str, ...], rows: np.ndarray, onsets: list[float] | None, bits: int
) -> bytes:
    """A file by hand: data records of 25 samples (0.1 s), discontinuous where onsets are given."""
    unit, limit = STEP_UV, 2 ** {16: 15, 24: 17}[bits]  # what eight characters can name
    labels = [*leads] + ([] if onsets is None else ["EDF Annotations"])
    count = len(labels)
    notes = count - len(leads)
    bdf = bits == 24
    head = [
        (b"\xffBIOSEMI" if bdf else b"0".ljust(8)),
        b"P-17".ljust(80) if onsets is None else b"P-17 F 25-JAN-1950 X".ljust(80),
        b"bedside".ljust(80) if onsets is None else b"Startdate 25-JAN-2013 X X X".ljust(80),
        b"25.01.13" + b"10.59.19",
        str(256 * (1 + count)).encode().ljust(8),
        (b"24BIT" if bdf else b"" if onsets is None else b"EDF+D").ljust(44),
        str(rows.shape[1] // 25).encode().ljust(8),
        b"0.1".ljust(8),
        str(count).encode().ljust(4),
    ]
    columns = [
        (labels, 16),
        ([""] * count, 80),
        (["uV"] * len(leads) + [""] * notes, 8),
        ([f"{-limit * unit:.0f}"] * len(leads) + ["-1"] * notes, 8),
        ([f"{(limit - 1) * unit:.0f}"] * len(leads) + ["1"] * notes, 8),
        ([str(-limit)] * count, 8),
        ([str(limit - 1)] * count, 8),
        ([""] * count, 80),
        (["25"] * len(leads) + ["8"] * notes, 8),
        ([""] * count, 32),
    ]
    head += [text.encode().ljust(width) for texts, width in columns for text in texts]
    body = []
    for i in range(rows.shape[1] // 25):
        for row in rows[:, 25 * i : 25 * i + 25]:
            words = [int(v).to_bytes(bits // 8, "little", signed=True) for v in row]
            body.append(b"".join(words))
        if onsets is not None:
            body.append(f"+{onsets[i]}\x14\x14".encode().ljust(16, b"\0"))
    return b"".join(head + body)


def edf_plain(folder: Path) -> Sample:
    leads = ("II", "V5")
    path = folder / "plain.edf"
    path.write_bytes(_edf_bytes(leads, steps()[[1, 10]], None, 16))
    return Sample(path, leads, recording(leads), facts=about("patient_id", "start_time"))


def edf_gap(folder: Path) -> Sample:
    """EDF+D: 0.1 s are missing between the second and the third data record."""
    leads = ("II", "V5")
    path = folder / "gap.edf"
    path.write_bytes(_edf_bytes(leads, steps()[[1, 10]], [0, 0.1, 0.3, 0.4], 16))
    signal = np.insert(recording(leads), [50] * 25, np.nan, axis=1)
    return Sample(
        path, leads, signal, facts={**about("patient_id", "sex", "start_time"), "age": 63}
    )


def bdf(folder: Path) -> Sample:
    leads = ("I", "V1")
    path = folder / "biosemi.bdf"
    path.write_bytes(_edf_bytes(leads, steps()[[0, 6]], None, 24))
    return Sample(path, leads, recording(leads), facts=about("patient_id", "start_time"))


# DICOM -------------------------------------------------------------------------------------------


DICOM_CODES = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
DICOM_CODES |= {f"V{n}": n + 2 for n in range(1, 7)}


def _code(value: str, scheme: str, meaning: str) -> Any:
    import pydicom

    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _dicom_group(leads: tuple[str, ...], rows: np.ndarray, originality: str) -> Any:
    import pydicom

    item = pydicom.Dataset()
    item.WaveformOriginality = originality
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = rows.shape
    item.SamplingFrequency = RATE
    item.ChannelDefinitionSequence = []
    for lead in leads:
        channel = pydicom.Dataset()
        channel.ChannelSourceSequence = [_code(f"2:{DICOM_CODES[lead]}", "MDC", f"Lead {lead}")]
        channel.ChannelSensitivity = STEP_UV / 2
        channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
        channel.ChannelSensitivityCorrectionFactor = 2
        channel.ChannelBaseline = 100
        item.ChannelDefinitionSequence.append(channel)
    item.WaveformBitsAllocated = 16
    item.WaveformSampleInterpretation = "SS"
    item.add_new("WaveformPaddingValue", "OW", b"\x00\x80")
    item.add_new("WaveformData", "OW", rows.T.astype("<i2").tobytes())
    return item


def dicom(folder: Path, leads: tuple[str, ...] = LEADS) -> Sample:
    """General ECG with MDC codes, a correction factor, a baseline, padding, and a median beat."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    rows = steps()[[LEADS.index(lead) for lead in leads]]
    raw = rows - 20  # the baseline adds 100 uV again
    raw[0, 5] = -32768
    signal = recording(leads)
    signal[0, 5] = np.nan
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.2"
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.Modality = "ECG"
    dataset.PatientID, dataset.PatientAge, dataset.PatientSex = "P-17", "063Y", "F"
    dataset.AcquisitionDateTime = "20130125105919"
    dataset.WaveformSequence = [
        _dicom_group(leads, np.tile(raw[:, :1], 3), "DERIVED"),
        _dicom_group(leads, raw, "ORIGINAL"),
    ]
    notes = []
    for text in ABOUT["diagnosis"].splitlines():
        note = Dataset()
        note.UnformattedTextValue = text
        notes.append(note)
    dataset.WaveformAnnotationSequence = notes
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    path = folder / f"ecg{len(leads)}.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return Sample(path, leads, signal, facts=ABOUT)


def dicom_small(folder: Path) -> Sample:
    return dicom(folder, ("II", "V5"))


# XML ---------------------------------------------------------------------------------------------


def hl7_aecg(folder: Path, leads: tuple[str, ...] = EIGHT) -> Sample:
    sequences = "".join(
        f"""<component><sequence><code code="MDC_ECG_LEAD_{lead}"/>
        <value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="{STEP_UV}" unit="uV"/>
        <digits>{" ".join(str(v) for v in row)}</digits></value></sequence></component>"""
        for lead, row in zip(leads, steps()[[LEADS.index(lead) for lead in leads]], strict=True)
    )
    notes = "".join(
        f"""<component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/>
        <value xsi:type="ST">{line}</value></annotation></component>"""
        for line in ABOUT["diagnosis"].splitlines()
    )
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="1.2.3"/><effectiveTime><low value="20130125105919"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id extension="P-17"/><subjectDemographicPerson><administrativeGenderCode code="F"/>
<birthTime value="19500101"/></subjectDemographicPerson></trialSubject></subject>
</subjectAssignment></componentOf></timepointEvent></componentOf>
<component><series><code code="RHYTHM"/><effectiveTime><low value="20130125105919"/></effectiveTime>
<component><sequenceSet>
<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">
<head value="20130125105919"/><increment value="{1 / RATE}" unit="s"/></value>
</sequence></component>
{sequences}</sequenceSet></component>
<subjectOf><annotationSet>{notes}</annotationSet></subjectOf>
</series></component></AnnotatedECG>"""
    path = folder / "aecg.xml"
    path.write_text(text, encoding="utf-8")
    return Sample(path, leads, recording(leads), facts=ABOUT)


def _muse(rows: np.ndarray, with_crc: bool) -> str:
    def lead_data(lead: str, row: np.ndarray) -> str:
        data = row.astype("<i2").tobytes()
        crc = f"<LeadDataCRC32>{zlib.crc32(data)}</LeadDataCRC32>" if with_crc else ""
        return f"""<LeadData><LeadByteCountTotal>{len(data)}</LeadByteCountTotal>
<LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>
<LeadAmplitudeUnitsPerBit>{STEP_UV}</LeadAmplitudeUnitsPerBit>
<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID>
<FirstSampleBaseline>0</FirstSampleBaseline><LeadSampleSize>2</LeadSampleSize>{crc}
<WaveFormData>{base64.b64encode(data).decode()}</WaveFormData></LeadData>"""

    def waveform(kind: str, rows: np.ndarray) -> str:
        leads = "".join(lead_data(lead, row) for lead, row in zip(EIGHT, rows, strict=True))
        return f"""<Waveform><WaveformType>{kind}</WaveformType><SampleBase>250</SampleBase>
<SampleExponent>0</SampleExponent>{leads}</Waveform>"""

    statements = "".join(
        f"<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>{line}</StmtText>"
        "</DiagnosisStatement>"
        for line in ABOUT["diagnosis"].splitlines()
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG><MuseInfo><MuseVersion>8</MuseVersion></MuseInfo>
<PatientDemographics><PatientID>P-17</PatientID><PatientAge>63</PatientAge>
<AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender></PatientDemographics>
<TestDemographics><AcquisitionTime>10:59:19</AcquisitionTime>
<AcquisitionDate>01-25-2013</AcquisitionDate></TestDemographics>
<Diagnosis><Modality>RESTING</Modality>{statements}</Diagnosis>
{waveform("Median", rows[:, :10])}{waveform("Rhythm", rows)}</RestingECG>"""


def muse_xml(folder: Path, with_crc: bool = True, repeats: int = 1) -> Sample:
    """Eight leads with checksums; the reader must find twelve."""
    rows = np.tile(steps()[[LEADS.index(lead) for lead in EIGHT]], repeats)
    path = folder / ("checked.xml" if with_crc else "muse.xml")
    path.write_text(_muse(rows, with_crc), encoding="latin-1")
    return Sample(path, LEADS, recording(), 1e-5, ABOUT)


def muse_without_crc(folder: Path) -> Sample:
    return muse_xml(folder, with_crc=False)


def _philips(leads: tuple[str, ...], payload: bytes, compression: str) -> bytes:
    lines = "".join(
        f"<statement><leftstatement>{line}</leftstatement></statement>"
        for line in ABOUT["diagnosis"].splitlines()
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>
<documenttype>SierraECG</documenttype><documentversion>1.03</documentversion></documentinfo>
<dataacquisition date="2013-01-25" time="10:59:19"><signalcharacteristics>
<samplingrate>{RATE:.0f}</samplingrate><resolution>{STEP_UV:g}</resolution>
<signalresolution>{STEP_UV:g}</signalresolution><signalsigned>True</signalsigned>
<numberchannelsvalid>{len(leads)}</numberchannelsvalid>
<numberchannelsallocated>{len(leads)}</numberchannelsallocated>
<acquisitiontype>STD-12</acquisitiontype><leadset>STD-12</leadset>
</signalcharacteristics></dataacquisition>
<patient><generalpatientdata><patientid>P-17</patientid><age><years>63</years></age>
<sex>Female</sex></generalpatientdata></patient>
<interpretations><interpretation>{lines}</interpretation></interpretations>
<waveforms><parsedwaveforms dataencoding="Base64" {compression} durationperchannel="400"
samplespersecond="{RATE:.0f}" resolution="{STEP_UV:g}" numberofleads="{len(leads)}"
leadlabels="{" ".join(leads)}">{base64.b64encode(payload).decode()}</parsedwaveforms></waveforms>
</restingecgdata>""".encode()


def philips_plain(folder: Path) -> Sample:
    path = folder / "plain.xml"
    path.write_bytes(_philips(LEADS, steps().astype("<i2").tobytes(), 'compressflag="False"'))
    return Sample(path, LEADS, recording(), facts=ABOUT)


def philips_xli(folder: Path) -> Sample:
    payload = xli_encode(steps())

    def wrap(inner: bytes) -> bytes:
        return _philips(LEADS, inner, 'compressflag="True" compressmethod="XLI"')

    path = folder / "packed.xml"
    path.write_bytes(wrap(payload))
    return Sample(path, LEADS, recording(), facts=ABOUT, inner=payload, wrap=wrap)


CLINICAL = {
    "edf": {"edf+": edf_plus, "edf": edf_plain, "edf+d": edf_gap, "bdf": bdf},
    "dicom": {"12 leads": dicom, "2 leads": dicom_small},
    "hl7_aecg": {"aecg": hl7_aecg},
    "muse_xml": {"with crc": muse_xml, "without crc": muse_without_crc},
    "philips_xml": {"plain": philips_plain, "xli": philips_xli},
    **BINARY,
}
