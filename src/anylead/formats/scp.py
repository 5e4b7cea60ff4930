"""SCP-ECG (EN 1064, ISO 11073-91064), plain and Huffman coded, through ecgdatakit."""

import binascii
import struct
import tempfile
from pathlib import Path
from typing import Any

from anylead.errors import FormatError
from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded
from anylead.records import Record

# Lengths per lead are 16-bit numbers, so a whole record of version 2 stays below this.
MAX_BYTES = 2**20
MAX_LEAD_SAMPLES = 8 * 0xFFFF  # one bit per sample at least
MAX_SUBTRACTIONS = 200_000
SECTION_HEADER = 16
ROUND = 10  # samples
SUBTRACTED = 0x01  # flag of section 3: a reference beat was taken out of the rhythm
AGE, LAST_TAG = 4, 255  # tags of section 1
AGE_UNITS = {1: "years", 2: "months", 3: "weeks", 4: "days", 5: "hours"}


def matches(head: bytes, path: Path) -> bool:
    """Whether section 0 stands where it must and points at itself."""
    if len(head) < 32:
        return False
    section, length = struct.unpack_from("<HI", head, 8)
    own_id, own_index = struct.unpack_from("<H4xI", head, 22)
    return bool(section == own_id == 0 and own_index == 7 and length >= 26)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The rhythm data of an SCP-ECG record.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not SCP-ECG, a checksum that does not fit, or an unsupported compression.
    """
    with guarded(path, "SCP-ECG"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path}: {size} bytes; an SCP-ECG record has at most {MAX_BYTES}")
        data = path.read_bytes()
        check_counts(path, data)
        found = _parse(path, data)
        if not found.patient.age:
            found.raw_metadata["age"] = _stated_age(_sections(data).get(1, b""))
        return clinical.with_all_limb_leads(clinical.to_record(path, found, rename=rename))


def _parse(path: Path, data: bytes) -> Any:
    """What ecgdatakit finds; lead definitions that count from 0 are made to count from 1."""
    counted_from_one = _from_one(path, data)
    if counted_from_one is None:
        return clinical.parse(path, "scp_ecg", "SCPECGParser")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(counted_from_one)
        return clinical.parse(copy, "scp_ecg", "SCPECGParser")


def _from_one(path: Path, data: bytes) -> bytes | None:
    """The record with samples counted from 1 as the standard wants it, or None if it does so.

    Raises:
        FormatError: a checksum does not fit, or beats to add stand in the old count.
    """
    at = _places(data).get(3)
    if at is None:
        return None
    start, length = at
    body = start + SECTION_HEADER
    places = [body + 2 + 9 * i for i in range(data[body])]
    bounds = [struct.unpack_from("<II", data, place) for place in places]
    if not bounds or any(first != 0 for first, _ in bounds):
        return None
    sections = ((2, len(data[: struct.unpack_from("<I", data, 2)[0]])), (start + 2, start + length))
    for begin, end in sections:
        (stored,) = struct.unpack_from("<H", data, begin - 2)
        if binascii.crc_hqx(data[begin:end], 0xFFFF) != stored:
            raise FormatError(f"{path}: a checksum does not fit; it is damaged, copy it again")
    if data[body + 1] & SUBTRACTED:
        raise FormatError(f"{path}: beats to add in samples counted from 0; export it unpacked")
    changed = bytearray(data)
    for place, (_, last), count in zip(places, bounds, _counts(data, bounds), strict=True):
        # From 0 to N - 1, or from 0 to N; of packed samples only a round number tells.
        count = count or (last if last % ROUND == 0 else last + 1)
        struct.pack_into("<II", changed, place, 1, count)
    for begin, end in reversed(sections):
        crc = binascii.crc_hqx(bytes(changed[begin:end]), 0xFFFF)
        struct.pack_into("<H", changed, begin - 2, crc)
    return bytes(changed)


def _stated_age(patient: bytes) -> dict[str, str]:
    """An infant's age as section 1 has it: of months, ecgdatakit keeps the whole years."""
    at = 0
    while at + 3 <= len(patient) and patient[at] != LAST_TAG:
        tag, length = struct.unpack_from("<BH", patient, at)
        value = patient[at + 3 : at + 3 + length]
        if tag == AGE and len(value) >= 3 and any(value[:2]):
            number = int.from_bytes(value[:2], "little")
            return {"value": str(number), "units": AGE_UNITS.get(value[2], "")}
        at += 3 + length
    return {}


def _counts(data: bytes, bounds: list[tuple[int, int]]) -> list[int | None]:
    """Samples per lead, where plain 16-bit samples tell them; else None."""
    sections = _sections(data)
    rhythm = sections.get(6, b"")
    if 2 in sections or len(rhythm) < 6 + 2 * len(bounds):
        return [None] * len(bounds)
    return [n // 2 or None for n in struct.unpack_from(f"<{len(bounds)}H", rhythm, 6)]


def check_counts(path: Path, data: bytes) -> None:
    """Refuse numbers of samples and beats that the decoder would make room for in vain.

    Raises:
        FormatError: more samples per lead than its bits could code, or too many beats.
    """
    sections = _sections(data)
    leads = sections.get(3, b"\0")
    num_leads = leads[0]
    for i in range(num_leads):
        first, last = struct.unpack_from("<II", leads, 2 + 9 * i)
        if last - first >= MAX_LEAD_SAMPLES:
            raise FormatError(f"{path}: lead {i + 1} declares samples {first} to {last}; damaged")
    beats = sections.get(4, b"\0" * 6)
    milliseconds, _, num_beats = struct.unpack_from("<HHH", beats)
    if num_beats * num_leads > MAX_SUBTRACTIONS:
        raise FormatError(f"{path}: {num_beats} beats declared for {num_leads} leads; damaged")
    if 5 in sections:
        (interval,) = struct.unpack_from("<2xH", sections[5])
        if interval and milliseconds * 1000 // interval >= MAX_LEAD_SAMPLES:
            raise FormatError(
                f"{path}: reference beat of {milliseconds} ms in steps of {interval} us; damaged"
            )


def _sections(data: bytes) -> dict[int, bytes]:
    """Section number -> its data, by the pointers in section 0."""
    return {
        section: data[start + SECTION_HEADER : start + length]
        for section, (start, length) in _places(data).items()
    }


def _places(data: bytes) -> dict[int, tuple[int, int]]:
    """Section number -> where it starts and its length with its header."""
    (length,) = struct.unpack_from("<I", data, 10)
    found = {}
    for at in range(6 + SECTION_HEADER, min(6 + length, len(data)) - 9, 10):
        section, section_bytes, index = struct.unpack_from("<HII", data, at)
        if section and index:
            found[section] = (index - 1, section_bytes)
    return found
