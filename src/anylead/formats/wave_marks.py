"""Waves that somebody marked: WFDB annotations of one lead, and a CSV for any recordings.

In WFDB "(" stands at the onset of a wave, "p", "N" or "t" at its peak and ")" at its offset, one
file for each lead (LUDB), or one for all (the QT Database). The CSV has the columns record, lead,
wave, onset and offset: P, QRS or T, and seconds from the start.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np

from anylead.errors import FormatError
from anylead.leads import lead_name
from anylead.records import Mark

WAVES = ("P", "QRS", "T")
COLUMNS = ("record", "lead", "wave", "onset", "offset")
_SYMBOLS = {"p": "P", "N": "QRS", "t": "T"}
# Rows of `anylead delineate` that are of all leads together: no lead was marked.
_TOGETHER = "global"
_PEAK = {wave: symbol for symbol, wave in _SYMBOLS.items()}


def read_wfdb(path: Path, lead: str, sample_rate: float) -> tuple[Mark, ...]:
    """The waves of an annotation file that have both an onset and an offset.

    Args:
        path: RECORD.ANNOTATOR.
        lead: that they are of; "" for all.
        sample_rate: Hz of the recording.

    Raises:
        FormatError: the file is missing or broken.
    """
    import wfdb as package

    try:
        found = package.rdann(str(path.with_suffix("")), path.suffix[1:])
    except Exception as error:  # the package has no error class of its own
        raise FormatError(f"{path}: cannot be read ({error})") from None
    symbols, seconds = list(found.symbol), np.asarray(found.sample) / sample_rate
    marks = []
    for before, symbol, after, onset, offset in zip(
        symbols, symbols[1:], symbols[2:], seconds, seconds[2:], strict=False
    ):
        if symbol in _SYMBOLS and before == "(" and after == ")":
            marks.append(Mark(lead, _SYMBOLS[symbol], float(onset), float(offset)))
    return tuple(marks)


def write_wfdb(marks: Iterable[Mark], path: Path, sample_rate: float) -> None:
    """Write waves as one annotation file, each peak midway between onset and offset.

    Args:
        marks: of one lead, or of all; waves do not overlap.
        path: RECORD.ANNOTATOR.
        sample_rate: Hz of the recording.

    Raises:
        FormatError: a name that WFDB does not allow, or no waves.
    """
    import wfdb as package

    samples: list[int] = []
    symbols: list[str] = []
    for mark in sorted(marks, key=lambda mark: mark.onset):
        onset, offset = round(mark.onset * sample_rate), round(mark.offset * sample_rate)
        samples += [onset, (onset + offset) // 2, offset]
        symbols += ["(", _PEAK[mark.name], ")"]
    if not samples:
        raise FormatError(f"{path}: no waves to write")
    # The package writes no name such as 1.v1, which it reads.
    with TemporaryDirectory() as folder:
        try:
            package.wrann(
                path.stem,
                "marks",
                np.maximum.accumulate(samples),
                symbol=symbols,
                fs=sample_rate,
                write_dir=folder,
            )
        except ValueError as error:
            raise FormatError(f"{path}: {error}") from None
        copyfile(Path(folder) / f"{path.stem}.marks", path)


def read_table(path: Path) -> dict[str, tuple[Mark, ...]]:
    """The waves of each recording in a CSV.

    Raises:
        FormatError: a column is missing, or a row cannot be meant so; the message says which.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise FormatError(
                    f"{path}: no column {', '.join(missing)}; want {','.join(COLUMNS)}"
                )
            found: dict[str, list[Mark]] = {}
            for number, row in enumerate(rows, start=2):
                if row["lead"] == _TOGETHER:
                    continue
                found.setdefault(row["record"], []).append(_mark(row, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read ({error})") from None
    return {record: tuple(marks) for record, marks in found.items()}


def write_table(path: Path, marks: Mapping[str, Sequence[Mark]]) -> None:
    """Write the waves of recordings as a CSV, to a microsecond."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for record, of_record in marks.items():
            for lead, name, onset, offset in of_record:
                rows.writerow([record, lead, name, f"{onset:.6f}", f"{offset:.6f}"])


def _mark(row: Mapping[str, str], where: str) -> Mark:
    wave = row["wave"].strip().upper()
    if wave not in WAVES:
        raise FormatError(f"{where}: wave {row['wave']!r}; want {', '.join(WAVES)}")
    try:
        onset, offset = float(row["onset"]), float(row["offset"])
    except ValueError:
        onset = offset = float("nan")
    if not (isfinite(onset) and isfinite(offset) and 0 <= onset < offset):
        raise FormatError(
            f"{where}: from {row['onset']!r} to {row['offset']!r}; want seconds from the start,"
            " the offset after the onset"
        )
    return Mark(lead_name(row["lead"]), wave, onset, offset)
