"""AliveCor ATC: blocks of identifier, length, data and checksum (ATC specification 1.1 to 1.7)."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, build_record
from anylead.formats.channels import Rename
from anylead.formats.guard import check_size, guarded
from anylead.leads import LEADS
from anylead.records import Record

MAGIC = b"ALIVE\0\0\0"
FIRST_BLOCK = 12
# "ecg " is lead I, "ecg2" lead II, ... "ecgc" lead V6.
LEAD_OF_BLOCK = {
    b"ecg" + digit.encode(): lead for digit, lead in zip(" 23456789abc", LEADS, strict=True)
}
SIGNED_16_BITS = 1


def matches(head: bytes, path: Path) -> bool:
    """Whether the file has the signature of ATC."""
    return head.startswith(MAGIC)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The leads of an ATC file; average beats and accelerations are left.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not ATC, no ECG in it, cut off, or a checksum that does not fit.
    """
    with guarded(path, "ATC"):
        data = path.read_bytes()
        if not data.startswith(MAGIC):
            raise FormatError(f"{path}: does not start like ATC; not such a file")
        blocks: dict[bytes, bytes] = {}
        for name, body in _blocks(path, data):
            blocks.setdefault(name, body)
        if b"fmt " not in blocks:
            raise FormatError(f"{path}: no block 'fmt ', so no sample rate; it is damaged")
        kind, sample_rate, nanovolts = struct.unpack_from("<BHH", blocks[b"fmt "])
        if kind != SIGNED_16_BITS or nanovolts == 0:
            raise FormatError(
                f"{path}: samples of format {kind} in steps of {nanovolts} nV; want 16 bits signed"
            )
        channels = [
            Channel(lead, np.frombuffer(blocks[name], "<i2"), "nV", float(nanovolts))
            for name, lead in LEAD_OF_BLOCK.items()
            if name in blocks
        ]
        info = blocks.get(b"info", b"")
        recorded = info[:32].split(b"\0")[0].decode("ascii", "replace").strip()
        return build_record(path, channels, sample_rate, About(start_time=recorded), rename)


def _blocks(path: Path, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = FIRST_BLOCK
    if len(data) <= at:
        raise FormatError(f"{path}: {len(data)} bytes and no block; it is cut off")
    while at < len(data):
        check_size(path, at + 12, len(data), "block")
        name, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        check_size(path, end + 4, len(data), f"block {name.decode('ascii', 'replace')!r}")
        (stored,) = struct.unpack_from("<I", data, end)
        block = data[at:end]
        # The specification says CRC-32, the writers of AliveCor add up the bytes.
        if stored not in (sum(block) & 0xFFFFFFFF, zlib.crc32(block)):
            raise FormatError(
                f"{path}: block {name.decode('ascii', 'replace')!r} does not fit its checksum; it"
                " is damaged, copy it again"
            )
        yield name, data[at + 8 : end]
        at = end + 4
