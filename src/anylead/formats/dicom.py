"""DICOM waveforms: 12-lead ECG, general ECG and ambulatory ECG (PS3.3 section A.34)."""

import io
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats.assemble import (
    About,
    Channel,
    Sex,
    age_between,
    build_record,
    parse_age,
)
from anylead.formats.beside import side_car
from anylead.formats.channels import Rename, is_ecg_name
from anylead.formats.guard import check_expansion, check_samples, check_size, guarded, optional
from anylead.leads import UNKNOWN_PLACE, find_lead
from anylead.records import Record

DEFLATED = b"1.2.840.10008.1.2.1.99"
META_BYTES = 4096  # the transfer syntax stands in the first group, which is never packed
STEP = 2**20
WIDENING = 4  # samples of 16 bits become floats of 64

# Lead codes of SCP-ECG, used by DICOM as "5.6.3-9-<n>" (SCPECG) and "2:<n>" (MDC).
LEAD_CODES = {
    0: UNKNOWN_PLACE,
    **dict(enumerate(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7"), start=1)),
    **dict(enumerate(("V3R", "V4R", "V5R", "V6R"), start=11)),
    **dict(enumerate(("X", "Y", "Z"), start=16)),
    **dict(enumerate(("III", "aVR", "aVL", "aVF"), start=61)),
    **dict(enumerate(("V8", "V9"), start=66)),
}
# (allocated bits, interpretation) -> samples in memory.
SAMPLE_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
}


def matches(head: bytes, path: Path) -> bool:
    """Whether the file has the DICOM preamble."""
    return head[128:132] == b"DICM"


def read(path: Path, rename: Rename | None = None) -> Record:
    """The longest ECG of original samples in a DICOM waveform object (no median beats).

    Leads of the same seconds may stand in several multiplex groups; they are joined.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not DICOM, no ECG in it, or broken.
        MissingPackageError: pydicom is not installed.
    """
    pydicom = optional("pydicom")
    with guarded(path, "DICOM"):
        # From memory: reading a file, pydicom makes room for whatever length an element declares.
        data = path.read_bytes()
        if DEFLATED in data[:META_BYTES]:
            check_deflated(path, data)
        dataset = pydicom.dcmread(io.BytesIO(data))
        named = {str(name).strip().lower() for name in {**_beside(path), **(rename or {})}}
        groups = [
            group
            for group in dataset.get("WaveformSequence") or []
            if group.get("WaveformOriginality", "ORIGINAL") == "ORIGINAL"
            and _lead_names(group, named)
        ]
        if not groups:
            raise FormatError(
                f"{path}: no ECG waveform in this {dataset.get('Modality', 'DICOM')} object; want"
                " one with a Waveform Sequence of ECG leads"
            )
        joined, notes = _of_one_recording(groups, named)
        little = dataset.original_encoding[1] is not False
        channels = [channel for group in joined for channel in _channels(path, group, little)]
        rate = float(joined[0].SamplingFrequency)
        record = build_record(path, channels, rate, _about(dataset), rename)
        return replace(record, notes=(*record.notes, *notes))


def _of_one_recording(groups: list[Any], named: set[str]) -> tuple[list[Any], list[str]]:
    """The largest group with those that hold other leads of the same time, and what is left."""
    first = max(groups, key=lambda g: int(g.NumberOfWaveformSamples) * len(_lead_names(g, named)))
    joined, notes = [first], []
    names = set(_lead_names(first, named))
    for number, group in enumerate(groups, start=1):
        if group is first:
            continue
        others = _lead_names(group, named)
        what = f"multiplex group {number} ({', '.join(others)})"
        if _time(group) != _time(first):
            seconds = int(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)
            notes.append(f"{what}: {seconds:g} s of another time, length or rate")
        elif names & set(others):
            notes.append(f"{what}: leads that another group holds")
        else:
            joined.append(group)
            names |= set(others)
    return joined, notes


def _time(group: Any) -> tuple[float, int, float]:
    """Rate, length and, in ms, the start of a group."""
    offset = float(group.get("MultiplexGroupTimeOffset") or 0.0)
    return float(group.SamplingFrequency), int(group.NumberOfWaveformSamples), round(offset, 3)


def check_deflated(path: Path, data: bytes) -> None:
    """Refuse a deflated object that would fill the memory, before pydicom unpacks it.

    Raises:
        FormatError: it would, or its first group tells no length.
    """
    # Behind the preamble: the tag, its type and the length of the first group, which is not packed.
    if data[132:138] != b"\x02\x00\x00\x00UL":
        raise FormatError(
            f"{path}: deflated DICOM whose first group tells no length; store it anew"
        )
    packed = data[144 + int.from_bytes(data[140:144], "little") :]
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = 0
    while packed and not unpacker.eof:
        unpacked += len(unpacker.decompress(packed, STEP))
        check_expansion(path, WIDENING * unpacked, "the deflated data set")
        packed = unpacker.unconsumed_tail


def _beside(path: Path) -> Mapping[str, Any]:
    """What a JSON beside the file renames; `choose` tells of one that is broken."""
    stated = side_car(path).get("rename")
    return stated if isinstance(stated, dict) else {}


def _lead_names(group: Any, named: set[str]) -> list[str]:
    """Channels that may be an ECG by their names, or because the user names them."""
    names = [_lead_name(channel) for channel in group.get("ChannelDefinitionSequence") or []]
    return [
        name
        for name in names
        if find_lead(name) or is_ecg_name(name) or name.strip().lower() in named
    ]


def _lead_name(channel: Any) -> str:
    """By code where there is one, else by its meaning, else by the channel's label."""
    source = (channel.get("ChannelSourceSequence") or [{}])[0]
    scheme, code = str(source.get("CodingSchemeDesignator", "")), str(source.get("CodeValue", ""))
    prefix = {"SCPECG": "5.6.3-9-", "MDC": "2:"}.get(scheme)
    number = code.removeprefix(prefix) if prefix and code.startswith(prefix) else ""
    if number.isdecimal() and int(number) in LEAD_CODES:
        return LEAD_CODES[int(number)]
    meaning, label = str(source.get("CodeMeaning", "")), str(channel.get("ChannelLabel", ""))
    for text in (meaning, meaning.partition("(")[0], label):
        found = find_lead(text)
        if found is not None:
            return found
    return meaning or label or code


def _channels(path: Path, group: Any, little: bool) -> list[Channel]:
    num_channels, num_samples = int(group.NumberOfWaveformChannels), group.NumberOfWaveformSamples
    kind = (int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation))
    if kind not in SAMPLE_TYPES:
        raise FormatError(f"{path}: samples of {kind[0]} bits, {kind[1]}; want 8, 16 or 32 bits")
    definitions = group.ChannelDefinitionSequence
    if len(definitions) != num_channels:
        raise FormatError(f"{path}: {len(definitions)} channel definitions for {num_channels}")
    dtype = np.dtype(SAMPLE_TYPES[kind]).newbyteorder("<" if little else ">")
    data = bytes(group.WaveformData)
    count = num_channels * int(num_samples)
    check_size(path, count * dtype.itemsize, len(data), "waveform")
    check_samples(path, count, "the waveform")
    rows = np.frombuffer(data, dtype, count).reshape(-1, num_channels).T
    padding = group.get("WaveformPaddingValue")
    missing = None if padding is None else _number(padding, dtype)
    return [
        _channel(definition, row, missing)
        for definition, row in zip(definitions, rows, strict=True)
    ]


