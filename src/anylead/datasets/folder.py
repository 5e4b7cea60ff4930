"""Any folder of ECG files of known formats, with or without a table of labels and patients."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from anylead import formats
from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.label_table import About, LabelTable
from anylead.datasets.layout import corpus_folder, encoding_of
from anylead.datasets.matching import rows_of_files
from anylead.errors import AnyleadError, DatasetError, FormatError
from anylead.formats import wave_marks
from anylead.formats.channels import is_ecg_name
from anylead.formats.search import files_below, printable, told
from anylead.formats.wfdb_header import read_header
from anylead.leads import UNKNOWN_PLACE, find_lead
from anylead.records import Mark, Record

# Files with one of these endings are ECGs or are rejected; others only if their content says so.
_ENDINGS = (
    *(".hea", ".mat", ".dat", ".edf", ".bdf", ".dcm", ".xml", ".scp", ".ecg", ".h5", ".hdf5"),
    *(".acq", ".csv", ".tsv", ".npy", ".npz", ".parquet", ".arrow", ".feather"),
)
_TABLES = (".csv", ".tsv")
_TABLE_HEAD = 16_384
_NUMBER = re.compile(r"[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?")
_TABLE_ROWS = 20


@dataclass(frozen=True)
class Details:
    """A file, what the table says about it, and the waves that were marked in it."""

    path: Path
    about: About | None = None
    marks: tuple[Mark, ...] | None = None


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        ecgs: files that hold a recording, or should.
        num_others: files of other kinds.
        tables: files that tell about the recordings, by the names of which they go.
        skipped: what could not be looked at, and why.
        sources: see `Corpus.sources`.
    """

    ecgs: list[Path]
    num_others: int
    tables: list[Path]
    skipped: list[str]
    sources: dict[str, int]


def corpus(
    root: Path | None,
    labels: str | None = None,
    record_column: str | None = None,
    patient_column: str | None = None,
    label_columns: list[str] | str | None = None,
    rename: str = "",
    waves: str | None = None,
) -> Corpus:
    """List the ECG files under a folder.

    Args:
        root: searched with all its folders; linked ones are followed once.
        labels: CSV (also with semicolons or tabs, also UTF-16) or Parquet table with a row for
            each file, in the current folder or in `root`; None takes what the files tell.
        record_column: holds the file of a row, as path or as name, with or without ending; None
            guesses.
        patient_column: None guesses.
        label_columns: one or a list; each becomes a label task, several labels in a cell divided
            by ";" or "|" or written as a list; columns of only 0 and 1, yes and no, TRUE and FALSE
            become the task "labels" together, where an empty cell is unknown. None guesses.
        rename: the lead behind a channel's name, such as "ECG=I".
        waves: CSV of marked waves: record (as in the table), lead, wave (P, QRS or T), onset and
            offset in seconds from the start.

    Raises:
        DatasetError: no file, no such column, or no row that fits a file.
        FormatError: a row of the waves cannot be meant so.
    """
    root = corpus_folder(root, "ECG files")
    table_path, waves_path = _place(root, labels), _place(root, waves)
    listing = list_files(root, table_path, waves_path)
    paths = listing.ecgs
    if not paths:
        raise DatasetError(
            f"{root}: no file of a known ECG format ({listing.num_others} others);"
            f" readable are {', '.join(formats.READERS)} {told(listing.skipped)}".strip()
        )
    num = listing.num_others
    notes = [f"{num} files of other kinds were not looked at."] if num else []
    # Names may be those of persons: they are told on the screen and not kept in the store.
    notes += [f"{len(listing.skipped)} more could not be looked at."] if listing.skipped else []
    notes += [_offer(root, path) for path in listing.tables]
    details = [Details(path) for path in paths]
    summary, shared = told(listing.skipped), ""
    label_names: dict[str, tuple[str, ...]] = {}
    if table_path is not None:
        columns = {"record": record_column, "patient": patient_column}
        wanted = [label_columns] if isinstance(label_columns, str) else label_columns
        table = LabelTable(table_path, columns, wanted)
        details = _details(root, paths, table, notes)
        about = [each.about for each in details if each.about is not None]
        said = table.summary(about)
        summary = f"{summary}\n{said}".strip()
        shared = _shared_patients(table_path, about)
        notes.append(said.splitlines()[0])
        if table.tasks.flags:  # a class without a positive is a class, too
            label_names = {table.tasks.flag_task: table.tasks.flags}
    if waves_path is not None:
        details = _with_marks(root, waves_path, details, notes)
    items: list[Item] = list(zip(_names(root, paths), details, strict=True))
    note = " ".join(notes)
    read_renamed = partial(read, rename=formats.parse_rename(rename)) if rename else read
    return Corpus(
        "folder", items, read_renamed, label_names, note, summary, shared, listing.sources
    )


