"""SCP-ECG and ISHNE files of the common recording."""

import binascii
import struct
from pathlib import Path

import numpy as np

from format_samples.recording import (
    ABOUT,
    EIGHT,
    LEADS,
    RATE,
    STEP_UV,
    Sample,
    about,
    recording,
    steps,
)

# SCP-ECG -----------------------------------------------------------------------------------------

SCP_CODES = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}


def _default_huffman(values: list[int]) -> bytes:
    """Table 19999 of the standard: 0; signed 1 to 8; 8 and 16 bits after an escape."""
    bits = []
    for value in values:
        if value == 0:
            bits.append("0")
        elif abs(value) <= 8:
            bits.append("1" * abs(value) + "0" + ("0" if value > 0 else "1"))
        elif -128 <= value <= 127:
            bits.append("1111111110" + format(value & 0xFF, "08b"))
        else:
            bits.append("1111111111" + format(value & 0xFFFF, "016b"))
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def scp_sections(coding: str, order: int, first: int = 1, last: int = 0) -> dict[int, bytes]:
    leads = EIGHT
    rows = steps()[[LEADS.index(lead) for lead in leads]]
    tags = [
        (2, b"P-17\0"),
        (4, struct.pack("<HB", 63, 1)),
        (8, b"\x02"),
        (25, struct.pack("<HBB", 2013, 1, 25)),
        (26, bytes([10, 59, 19])),
    ]
    patient = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags)
    patient += struct.pack("<BH", 255, 0)
    definition = struct.pack("<BB", len(leads), 0x04 | len(leads) << 3)
    for lead in leads:
        definition += struct.pack("<IIB", first, last or rows.shape[1], SCP_CODES[lead])
    coded = []
    for row in rows:
        values = [int(v) for v in row]
        if order == 1:
            values = [values[0], *np.diff(row).tolist()]
        elif order == 2:
            values = [values[0], values[1], *np.diff(row, 2).tolist()]
        plain = np.array(values).astype("<i2").tobytes()
        coded.append(_default_huffman(values) if coding == "huffman" else plain)
    coded = [data + b"\0" * (len(data) % 2) for data in coded]
    rhythm = struct.pack("<HHBB", int(1000 * STEP_UV), int(1e6 / RATE), order, 0)
    rhythm += b"".join(struct.pack("<H", len(data)) for data in coded) + b"".join(coded)
    report = struct.pack("<BHBB3BB", 0, 2013, 1, 25, 10, 59, 19, 2)
    for number, line in enumerate(ABOUT["diagnosis"].splitlines(), start=1):
        text = line.encode() + b"\0"
        report += struct.pack("<BH", number, len(text)) + text
    sections = {1: patient, 3: definition, 6: rhythm, 8: report}
    if coding == "huffman":
        sections[2] = struct.pack("<H", 19999)
    return dict(sorted(sections.items()))


def _crc(data: bytes) -> bytes:
    return struct.pack("<H", binascii.crc_hqx(data, 0xFFFF))


def scp_bytes(sections: dict[int, bytes]) -> bytes:
    """Put sections behind a section 0 of 12 pointers, with all checksums."""

    def section(number: int, body: bytes) -> bytes:
        body += b"\0" * (len(body) % 2)
        head = struct.pack("<HIBB6x", number, 16 + len(body), 20, 20)
        return _crc(head + body) + head + body

    packed = {number: section(number, body) for number, body in sorted(sections.items())}
    at = 7 + 16 + 120
    pointers = struct.pack("<HII", 0, 136, 7)
    for number in range(1, 12):
        length = len(packed.get(number, b""))
        pointers += struct.pack("<HII", number, length, at if length else 0)
        at += length
    body = section(0, pointers) + b"".join(packed.values())
    rest = struct.pack("<I", 6 + len(body)) + body
    return _crc(rest) + rest


def with_checksums(data: bytes) -> bytes:
    """Repair every checksum of a damaged SCP-ECG record, so that the damage is read."""
    damaged = bytearray(data)
    for at in range(22, 142, 10):
        if at + 10 > len(damaged):
            break
        _, length, index = struct.unpack_from("<HII", damaged, at)
        start = index - 1
        if start > 0 and length > 2 and start + length <= len(damaged):
            damaged[start : start + 2] = _crc(bytes(damaged[start + 2 : start + length]))
    if len(damaged) > 6:
        damaged[2:6] = struct.pack("<I", len(damaged))
        damaged[:2] = _crc(bytes(damaged[2:]))
    return bytes(damaged)


def _scp(folder: Path, coding: str, order: int) -> Sample:
    data = scp_bytes(scp_sections(coding, order))
    path = folder / f"{coding}{order}.scp"
    path.write_bytes(data)
    # Eight leads are stored; the reader must find twelve.
    return Sample(path, LEADS, recording(), 1e-5, facts=ABOUT, inner=data, wrap=with_checksums)


def scp_plain(folder: Path) -> Sample:
    return _scp(folder, "plain", 0)


def scp_first(folder: Path) -> Sample:
    return _scp(folder, "huffman", 1)


def scp_second(folder: Path) -> Sample:
    return _scp(folder, "huffman", 2)


# ISHNE -------------------------------------------------------------------------------------------


def ishne_bytes(rows: np.ndarray, codes: list[int], comment: bytes = b"day 1") -> bytes:
    count = len(rows)

    def per_lead(values: list[int]) -> bytes:
        return struct.pack("<12h", *values, *[-9] * (12 - len(values)))

    fixed = struct.pack("<4ih", len(comment), rows.shape[1], 522, 522 + len(comment), 1)
    fixed += b"Ann".ljust(40, b"\0") + b"Other".ljust(40, b"\0") + b"P-17".ljust(20, b"\0")
    fixed += struct.pack("<2h", 2, 1)
    fixed += struct.pack("<9h", 24, 1, 1950, 25, 1, 2013, 26, 1, 2013)
    fixed += struct.pack("<3h", 10, 59, 19) + struct.pack("<h", count)
    fixed += per_lead(codes) + per_lead([1] * count) + per_lead([int(1000 * STEP_UV)] * count)
    fixed += struct.pack("<h", 0) + b"digital".ljust(40, b"\0") + struct.pack("<h", int(RATE))
    fixed = fixed.ljust(512, b"\0")
    checked = fixed + comment
    return b"ISHNE1.0" + _crc(checked) + checked + rows.T.astype("<i2").tobytes()


def ishne(folder: Path) -> Sample:
    leads = ("II", "V1", "V5")
    rows = steps()[[LEADS.index(lead) for lead in leads]]
    rows[1, 3] = -32768  # lead fault
    signal = recording(leads)
    signal[1, 3] = np.nan
    path = folder / "holter.ecg"
    path.write_bytes(ishne_bytes(rows, [6, 11, 15]))
    facts = {**about("patient_id", "sex", "start_time"), "age": 63}
    return Sample(path, leads, signal, facts=facts)


BINARY = {
    "scp": {"plain": scp_plain, "huffman 1": scp_first, "huffman 2": scp_second},
    "ishne": {"ishne": ishne},
}
