"""CODE-15 % (doi:10.5281/zenodo.4916206): 345,779 records of 233,770 patients, 12 leads, 400 Hz.

exams.csv and exams_part0.hdf5 ... exams_part17.hdf5 with `exam_id` and `tracings` (exam, 4096, 12),
filled up with zeros at both ends, which are cut off. Label task "code15": six classes.

The corpus states no unit. The PhysioNet Challenge 2025 takes mV; the authors' own text ("1e-4 V,
multiply by 1000") contradicts itself. Hence an option, and a note with every store.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from anylead.datasets.cells import flag, number
from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, required_file, table
from anylead.errors import DatasetError, FormatError
from anylead.extras import missing
from anylead.leads import LEADS
from anylead.records import Record

CLASSES = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_RATE = 400.0


@dataclass(frozen=True)
class Row:
    """Where an exam is and what exams.csv says about it."""

    path: Path
    place: int
    patient_id: str | None
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    age: float | None
    is_male: bool | None


def corpus(root: Path | None, millivolts: float = 1.0) -> Corpus:
    """List the exams of all parts that are there.

    Args:
        root: folder of exams.csv and the parts.
        millivolts: that one unit of `tracings` stands for.

    Raises:
        DatasetError: exams.csv or every part is missing, or an exam is not in its part.
    """
    root = corpus_folder(root, "CODE-15 %")
    path = required_file(root, "exams.csv", "CODE-15 %")
    parts = sorted(root.glob("*.hdf5"))
    if not parts:
        raise DatasetError(f"{root}: no exams_part*.hdf5 beside exams.csv; unpack at least one")
    place_of = {(part.name, exam): n for part in parts for n, exam in enumerate(_exam_ids(part))}
    names = {part.name for part in parts}
    items: list[Item] = []
    num_absent = 0
    columns = ("exam_id", "age", "is_male", "patient_id", "trace_file", *CLASSES)
    for row in table(path, columns):
        part, exam = row["trace_file"], _exam(path, row["exam_id"])
        if part not in names:
            num_absent += 1
            continue
        if (part, exam) not in place_of:
            raise DatasetError(f"{root / part}: holds no exam {exam}, exams.csv says it does")
        details = Row(
            path=root / part,
            place=place_of[part, exam],
            patient_id=row["patient_id"] or None,
            labels=tuple(name for name in CLASSES if _flag(path, row, name)),
            unknown=tuple(name for name in CLASSES if not row[name]),
            age=number(row["age"]),
            is_male=_flag(path, row, "is_male"),
        )
        items.append((str(exam), details))
    note = f"CODE-15 % states no unit; {millivolts:g} mV for each of its units was taken."
    if num_absent:
        note += f" {num_absent} exams of exams.csv are in parts that are not here."
    read_exam = partial(read, millivolts=millivolts)
    return Corpus("code15", items, read_exam, {"code15": CLASSES}, note)


def read(item: Item, millivolts: float = 1.0) -> Record:
    """One exam, without the zeros at its ends."""
    record_id, row = item
    try:
        tracing = np.asarray(_tracings(row.path)[row.place], dtype=np.float32)  # (time, lead)
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"{row.path}: exam {record_id} cannot be read ({error})") from None
    recorded = np.flatnonzero((tracing != 0).any(axis=1))
    if len(recorded) == 0:
        raise FormatError(f"{row.path}: exam {record_id} is zero throughout")
    return Record(
        signal=np.ascontiguousarray(tracing[recorded[0] : recorded[-1] + 1].T)
        * np.float32(millivolts),
        leads=LEADS,
        sample_rate=_RATE,
        record_id=record_id,
        patient_id=row.patient_id,
        labels={} if len(row.unknown) == len(CLASSES) else {"code15": row.labels},
        unknown={"code15": row.unknown} if 0 < len(row.unknown) < len(CLASSES) else {},
        age=row.age,
        sex=None if row.is_male is None else "male" if row.is_male else "female",
    )


def _exam(path: Path, text: str) -> int:
    exam = number(text)
    if exam is None or exam != int(exam):
        raise DatasetError(f"{path}: exam_id {text!r}; want a whole number")
    return int(exam)


def _flag(path: Path, row: dict[str, str], name: str) -> bool | None:
    """What a column of True and False says; None where the cell is empty."""
    told = flag(row[name])
    if told is None and row[name]:
        raise DatasetError(
            f"{path}: exam {row['exam_id']}: {name} is {row[name]!r}; want True or False"
        )
    return told


def _exam_ids(path: Path) -> list[int]:
    try:
        return [int(exam) for exam in _open(path)["exam_id"][:]]
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); unpack it again") from None


@lru_cache(maxsize=4)
def _tracings(path: Path) -> Any:
    return _open(path)["tracings"]


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise missing("h5py", "formats") from None
    return h5py.File(path, "r")