def _channel(definition: Any, row: Any, missing: float | None) -> Channel:
    units = definition.get("ChannelSensitivityUnitsSequence")
    sensitivity = definition.get("ChannelSensitivity")
    if not units or sensitivity is None:
        # No sensitivity: the samples are "arbitrary units" by the standard, so not an ECG lead.
        return Channel(_lead_name(definition), row, "arbitrary")
    correction = definition.get("ChannelSensitivityCorrectionFactor")
    return Channel(
        name=_lead_name(definition),
        values=row,
        # Some write the word and leave the code empty.
        unit=str(units[0].get("CodeValue") or units[0].get("CodeMeaning") or ""),
        scale=float(sensitivity) * float(1 if correction is None else correction),
        offset=float(definition.get("ChannelBaseline") or 0.0),
        missing=missing,
    )


def _number(padding: Any, dtype: np.dtype[Any]) -> float | None:
    """The padding value, which arrives as a number or as the bytes of one."""
    if isinstance(padding, bytes):
        if len(padding) < dtype.itemsize:
            return None
        return float(np.frombuffer(padding, dtype, 1)[0])
    return float(padding)


def _about(dataset: Any) -> About:
    sexes: dict[str, Sex] = {"F": "female", "M": "male"}
    texts = [
        str(note.UnformattedTextValue)
        for note in dataset.get("WaveformAnnotationSequence") or []
        if note.get("UnformattedTextValue")
    ]
    start = _start(dataset)
    age = parse_age(str(dataset.get("PatientAge") or ""))
    if age is None:  # many carts send the birth date only
        age = age_between(_day(dataset.get("PatientBirthDate")), _day(start))
    return About(
        patient_id=str(dataset.get("PatientID") or "") or None,
        age=age,
        sex=sexes.get(str(dataset.get("PatientSex") or "").strip().upper()),
        start_time=start,
        diagnosis="\n".join(texts) or None,
    )


def _day(text: Any) -> date | None:
    """Out of "19500125" or "1950-01-25T10:59:19"; None for anything else."""
    try:
        return datetime.strptime(str(text or "").replace("-", "")[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _start(dataset: Any) -> str | None:
    """ISO 8601 out of "20130125105919.25+0100", or out of a separate date and time."""
    text = str(dataset.get("AcquisitionDateTime") or "")
    if not text:
        text = f"{dataset.get('StudyDate') or ''}{dataset.get('StudyTime') or ''}"
    digits = text[:14]
    if not digits.isdecimal() or len(digits) < 8:
        return None
    day = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return f"{day}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}" if len(digits) == 14 else day