def _place(root: Path, table: str | None) -> Path | None:
    """A table where its user says, else of that name among the files."""
    if table is None:
        return None
    path = Path(table)
    return path if path.exists() or not (root / path).exists() else root / path


def read(item: Item, rename: formats.Rename | None = None) -> Record:
    """One file; what the table says goes before what the file says."""
    record_id, details = item
    record, about = formats.read(details.path, rename), details.about or About()
    return replace(
        record,
        record_id=record_id,
        patient_id=about.patient_id or record.patient_id,
        labels={**record.labels, **about.labels},
        unknown=about.unknown,
        measurements=about.measurements,
        split=about.split or record.split,
        fold=record.fold if about.fold is None else about.fold,
        age=record.age if about.age is None else about.age,
        sex=about.sex or record.sex,
        marks=details.marks,
    )


def list_files(root: Path, *table_paths: Path | None) -> Listing:
    """ECG files, sorted, and what else is there but for these tables."""
    known = {path.resolve() for path in table_paths if path is not None}
    found = files_below(root)
    taken: list[Path] = []
    num_others = num_bytes = latest = 0
    headers = {path.with_suffix("") for path in found.files if path.suffix.lower() == ".hea"}
    parts = _segments(headers)
    for path in found.files:
        stem = path.with_suffix("")
        if path.resolve() in known:
            continue
        if stem in headers or stem in parts or path.suffix.lower() in _ENDINGS or _is_ecg(path):
            facts = path.stat()
            num_bytes += facts.st_size
            latest = max(latest, facts.st_mtime_ns)
            # Samples and annotations belong to the header, segments to the whole.
            if stem not in parts and (stem not in headers or path.suffix.lower() == ".hea"):
                taken.append(path)
        else:
            num_others += 1
    sources = {"bytes": num_bytes, "latest_ns": latest}
    stems = {path.stem for path in taken}
    tables = [path for path in taken if _is_table(path, stems - {path.stem})]
    taken = [path for path in taken if path not in tables]
    return Listing(taken, num_others, tables, found.skipped, sources)


def _is_table(path: Path, stems: set[str]) -> bool:
    """Whether the rows of a text go by names of other files."""
    if path.suffix.lower() not in _TABLES:
        return False
    try:
        rows = _first_rows(path)
    except DatasetError:
        return False
    if not rows or any(_is_lead(cell) for cell in rows[0]):
        return False
    columns = [[row[i] for row in rows if len(row) > i] for i in range(max(map(len, rows)))]
    return any(_names_files(column, stems, len(rows)) for column in columns)


def _is_lead(cell: str) -> bool:
    return is_ecg_name(cell) and find_lead(cell) not in (None, UNKNOWN_PLACE)


def _names_files(column: list[str], stems: set[str], num_rows: int) -> bool:
    """Whether a column holds names of files, and not samples: files are often called 1, 2, 3.

    "1.38" is no file 1, and samples do not all differ.
    """
    named = [
        cell
        for cell in column
        if cell in stems or (Path(cell).stem in stems and not _NUMBER.fullmatch(cell))
    ]
    if len(set(named)) < len(named) and all(map(_NUMBER.fullmatch, named)):
        return False
    # The first row may name the columns.
    return len(named) > num_rows / 2 or (num_rows == 2 and column[-1] in named)


