"""WFDB records, written: a text header and a file of 16-bit samples (header(5) of the WFDB manual).

Patient, age, sex and diagnosis stand in comment lines, as the PhysioNet challenges write them.
"""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import date_and_time, known_step
from anylead.records import Record

LARGEST = 32767
MISSING = -32768
DIGITS = 5  # significant ones of a gain


def write(record: Record, path: Path) -> None:
    """Write `record` as a header and a signal file of one name.

    A lead keeps the step it was digitized with, or gets the largest gain at which it fits 16 bits;
    NaN becomes the value that WFDB
    keeps for missing samples.

    Args:
        record: any.
        path: of the .hea or the .dat; the other one goes beside it.

    Raises:
        FormatError: a name that WFDB does not allow, or an infinite sample.
    """
    name = path.stem
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise FormatError(f"{path}: WFDB names hold letters, digits, - and _ only; choose another")
    steps_known = [known_step(record, i, LARGEST) for i in range(len(record.leads))]
    gains = [
        largest_gain(path, row) if step is None else 1 / step
        for row, step in zip(record.signal, steps_known, strict=True)
    ]
    with np.errstate(invalid="ignore"):
        steps = np.rint(record.signal.astype(np.float64) * np.array(gains)[:, None])
    digital = np.where(np.isnan(steps), MISSING, steps).astype("<i2")
    start = _start(record.start_time)
    lines = [f"{name} {len(digital)} {record.sample_rate:.15g} {digital.shape[1]}{start}"]
    for lead, gain, row in zip(record.leads, gains, digital, strict=True):
        checksum = int(row.sum(dtype=np.int64)) & 0xFFFF
        checksum -= 0x10000 if checksum >= 0x8000 else 0
        lines.append(
            f"{name}.dat 16 {gain:.15g}(0)/{record.unit} 16 0 {row[0]} {checksum} 0 {lead}"
        )
    if record.patient_id is not None:
        lines.append(f"# Patient ID: {' '.join(record.patient_id.split())}")
    if record.age is not None:
        lines.append(f"# Age: {record.age:g}")
    if record.sex is not None:
        lines.append(f"# Sex: {record.sex.capitalize()}")
    if record.diagnosis:
        # "Dx" names codes, which are labels to whoever reads them.
        name = "Dx" if "dx" in record.labels else "Diagnosis"
        lines.append(f"# {name}: " + "\\n".join(record.diagnosis.splitlines()))
    path.with_suffix(".dat").write_bytes(np.ascontiguousarray(digital.T).tobytes())
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="utf-8")


def largest_gain(path: Path, row: NDArray[np.float32]) -> float:
    """Steps per unit at which a lead just fits 16 bits, rounded down to a short number.

    Args:
        path: named in the message.
        row: (time,), NaN where missing.
    """
    largest = float(np.nanmax(np.abs(row), initial=0.0)) if not np.isnan(row).all() else 0.0
    if math.isinf(largest):
        raise FormatError(f"{path}: infinite samples cannot be written; repair the recording")
    gain = LARGEST / largest if largest > 0 else 1000.0
    unit = 10.0 ** (math.floor(math.log10(gain)) + 1 - DIGITS)
    return float(f"{math.floor(gain / unit) * unit:.{DIGITS}g}")


def _start(start_time: str | None) -> str:
    """' HH:MM:SS DD/MM/YYYY', or nothing where the time is not known."""
    start = date_and_time(start_time)
    return "" if start is None else f" {start:%H:%M:%S} {start:%d/%m/}{start.year:04d}"
