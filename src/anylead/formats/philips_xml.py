"""Philips (Sierra) ECG XML 1.03 to 1.04.02, plain and XLI compressed, through ecgdatakit."""

import base64
import xml.etree.ElementTree as ET
from pathlib import Path

from anylead.errors import FormatError
from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, read_xml, xml_head
from anylead.records import Record

CODE_BITS = 10  # of the LZW inside XLI
MAX_UNPACKED_BYTES = 4 * 2**20  # a resting ECG has 0.2 MB


def matches(head: bytes, path: Path) -> bool:
    """Whether the first 4096 bytes are those of a Philips export."""
    return "<restingecgdata" in xml_head(head)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The rhythm waveforms of a Philips XML file.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not such a file, of an unsupported version, or broken.
    """
    with guarded(path, "Philips XML"):
        check_unpacked(path, read_xml(path))
        found = clinical.parse(path, "sierra_xml", "SierraXMLParser")
        return clinical.to_record(path, found, rename=rename)


def check_unpacked(path: Path, data: bytes) -> None:
    """Refuse compressed waveforms that would unpack to more than a resting ECG can be.

    Raises:
        FormatError: they would.
    """
    for element in ET.fromstring(data).iter():
        if not str(element.tag).endswith(("parsedwaveforms", "repbeats")):
            continue
        methods = [value for name, value in element.attrib.items() if name.startswith("compress")]
        if not any(value.upper() == "XLI" for value in methods):
            continue
        packed = base64.b64decode("".join((element.text or "").split()))
        unpacked = sum(lzw_length(chunk) for chunk in _chunks(packed))
        if unpacked > MAX_UNPACKED_BYTES:
            raise FormatError(
                f"{path}: waveforms would unpack to more than {MAX_UNPACKED_BYTES} bytes; damaged"
            )


def _chunks(packed: bytes) -> list[bytes]:
    """The LZW streams of an XLI block: 4 bytes of size, 4 more of header, then that many bytes."""
    chunks, at = [], 0
    while at + 8 <= len(packed):
        size = int.from_bytes(packed[at : at + 4], "little")
        chunks.append(packed[at + 8 : at + 8 + size])
        at += 8 + size
    return chunks


def lzw_length(packed: bytes) -> int:
    """How many bytes an LZW stream unpacks to, found without unpacking it.

    Counting stops beyond `MAX_UNPACKED_BYTES`.
    """
    lengths = [1] * 256
    total = previous = 0
    largest = (1 << CODE_BITS) - 2
    num_codes = len(packed) * 8 // CODE_BITS
    for i in range(num_codes):
        first_bit = i * CODE_BITS
        pair = int.from_bytes(packed[first_bit // 8 : first_bit // 8 + 2], "big")
        code = pair >> (16 - CODE_BITS - first_bit % 8) & ((1 << CODE_BITS) - 1)
        if code > largest:
            break
        length = lengths[code] if code < len(lengths) else previous + 1
        if previous and len(lengths) <= largest:
            lengths.append(previous + 1)
        total += length
        previous = length
        if total > MAX_UNPACKED_BYTES:
            break
    return total
