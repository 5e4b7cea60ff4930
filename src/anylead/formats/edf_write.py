"""EDF+C, written: 16-bit samples, with the signal of annotations that EDF+ asks for."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import date_and_time, known_step
from anylead.formats.edf import FIELDS, MONTHS, roundest_rate
from anylead.records import Record

LARGEST = 32767
RECORD_BYTES = 61440  # at most, by the specification
LONGEST_CODE = 74  # of 80 letters, that sex, birth and name follow
ANNOTATION_SAMPLES = 16  # 32 bytes: room for an onset
RATE_TOLERANCE = 1e-6


def write(record: Record, path: Path) -> None:
    """Write `record` as EDF+; age and diagnosis have no place there and are left out.

    Args:
        record: without missing samples.
        path: of the .edf file.

    Raises:
        FormatError: NaN or infinite samples, which EDF cannot hold, or a rate it cannot state.
    """
    if not np.isfinite(record.signal).all():
        raise FormatError(f"{path}: EDF holds no missing or infinite samples; write CSV or WFDB")
    code = _code(path, record.patient_id)
    length, seconds = record_layout(path, record)
    num_records = record.signal.shape[1] // length
    limits = [
        _limit_of_step(known_step(record, i, LARGEST)) or _limit(path, row)
        for i, row in enumerate(record.signal)
    ]
    scales = np.array([2 * float(limit) / (2 * LARGEST) for limit in limits])
    digital = np.rint(record.signal / scales[:, None]).astype("<i2")
    header = _header(record, code, limits, num_records, length, seconds)
    with path.open("wb") as file:
        file.write(header)
        for i in range(num_records):
            file.write(digital[:, i * length : (i + 1) * length].tobytes())
            onset = f"+{i * length / record.sample_rate:.9g}\x14\x14\0".encode("ascii")
            file.write(onset.ljust(2 * ANNOTATION_SAMPLES, b"\0"))


def record_layout(path: Path, record: Record) -> tuple[int, str]:
    """Samples per lead in a data record, and its seconds in the eight characters there are.

    The data records are as long as allowed and fill the recording exactly, so nothing is padded.

    Raises:
        FormatError: no such length states the sample rate.
    """
    num_leads, num_samples = record.signal.shape
    most = (RECORD_BYTES // 2 - ANNOTATION_SAMPLES) // num_leads
    # One data record of everything is the way out where nothing shorter divides the recording.
    lengths = [k for k in range(min(most, num_samples), 0, -1) if num_samples % k == 0]
    tolerances = (1e-12, RATE_TOLERANCE)
    for tolerance in tolerances:
        for length in (*lengths, num_samples):
            seconds = _number(length / record.sample_rate)
            if float(seconds) > 0:
                stated = roundest_rate(length, seconds)
                if abs(stated - record.sample_rate) <= tolerance * record.sample_rate:
                    return length, seconds
    raise FormatError(
        f"{path}: EDF cannot state {record.sample_rate} Hz over {num_samples} samples; write CSV"
    )


def _number(value: float, width: int = 8) -> str:
    """As many digits of a positive number as fit."""
    whole = len(str(int(value)))
    text = f"{value:.{max(width - 1 - whole, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _limit_of_step(step: float | None) -> str | None:
    """The physical maximum that keeps a known step, where seven characters state it exactly."""
    if step is None:
        return None
    text = f"{LARGEST * step:.7g}"
    is_exact = (
        len(text) <= 7 and "e" not in text and abs(float(text) / LARGEST - step) < 1e-9 * step
    )
    return text if is_exact else None


def _limit(path: Path, row: NDArray[np.float32]) -> str:
    """The physical maximum: no less than any sample, in seven characters (the minimum has -)."""
    largest = float(np.abs(row).max()) or 1.0
    if largest >= 1e6:
        raise FormatError(f"{path}: samples of {largest:g}; EDF states at most 999999")
    decimals = 6 - len(str(int(largest)))
    # Rounded up, and by one more step, so that no sample lies outside.
    return f"{(math.floor(largest * 10**decimals) + 1) / 10**decimals:.{decimals}f}"[:7]


def _header(
    record: Record, code: str, limits: list[str], num_records: int, length: int, seconds: str
) -> bytes:
    num_signals = len(limits) + 1
    sex = {"female": "F", "male": "M", None: "X"}[record.sex]
    start, dated = _start(record.start_time)
    main = [
        ("0", 8),
        (f"{code} {sex} X X", 80),
        (f"Startdate {dated} X X X", 80),
        (start, 16),
        (str(256 * (1 + num_signals)), 8),
        ("EDF+C", 44),
        (str(num_records), 8),
        (seconds, 8),
        (str(num_signals), 4),
    ]
    columns = {
        "label": [*(f"ECG {lead}" for lead in record.leads), "EDF Annotations"],
        "transducer": [""] * num_signals,
        "unit": [record.unit] * len(limits) + [""],
        "physical_min": [*(f"-{limit}" for limit in limits), "-1"],
        "physical_max": [*limits, "1"],
        "digital_min": [*([str(-LARGEST)] * len(limits)), "-32768"],
        "digital_max": [str(LARGEST)] * num_signals,
        "prefilter": [""] * num_signals,
        "samples": [*([str(length)] * len(limits)), str(ANNOTATION_SAMPLES)],
        "reserved": [""] * num_signals,
    }
    signal = [(text, width) for name, width in FIELDS.items() for text in columns[name]]
    return b"".join(
        text.encode("ascii", errors="replace")[:width].ljust(width) for text, width in main + signal
    )


def _code(path: Path, patient_id: str | None) -> str:
    """The patient's code in its field of ASCII letters, which cut or replaced would be another's.

    Raises:
        FormatError: it does not fit.
    """
    code = "_".join((patient_id or "X").split())
    if not code.isascii() or len(code) > LONGEST_CODE:
        raise FormatError(
            f"{path}: patient id {code[:100]!r}; EDF holds up to {LONGEST_CODE} letters without"
            " accents; write DICOM, WFDB or CSV"
        )
    return code


def _start(start_time: str | None) -> tuple[str, str]:
    """("25.01.1310.59.19", "25-JAN-2013"), or the values that EDF+ keeps for an unknown start."""
    start = date_and_time(start_time)
    if start is None:
        return "01.01.8500.00.00", "X"
    clock = f"{start:%H.%M.%S}"
    # Two digits reach from 1985 to 2084; beyond, "yy" sends the reader to the full date.
    year = f"{start.year % 100:02d}" if 1985 <= start.year <= 2084 else "yy"
    date = f"{start.day:02d}-{MONTHS[start.month - 1]}-{start.year:04d}"
    return f"{start:%d.%m.}{year}{clock}", date