def _first_rows(path: Path) -> list[list[str]]:
    with path.open(encoding=encoding_of(path), errors="replace") as file:
        lines = file.read(_TABLE_HEAD).splitlines()[:_TABLE_ROWS]
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    rows = (re.split("[,;\t]", line) for line in lines)
    return [[cell.strip().strip('"') for cell in row] for row in rows]


def offer(path: Path) -> str:
    """What to do with a file that tells about those beside and below it; "" if it does not."""
    stems = {other.stem for other in files_below(path.parent).files if other != path}
    return _offer(path.parent, path) if _is_table(path, stems - {path.stem}) else ""


def _offer(root: Path, path: Path) -> str:
    """What to do with a table that lies among the recordings."""
    stem = path.relative_to(root).as_posix()
    first = _first_rows(path)[0]
    beside = {other.stem for other in path.parent.iterdir() if other != path}
    if any(Path(cell).stem in beside for cell in first):
        return (
            f"{stem} is a table about the files without a line of names; put one above it"
            " (record,label) and give it as labels."
        )
    return f"{stem} is a table about the files; give it as labels ({path})."


def _segments(headers: set[Path]) -> set[Path]:
    """Records that are parts of records."""
    parts: set[Path] = set()
    for stem in headers:
        path = stem.with_name(f"{stem.name}.hea")
        if path.is_file():
            try:
                segments = read_header(path).segments
            except FormatError:
                continue  # reading it later will say what is wrong
            parts.update(stem.with_name(name) for name, _ in segments)
    return parts


def _is_ecg(path: Path) -> bool:
    try:
        return formats.find_format(path) is not None
    except AnyleadError:
        return False


def _names(root: Path, paths: Sequence[Path]) -> list[str]:
    """Paths from the root, without ending where that leaves them different."""
    short = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
    counts: dict[str, int] = {}
    for name in short:
        counts[name] = counts.get(name, 0) + 1
    return [
        printable(name if counts[name] == 1 else path.relative_to(root).as_posix())
        for name, path in zip(short, paths, strict=True)
    ]


def _details(
    root: Path, paths: Sequence[Path], table: LabelTable, notes: list[str]
) -> list[Details]:
    files = [path.relative_to(root).as_posix() for path in paths]
    rows = rows_of_files(table.path, table.names, files)
    num_without = rows.count(None)
    if num_without == len(paths):
        raise DatasetError(
            f"{table.path}: no row fits a file; column {table.chosen['record']} holds"
            f" {table.names[0]!r}, files are named like {files[0]}; name the column with"
            " record_column"
        )
    if num_without:
        notes.append(f"{num_without} of {len(paths)} files have no row in {table.path.name}.")
    return [
        Details(path) if row is None else Details(path, table.about(row))
        for path, row in zip(paths, rows, strict=True)
    ]


def _with_marks(
    root: Path, path: Path, details: Sequence[Details], notes: list[str]
) -> list[Details]:
    """The files with the waves that a CSV has of them; None for those that it does not name."""
    table = wave_marks.read_table(path)
    names = list(table)
    rows = rows_of_files(path, names, [each.path.relative_to(root).as_posix() for each in details])
    if set(rows) == {None}:
        raise DatasetError(f"{path}: no row fits a file; its first record is {names[:1]}")
    notes.append(f"{len(rows) - rows.count(None)} of {len(rows)} files have marked waves.")
    return [
        each if row is None else replace(each, marks=table[names[row]])
        for each, row in zip(details, rows, strict=True)
    ]


def _shared_patients(path: Path, about: Sequence[About]) -> str:
    sides: dict[str, set[str]] = {}
    for each in about:
        if each.patient_id is not None and each.split is not None:
            sides.setdefault(each.patient_id, set()).add(each.split)
    shared = [patient for patient, splits in sides.items() if len(splits) > 1]
    if not shared:
        return ""
    listed = ", ".join(f"{who} in {' and '.join(sorted(sides[who]))}" for who in shared[:3])
    are = "1 patient is" if len(shared) == 1 else f"{len(shared)} patients are"
    return f"{path}: {are} on more than one side of its split ({listed})"
