"""ISHNE Holter standard output format (Badilini 1998, Ann Noninvasive Electrocardiol 3:263).

Read here rather than through ecgdatakit because a day of Holter has to stay int16 until it is
float32: through double precision it takes three times the memory.
"""

import binascii
import struct
import warnings
from datetime import date, datetime, time
from pathlib import Path

import numpy as np

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, Sex, build_record
from anylead.formats.channels import Rename
from anylead.formats.guard import check_size, guarded
from anylead.leads import LEADS
from anylead.records import Record

MAGIC = b"ISHNE1.0"
HEADER_BYTES = 522  # magic 8, checksum 2, fixed block 512
MAX_LEADS = 12
LEAD_FAULT = -32768

# Table 1 of the standard. 17 to 19 (ES, AS, AI) are none of our leads; 0 (unknown) and 1 (bipolar)
# are an ECG from a place that is not stated.
UNPLACED = (0, 1)
LEAD_CODES = dict(enumerate(("X", "Y", "Z", *LEADS), start=2))


def matches(head: bytes, path: Path) -> bool:
    """Whether the file starts with the ISHNE magic number."""
    return head.startswith(MAGIC)


def read(path: Path, rename: Rename | None = None, is_length_nominal: bool = False) -> Record:
    """All leads of a Holter recording, whole.

    A header checksum that does not fit is a warning only: recorders in the field disagree on it.

    Args:
        path: the file.
        rename: name of a channel -> its lead.
        is_length_nominal: the recorder writes the same length into every header, so a file that
            holds less is not cut off.

    Raises:
        FormatError: not an ISHNE file, or broken.
    """
    with guarded(path, "ISHNE"):
        record, is_doubtful = _read(path, rename, is_length_nominal)
    if is_doubtful:
        warnings.warn(f"{path}: the checksum does not fit the header; is it damaged?", stacklevel=2)
    return record


def _read(path: Path, rename: Rename | None, is_length_nominal: bool) -> tuple[Record, bool]:
    size = path.stat().st_size
    check_size(path, HEADER_BYTES, size, "ISHNE header")
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if not header.startswith(MAGIC):
            raise FormatError(f"{path}: no ISHNE magic number; not an ISHNE Holter file")
        checksum, comment_bytes, declared = struct.unpack_from("<Hii", header, 8)
        check_size(path, comment_bytes, size - HEADER_BYTES, "comment block")
        comment = file.read(comment_bytes)
        num_leads, codes, steps, sample_rate = _leads(path, header)
        data_bytes = size - HEADER_BYTES - comment_bytes
        if data_bytes % (2 * num_leads):
            raise FormatError(
                f"{path}: {data_bytes} bytes of signal are no whole number of samples of"
                f" {num_leads} leads; the file is cut off, copy it again"
            )
        samples = np.fromfile(file, dtype="<i2").reshape(-1, num_leads)
    # Writers count samples per lead or in all.
    if len(samples) < declared != samples.size and not is_length_nominal:
        raise FormatError(
            f"{path}: {declared} samples declared, {len(samples)} per lead found; it is cut off,"
            " or the recorder states a nominal length: then read(path, is_length_nominal=True)"
        )
    channels = [
        # Nanovolts per step; 0 means that the recorder was not calibrated.
        Channel(_name(number, code), row, "nV", step, missing=LEAD_FAULT)
        for number, (code, step, row) in enumerate(zip(codes, steps, samples.T, strict=True), 1)
    ]
    record = build_record(path, channels, sample_rate, _about(header), rename)
    return record, not is_checked(header, comment, checksum)


def _leads(path: Path, header: bytes) -> tuple[int, list[int], list[int], int]:
    (num_leads,) = struct.unpack_from("<h", header, 156)
    if not 1 <= num_leads <= MAX_LEADS:
        raise FormatError(f"{path}: {num_leads} leads; the ISHNE format holds 1 to {MAX_LEADS}")
    codes = list(struct.unpack_from(f"<{num_leads}h", header, 158))
    steps = list(struct.unpack_from(f"<{num_leads}h", header, 206))
    (sample_rate,) = struct.unpack_from("<h", header, 272)
    return num_leads, codes, steps, sample_rate


def _name(number: int, code: int) -> str:
    """The lead of a code; of one without a place its number, by which its user may name it."""
    return f"ECG {number}" if code in UNPLACED else LEAD_CODES.get(code, f"ISHNE {code}")


def is_checked(header: bytes, comment: bytes, checksum: int) -> bool:
    """Whether the stored checksum fits, or none is stored (0)."""
    computed = binascii.crc_hqx(header[10:] + comment, 0xFFFF)  # CRC-CCITT
    swapped = computed >> 8 | (computed & 0xFF) << 8  # the standard leaves the byte order open
    return checksum in (0, computed, swapped)


def _about(header: bytes) -> About:
    sexes: dict[int, Sex] = {1: "male", 2: "female"}
    born, recorded = _date(header, 132), _date(header, 138)
    age = None if born is None or recorded is None else (recorded - born).days / 365.25
    started = None
    if recorded is not None:
        try:
            clock = time(*struct.unpack_from("<3h", header, 150))
        except ValueError:
            clock = None
        started = recorded if clock is None else datetime.combine(recorded, clock)
    return About(
        patient_id=_text(header[108:128]),
        age=age,
        sex=sexes.get(struct.unpack_from("<h", header, 128)[0]),
        start_time=None if started is None else started.isoformat(),
    )


def _date(header: bytes, at: int) -> date | None:
    day, month, year = struct.unpack_from("<3h", header, at)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _text(field: bytes) -> str | None:
    return field.split(b"\0")[0].decode("latin-1").strip() or None
