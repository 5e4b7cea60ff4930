"""DICOM 12-lead or general ECG waveform objects, written (PS3.3 sections A.34.3 and A.34.4)."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import date_and_time, known_step
from anylead.formats.dicom import LEAD_CODES
from anylead.formats.guard import optional
from anylead.leads import LEADS
from anylead.records import Record

TWELVE_LEAD_ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
GENERAL_ECG = "1.2.840.10008.5.1.4.1.1.9.1.2"
TWELVE_LEAD_SAMPLES = 16384  # at most, and 200 to 1000 Hz
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
PADDING = -32768
LARGEST = 32767
MICROVOLTS = 1000.0


def write(record: Record, path: Path) -> None:
    """Write `record` as a DICOM ECG with a sensitivity per lead; NaN becomes padding.

    Args:
        record: in mV.
        path: of the .dcm file.

    Raises:
        FormatError: no voltages, infinite samples, or a length beyond DICOM's.
        MissingPackageError: pydicom is not installed.
    """
    pydicom = optional("pydicom")
    if record.unit != "mV":
        raise FormatError(f"{path}: a DICOM ECG holds voltages, this recording none; write CSV")
    if np.isinf(record.signal).any():
        raise FormatError(f"{path}: infinite samples cannot be written; repair the recording")
    if record.signal.nbytes // 2 >= 2**32 - 2:
        raise FormatError(f"{path}: {record.seconds:.0f} s are too long for DICOM; write WFDB")
    num_samples = record.signal.shape[1]
    is_twelve_lead = (
        set(record.leads) <= set(LEADS)
        and num_samples <= TWELVE_LEAD_SAMPLES
        and 200 <= record.sample_rate <= 1000
    )
    sop_class = TWELVE_LEAD_ECG if is_twelve_lead else GENERAL_ECG
    dataset = _patient(pydicom, record)
    dataset.SOPClassUID = sop_class
    # The same recording gets the same identifiers each time it is written.
    content = hashlib.sha256(record.signal.tobytes()).hexdigest()
    seeds = [record.record_id, content, str(record.sample_rate), *record.leads]
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, name, pydicom.uid.generate_uid(entropy_srcs=[name, *seeds]))
    dataset.WaveformSequence = [_group(pydicom, record)]
    if record.diagnosis:
        note = pydicom.Dataset()
        note.UnformattedTextValue = record.diagnosis
        note.ReferencedWaveformChannels = [1, 0]
        note.AnnotationGroupNumber = 0
        dataset.WaveformAnnotationSequence = [note]
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = EXPLICIT_LITTLE_ENDIAN
    dataset.file_meta = meta
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def _patient(pydicom: Any, record: Record) -> Any:
    dataset = pydicom.Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Modality = "ECG"
    dataset.PatientName = ""
    dataset.PatientID = record.patient_id or ""
    dataset.PatientSex = {"female": "F", "male": "M", None: ""}[record.sex]
    dataset.PatientBirthDate = ""
    if record.age is not None:
        dataset.PatientAge = _age(record.age)
    dataset.StudyDate, dataset.StudyTime = _start(record.start_time)
    if dataset.StudyDate:
        dataset.AcquisitionDateTime = dataset.StudyDate + dataset.StudyTime
    dataset.InstanceNumber = "1"
    dataset.SeriesNumber = "1"
    return dataset


def _start(start_time: str | None) -> tuple[str, str]:
    """("20130125", "105919"), empty where the day or the time is not known."""
    try:
        day = datetime.fromisoformat(start_time or "")
    except ValueError:
        return "", ""
    clock = date_and_time(start_time)
    return f"{day.year:04d}{day:%m%d}", "" if clock is None else f"{clock:%H%M%S}"


def _age(years: float) -> str:
    """An age string: whole years; months below two years, days below two months."""
    if years >= 2:
        return f"{int(years):03d}Y"
    months = years * 12 + 1e-6
    return f"{int(months):03d}M" if months >= 2 else f"{round(years * 365.25):03d}D"


def _group(pydicom: Any, record: Record) -> Any:
    group = pydicom.Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = record.signal.shape
    group.SamplingFrequency = _decimal(record.sample_rate)
    group.MultiplexGroupLabel = "RHYTHM"
    known = [known_step(record, i, LARGEST) for i in range(len(record.leads))]
    steps = [
        _sensitivity(row) if step is None else _decimal(MICROVOLTS * step)
        for row, step in zip(record.signal, known, strict=True)
    ]
    scale = np.array([float(step) for step in steps])[:, None]
    with np.errstate(invalid="ignore"):
        digital = np.rint(record.signal.astype(np.float64) * MICROVOLTS / scale)
    digital = np.where(np.isnan(digital), PADDING, digital).astype("<i2")
    group.ChannelDefinitionSequence = [
        _channel(pydicom, lead, step) for lead, step in zip(record.leads, steps, strict=True)
    ]
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.add_new("WaveformPaddingValue", "OW", np.array([PADDING], "<i2").tobytes())
    group.add_new("WaveformData", "OW", np.ascontiguousarray(digital.T).tobytes())
    return group


def _channel(pydicom: Any, lead: str, step: str) -> Any:
    number = next(code for code, name in LEAD_CODES.items() if name == lead)
    channel = pydicom.Dataset()
    channel.ChannelSourceSequence = [_code(pydicom, f"2:{number}", "MDC", f"Lead {lead}")]
    channel.ChannelSensitivity = step
    channel.ChannelSensitivityUnitsSequence = [_code(pydicom, "uV", "UCUM", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    return channel


def _code(pydicom: Any, value: str, scheme: str, meaning: str) -> Any:
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _sensitivity(row: NDArray[np.float32]) -> str:
    """Microvolts per step at which a lead just fits 16 bits, as DICOM's decimal text."""
    present = row[~np.isnan(row)]
    largest = float(np.abs(present).max()) if present.size else 0.0
    # A thousandth more than the largest sample needs, so that rounding the text never overflows.
    return _decimal(1.001 * MICROVOLTS * largest / LARGEST if largest else 1.0)


def _decimal(value: float) -> str:
    """A DICOM decimal string: at most 16 characters."""
    text = f"{value:.10g}"
    return text if len(text) <= 16 else f"{value:.9e}"
