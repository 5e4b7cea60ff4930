"""PTB-XL 1.0.3 (doi:10.13026/kfzx-aw45): 21,799 records of 18,869 patients, 10 s, 12 leads.

Reads the corpus itself (ptbxl_database.csv) and reduced copies with a table `labels.csv` of the
columns ecg_id, record, patient_id, strat_fold, super_class, sub_class, form, rhythm.
Folds 1 to 8 train, 9 is for validation, 10 for the test; patients never cross folds.
"""

import ast
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from anylead.datasets.cells import number, split_labels
from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, required_file, table
from anylead.datasets.scp import CLASSES, scp_labels
from anylead.errors import DatasetError, FormatError
from anylead.formats import wfdb
from anylead.formats.assemble import parse_sex
from anylead.records import Record, Split
from anylead.signals.limb_ratios import restore_limb_ratios

_REDUCED = {
    "superdiagnostic": "super_class",
    "subdiagnostic": "sub_class",
    "form": "form",
    "rhythm": "rhythm",
}
# Reduced tables write names without underscores.
_FULL_NAME = {task: {name.strip("_"): name for name in names} for task, names in CLASSES.items()}


@dataclass(frozen=True)
class Row:
    """What the tables say about a record."""

    path: Path
    patient_id: str | None
    fold: int
    labels: dict[str, tuple[str, ...]]
    age: float | None = None
    sex: str = ""
    start_time: str | None = None
    report: str | None = None


def corpus(root: Path | None, rate: int = 500, limb_ratios: bool = False) -> Corpus:
    """List the records.

    Args:
        root: folder with ptbxl_database.csv, or with a reduced labels.csv.
        rate: 500 or 100 Hz, for the corpus itself.
        limb_ratios: bring back the ratios between the limb leads of records whose leads were
            scaled one by one; a record whose limb leads do not fit together stays as it is.

    Raises:
        DatasetError: no such table, or a row that makes no sense.
    """
    root = corpus_folder(root, "PTB-XL")
    if rate not in (100, 500):
        raise DatasetError(f"ptbxl: rate {rate}; the corpus has 100 and 500 Hz")
    if (root / "ptbxl_database.csv").is_file():
        rows = _full_rows(root, "filename_hr" if rate == 500 else "filename_lr")
        classes = CLASSES
    else:
        path = root / "labels.csv"
        if not path.is_file():
            path = required_file(root, "ptbxl_database.csv", "PTB-XL")
        rows = _reduced_rows(path)
        classes = {task: CLASSES[task] for task in _REDUCED}
    if not rows:
        raise DatasetError(f"{root}: its table lists no record")
    read = partial(read_row, limb_ratios=limb_ratios)
    return Corpus("ptbxl", rows, read, classes)


def read_row(item: Item, limb_ratios: bool = False) -> Record:
    """One record with what the tables say about it."""
    record_id, row = item
    record = wfdb.read(row.path)
    if limb_ratios:
        record = _with_limb_ratios(record)
    split: Split = "test" if row.fold == 10 else "valid" if row.fold == 9 else "train"
    return replace(
        record,
        record_id=record_id,
        patient_id=row.patient_id,
        labels=row.labels,
        split=split,
        fold=row.fold,
        age=row.age if row.age is not None else record.age,
        sex=parse_sex(row.sex) or record.sex,
        start_time=row.start_time or record.start_time,
        diagnosis=row.report or record.diagnosis,
    )


def _with_limb_ratios(record: Record) -> Record:
    try:
        signal, factors = restore_limb_ratios(record.signal, record.leads)
    except FormatError:
        return record  # a damaged limb lead: the store's quality flags tell, nothing is lost
    steps = np.multiply(record.resolution or (np.nan,) * len(factors), factors)
    return replace(record, signal=signal, resolution=tuple(steps.tolist()))


def _full_rows(root: Path, file_column: str) -> list[Item]:
    path = root / "ptbxl_database.csv"
    columns = ("ecg_id", "patient_id", "scp_codes", "strat_fold", file_column)
    rows: list[Item] = []
    for row in table(path, columns):
        try:
            codes = ast.literal_eval(row["scp_codes"])
            fold = int(float(row["strat_fold"]))
            labels = scp_labels(codes)
        except (ValueError, SyntaxError, TypeError):
            raise DatasetError(
                f"{path}: record {row['ecg_id']}: scp_codes {row['scp_codes']!r} or strat_fold"
                f" {row['strat_fold']!r} cannot be read"
            ) from None
        age = number(row.get("age", ""))
        details = Row(
            path=root / f"{row[file_column]}.hea",
            patient_id=row["patient_id"].removesuffix(".0") or None,  # a float in the file
            fold=fold,
            labels=labels,
            age=90.0 if age == 300 else age,  # 300 stands for "above 89"
            sex={"0": "male", "1": "female"}.get(row.get("sex", ""), ""),
            start_time=row.get("recording_date") or None,
            report=row.get("report") or None,
        )
        rows.append((row["ecg_id"].removesuffix(".0"), details))
    return rows


def _reduced_rows(path: Path) -> list[Item]:
    columns = ("ecg_id", "record", "patient_id", "strat_fold", *_REDUCED.values())
    rows: list[Item] = []
    for row in table(path, columns):
        labels = {}
        for task, column in _REDUCED.items():
            found = split_labels(row[column], ";")
            unknown = [name for name in found if name.strip("_") not in _FULL_NAME[task]]
            if unknown:
                raise DatasetError(
                    f"{path}: record {row['ecg_id']}: {column} {unknown[0]!r} is no label of PTB-XL"
                )
            if found:
                labels[task] = tuple(_FULL_NAME[task][name.strip("_")] for name in found)
        if not row["strat_fold"].isdigit():
            raise DatasetError(
                f"{path}: record {row['ecg_id']}: strat_fold {row['strat_fold']!r}; want 1 to 10"
            )
        details = Row(
            path=path.parent / f"{row['record']}.hea",
            patient_id=row["patient_id"] or None,
            fold=int(row["strat_fold"]),
            labels=labels,
        )
        rows.append((row["ecg_id"], details))
    return rows
