"""SCP-ECG (EN 1064, ISO 11073-91064), plain and Huffman coded, through ecgdatakit."""

import struct
from pathlib import Path

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
        check_counts(path, path.read_bytes())
        found = clinical.parse(path, "scp_ecg", "SCPECGParser")
        return clinical.to_record(path, found, rename=rename)


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
    (length,) = struct.unpack_from("<I", data, 10)
    found = {}
    for at in range(6 + SECTION_HEADER, min(6 + length, len(data)) - 9, 10):
        section, section_bytes, index = struct.unpack_from("<HII", data, at)
        if section and index:
            found[section] = data[index - 1 + SECTION_HEADER : index - 1 + section_bytes]
    return found
