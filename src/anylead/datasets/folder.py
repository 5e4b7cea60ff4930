"""Any folder of ECG files of known formats, with or without a table of labels and patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from anylead import formats
from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, number, split_labels, table
from anylead.errors import AnyleadError, DatasetError, FormatError
from anylead.formats.wfdb import parse_age, parse_sex
from anylead.formats.wfdb_header import read_header
from anylead.records import Record, Split

# Files with one of these endings are ECGs or are rejected; others only if their content says so.
_ENDINGS = (
    *(".hea", ".mat", ".dat", ".edf", ".bdf", ".dcm", ".xml", ".scp", ".ecg", ".h5", ".hdf5"),
    *(".csv", ".tsv", ".npy", ".npz", ".parquet", ".arrow", ".feather"),
)
_GUESSES = {
    "record": ("record", "record_id", "filename", "file_name", "file", "path", "ecg_id", "id"),
    "patient": ("patient_id", "patient", "subject_id", "subject", "person"),
    "split": ("split", "subset"),
    "fold": ("strat_fold", "fold"),
    "age": ("age",),
    "sex": ("sex", "gender"),
}
_LABEL_NAMES = ("labels", "label", "diagnosis", "dx", "class", "classes", "super_class", "rhythm")
_TRUE = {"1", "1.0", "True", "true"}
_FLAGS = {"0", "0.0", "False", "false", "", *_TRUE}
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Details:
    """A file and what the table says about it; None or absent where it says nothing."""

    path: Path
    patient_id: str | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split | None = None
    fold: int | None = None
    age: float | None = None
    sex: str | None = None


@dataclass(frozen=True)
class Tasks:
    """Columns of labels: texts make a task each, columns of 0 and 1 make one together."""

    texts: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def flag_task(self) -> str:
        """Name of the task that the columns of 0 and 1 make."""
        return "flags" if "labels" in self.texts else "labels"


def corpus(
    root: Path | None,
    labels: str | None = None,
    record_column: str | None = None,
    patient_column: str | None = None,
    label_columns: list[str] | None = None,
    rename: str = "",
) -> Corpus:
    """List the ECG files under a folder.

    Args:
        root: searched with all its folders.
        labels: CSV or Parquet table with a row for each file; None takes what the files tell.
        record_column: holds the file of a row, as path from `root` or as name, with or without
            ending; None guesses.
        patient_column: None guesses.
        label_columns: each becomes a label task, several labels in a cell divided by ";" or "|";
            columns of only 0 and 1 become the task "labels" together. None guesses.
        rename: the lead behind a channel's name, such as "ECG=I".

    Raises:
        DatasetError: no file, no such column, or no row that fits a file.
    """
    root = corpus_folder(root, "ECG files")
    table_path = None if labels is None else Path(labels)
    paths, num_other = list_files(root, table_path)
    if not paths:
        raise DatasetError(
            f"{root}: no file of a known ECG format ({num_other} others);"
            f" readable are {', '.join(formats.READERS)}"
        )
    names = _names(root, paths)
    notes = [f"{num_other} files of other kinds were not looked at."] if num_other else []
    if table_path is None:
        details = [Details(path) for path in paths]
    else:
        columns = {"record": record_column, "patient": patient_column}
        details = _details(root, paths, table_path, columns, label_columns, notes)
    items: list[Item] = list(zip(names, details, strict=True))
    read_renamed = partial(read, rename=formats.parse_rename(rename)) if rename else read
    return Corpus("folder", items, read_renamed, {}, " ".join(notes))


def read(item: Item, rename: formats.Rename | None = None) -> Record:
    """One file; what the table says goes before what the file says."""
    record_id, details = item
    record = formats.read(details.path, rename)
    return replace(
        record,
        record_id=record_id,
        patient_id=details.patient_id or record.patient_id,
        labels={**record.labels, **details.labels},
        split=details.split or record.split,
        fold=record.fold if details.fold is None else details.fold,
        age=record.age if details.age is None else details.age,
        sex=parse_sex(details.sex) or record.sex,
    )


def list_files(root: Path, table_path: Path | None) -> tuple[list[Path], int]:
    """ECG files, sorted, and how many others there are."""
    taken: list[Path] = []
    num_other = 0
    every = sorted(path for path in root.rglob("*") if path.is_file())
    headers = {path.with_suffix("") for path in every if path.suffix.lower() == ".hea"}
    parts = _segments(headers)
    for path in every:
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        is_table = table_path is not None and path.resolve() == table_path.resolve()
        stem = path.with_suffix("")
        if hidden or is_table or stem in parts:
            continue
        if stem in headers:  # samples and annotations belong to the header
            if path.suffix.lower() == ".hea":
                taken.append(path)
        elif path.suffix.lower() in _ENDINGS or _is_ecg(path):
            taken.append(path)
        else:
            num_other += 1
    return taken, num_other


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
        name if counts[name] == 1 else path.relative_to(root).as_posix()
        for name, path in zip(short, paths, strict=True)
    ]


def _details(
    root: Path,
    paths: Sequence[Path],
    table_path: Path,
    columns: dict[str, str | None],
    label_columns: list[str] | None,
    notes: list[str],
) -> list[Details]:
    rows = _rows(table_path)
    header = list(rows[0])
    named = [*columns.values(), *(label_columns or ())]
    unknown = [name for name in named if name is not None and name not in header]
    if unknown:
        raise DatasetError(
            f"{table_path}: no column {', '.join(map(repr, unknown))}; it has {', '.join(header)}"
        )
    chosen = _choose(table_path, header, columns)
    tasks = _tasks(rows, header, label_columns, set(chosen.values()))
    told = [f"{what} = {column}" for what, column in chosen.items()]
    told += [f"task {name}" for name in tasks.texts]
    told += [f"task {tasks.flag_task} = {', '.join(tasks.flags)}"] if tasks.flags else []
    notes.append(f"Columns of {table_path.name}: {'; '.join(told)}.")
    by_key = _by_key(table_path, rows, chosen["record"])
    details = []
    num_without = 0
    for path in paths:
        relative = path.relative_to(root)
        keys = (relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem)
        row = next((by_key[key] for key in keys if key in by_key), None)
        num_without += row is None
        details.append(Details(path) if row is None else _detail(path, row, chosen, tasks))
    if num_without == len(paths):
        example = rows[0][chosen["record"]]
        raise DatasetError(
            f"{table_path}: no row fits a file; column {chosen['record']} holds {example!r},"
            f" files are named like {paths[0].relative_to(root)}; name the column with"
            " record_column"
        )
    if num_without:
        notes.append(f"{num_without} of {len(paths)} files have no row in {table_path.name}.")
    return details


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        try:
            values: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        except Exception as error:  # arrow raises errors of many kinds
            raise DatasetError(f"{path}: cannot be read ({error})") from None
        rows = [{k: "" if v is None else str(v) for k, v in row.items()} for row in values]
    else:
        rows = list(table(path))
    if not rows:
        raise DatasetError(f"{path}: no rows")
    return rows


def _choose(path: Path, header: list[str], named: dict[str, str | None]) -> dict[str, str]:
    """Which column holds what: as named, else guessed by usual names."""
    by_lower = {name.strip().lower(): name for name in header}
    chosen = {}
    for what, guesses in _GUESSES.items():
        column = named.get(what)
        if column is not None:
            chosen[what] = column
        else:
            found = next((by_lower[guess] for guess in guesses if guess in by_lower), None)
            if found is not None:
                chosen[what] = found
    if "record" not in chosen:
        raise DatasetError(
            f"{path}: no column that names the files; name one of {', '.join(header)} with"
            " record_column"
        )
    return chosen


def _tasks(
    rows: list[dict[str, str]],
    header: list[str],
    label_columns: list[str] | None,
    taken: set[str],
) -> Tasks:
    candidates = label_columns or [name for name in header if name not in taken]
    flags = [name for name in candidates if {row[name].strip() for row in rows} <= _FLAGS]
    texts = [name for name in candidates if name not in flags]
    if label_columns is None:
        texts = [name for name in texts if name.strip().lower() in _LABEL_NAMES]
    return Tasks(tuple(texts), tuple(flags))


def _by_key(path: Path, rows: list[dict[str, str]], column: str) -> dict[str, dict[str, str]]:
    """Rows by every way to write their file, unless two rows claim it."""
    found: dict[str, dict[str, str]] = {}
    twice: set[str] = set()
    for row in rows:
        name = row[column].strip().removeprefix("./")
        if not name:
            raise DatasetError(f"{path}: a row without {column}")
        if name in found:
            raise DatasetError(f"{path}: {column} {name!r} stands in two rows")
        found[name] = row
        for other in (Path(name).name, Path(name).stem):
            if other != name and other in found:
                twice.add(other)
            elif other != name:
                found.setdefault(other, row)
    own = {row[column].strip().removeprefix("./") for row in rows}
    return {key: row for key, row in found.items() if key in own or key not in twice}


def _detail(path: Path, row: dict[str, str], chosen: dict[str, str], tasks: Tasks) -> Details:
    def cell(what: str) -> str:
        return row[chosen[what]].strip() if what in chosen else ""

    labels = {name: split_labels(row[name], ";|") for name in tasks.texts if row[name].strip()}
    if any(row[name].strip() for name in tasks.flags):
        found = tuple(name for name in tasks.flags if row[name].strip() in _TRUE)
        labels[tasks.flag_task] = found
    fold = number(cell("fold"))
    return Details(
        path=path,
        patient_id=cell("patient").removesuffix(".0") or None,
        labels=labels,
        split=_SPLITS.get(cell("split").lower()),
        fold=None if fold is None else int(fold),
        age=parse_age(cell("age")),
        sex=cell("sex") or None,
    )
