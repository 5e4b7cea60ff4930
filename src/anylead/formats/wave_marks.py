"""Waves that somebody marked: WFDB annotations of one lead, and a CSV for any recordings.

In WFDB "(" stands at the onset of a wave, "p", "N" or "t" at its peak (both peaks, where T has two)
and ")" at its offset, one file for each lead (LUDB), or one for all (the QT Database). The CSV has
the columns record, lead, wave, onset and offset: P, QRS or T, and seconds from the start.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import isfinite
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.leads import lead_name
from anylead.records import MARGIN, UNMARKED, Mark

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
    found = _waves(read_annotations(path), sample_rate)
    return tuple(
        Mark(lead, wave.name, wave.onset, wave.offset)
        for wave in found
        if wave.onset is not None and wave.offset is not None
    )


def read_incomplete(path: Path, lead: str, sample_rate: float) -> tuple[Mark, ...]:
    """The waves of an annotation file, also those of which one boundary was not marked.

    Such a wave is there from its peak on, or up to it; between the peak and the wave before, or
    behind, nothing is known: that stretch is `UNMARKED`, like all around a wave without both. It
        ends
    short of the boundaries of those waves, where they are known.

    Args:
        path, lead, sample_rate: as for `read_wfdb`.

    Raises:
        FormatError: the file is missing or broken.
    """
    found = list(_waves(read_annotations(path), sample_rate))
    marks = []
    for before, wave, after in zip([None, *found], found, [*found[1:], None], strict=False):
        begin = wave.peaks[0] if wave.onset is None else wave.onset
        end = wave.peaks[-1] if wave.offset is None else wave.offset
        if wave.onset is None:
            marks.append(Mark(lead, UNMARKED, _sure_until(before, begin), begin))
        if begin < end:
            marks.append(Mark(lead, wave.name, begin, end))
        if wave.offset is None:
            marks.append(Mark(lead, UNMARKED, end, _sure_from(after, end)))
    return tuple(marks)


class Annotations(NamedTuple):
    """What a WFDB annotation file holds: (mark,) samples, symbols and the notes beside them."""

    samples: NDArray[np.int64]
    symbols: list[str]
    notes: list[str]


def read_annotations(path: Path) -> Annotations:
    """All of an annotation file.

    Args:
        path: RECORD.ANNOTATOR.

    Raises:
        FormatError: the file is missing or broken.
    """
    import wfdb as package

    try:
        found = package.rdann(str(path.with_suffix("")), path.suffix[1:])
    except Exception as error:  # the package has no error class of its own
        raise FormatError(f"{path}: cannot be read ({error})") from None
    notes = [note.strip("\0 \t") for note in found.aux_note]
    return Annotations(np.asarray(found.sample, dtype=np.int64), list(found.symbol), notes)


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


class _Wave(NamedTuple):
    """A wave in seconds; an onset or offset of None was not marked."""

    name: str
    onset: float | None
    peaks: list[float]
    offset: float | None


def _waves(found: Annotations, sample_rate: float) -> Iterator[_Wave]:
    """The waves of an annotation file in order."""
    symbols, seconds = found.symbols, (found.samples / sample_rate).tolist()
    first = 0
    for symbol, group in groupby(symbols):
        last = first + len(list(group)) - 1
        if symbol in _SYMBOLS:
            # Two complexes side by side are two waves, two peaks of P or T are one.
            pieces = [(n, n) for n in range(first, last + 1)] if symbol == "N" else [(first, last)]
            for begin, end in pieces:
                has_onset = begin > 0 and symbols[begin - 1] == "("
                has_offset = end + 1 < len(symbols) and symbols[end + 1] == ")"
                yield _Wave(
                    _SYMBOLS[symbol],
                    seconds[begin - 1] if has_onset else None,
                    seconds[begin : end + 1],
                    seconds[end + 1] if has_offset else None,
                )
        first = last + 1


def _sure_until(before: _Wave | None, begin: float) -> float:
    """From where on nothing is known before a wave that begins at `begin`."""
    if before is None:
        return 0.0
    if before.offset is None:
        return before.peaks[-1]
    return before.offset + min(MARGIN, (begin - before.offset) / 2)


def _sure_from(after: _Wave | None, end: float) -> float:
    """Up to where nothing is known behind a wave that ends at `end`."""
    if after is None:
        return np.inf
    if after.onset is None:
        return after.peaks[0]
    return after.onset - min(MARGIN, (after.onset - end) / 2)


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
