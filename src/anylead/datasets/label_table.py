"""A user's table about recordings: which column is what, what its cells say, which row is whose.

A column of flags (0 and 1, yes and no, TRUE and FALSE) is one class of a common task, where an
empty cell means that nobody looked; a column of words is a task of its own; a column of numbers is
a measurement, kept where it is named as a label column. Nothing is decided in silence:
`LabelTable.summary` tells all of it.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anylead.datasets.cells import cell, flag, number, split_labels
from anylead.datasets.layout import table
from anylead.errors import DatasetError, FormatError
from anylead.formats.guard import check_regular
from anylead.formats.wfdb import parse_age
from anylead.records import Split

Row = Mapping[str, str]

# Names of columns in lower case, anything that is no letter or digit as "_".
_GUESSES = {
    "record": ("record", "record_id", "filename", "file_name", "file", "path", "ecg_id", "id"),
    "patient": ("patient_id", "patientid", "patient", "subject_id", "subject", "person"),
    "split": ("split", "subset"),
    "fold": ("strat_fold", "fold"),
    "age": ("age",),
    "sex": ("sex", "gender"),
}
_LABEL_NAMES = ("labels", "label", "diagnosis", "dx", "class", "classes", "super_class", "rhythm")
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_NOBODY = {"unknown", "anonymous", "anon"}
_MOST_CLASSES = 20  # that a summary lists for one task
_RARE = 5  # recordings


@dataclass(frozen=True)
class Tasks:
    """Columns of labels: texts make a task each, flags make one together, numbers none."""

    texts: tuple[str, ...]
    flags: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    @property
    def flag_task(self) -> str:
        """Name of the task that the columns of flags make."""
        return "flags" if "labels" in self.texts else "labels"


@dataclass(frozen=True)
class About:
    """What a row says about its recording; None or absent where it says nothing."""

    patient_id: str | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split | None = None
    fold: int | None = None
    age: float | None = None
    sex: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)


class LabelTable:
    """A table whose columns are understood; `names` is what its rows call their files.

    Args:
        path: CSV (comma, semicolon, tab; UTF-8, UTF-16) or Parquet.
        columns: "record" and "patient" -> the column, None guesses by usual names.
        label_columns: each is a label column; None guesses.

    Raises:
        DatasetError: no such column, or one whose cells are not what the column is for.
    """

    def __init__(
        self, path: Path, columns: Mapping[str, str | None], label_columns: Sequence[str] | None
    ):
        self.path = path
        self.rows: list[Row] = _rows(path)
        self.header = [name for name in self.rows[0] if name]
        named = {what: self._column(name) for what, name in columns.items() if name is not None}
        wanted = None if label_columns is None else [self._column(name) for name in label_columns]
        self.chosen = self._choose(named)
        self.dropped: dict[str, str] = {}
        self.tasks = self._tasks(wanted)
        self.names = self._names()
        self._patient_ids = _one_spelling(self.cells("patient"))

    def cells(self, what: str) -> list[str]:
        """The cells of a chosen column; none where there is no such column."""
        return [row[self.chosen[what]] for row in self.rows] if what in self.chosen else []

    def _names(self) -> list[str]:
        """What the rows call their files, in posix spelling."""
        found = []
        for name in self.cells("record"):
            if not name:
                raise DatasetError(f"{self.path}: a row without {self.chosen['record']}")
            name = re.sub(r"(?<=\d)\.0$", "", name) if name.count(".") == 1 else name
            found.append(name.replace("\\", "/").removeprefix("./"))
        twice = [name for name, count in Counter(found).items() if count > 1]
        if twice:
            raise DatasetError(
                f"{self.path}: {self.chosen['record']} {twice[0]!r} stands in two rows"
            )
        return found

    def about(self, number_of_row: int) -> About:
        """What a row says.

        Raises:
            DatasetError: a split or fold that is none.
        """
        row = self.rows[number_of_row]
        labels = {name: split_labels(row[name], ";|") for name in self.tasks.texts if row[name]}
        unknown: dict[str, tuple[str, ...]] = {}
        told = {name: flag(row[name]) for name in self.tasks.flags}
        if any(each is not None for each in told.values()):
            labels[self.tasks.flag_task] = tuple(name for name in told if told[name])
            missing = tuple(name for name in told if told[name] is None)
            unknown = {self.tasks.flag_task: missing} if missing else {}
        patient = self._cell(row, "patient")
        return About(
            patient_id=None if patient is None else self._patient_ids.get(patient),
            labels=labels,
            unknown=unknown,
            split=self._split(row),
            fold=self._fold(row),
            age=parse_age(self._cell(row, "age")),
            sex=self._cell(row, "sex"),
            measurements=self._measurements(row),
        )

    def summary(self, about: Sequence[About]) -> str:
        """Several lines on what the rows that have a file say, before anything is written."""
        patients = Counter(each.patient_id for each in about if each.patient_id is not None)
        told = [f"{what} = {column}" for what, column in self.chosen.items()]
        lines = [f"Columns of {self.path.name}: {'; '.join(told)}."]
        without = len(about) - sum(patients.values())
        lines.append(
            f"{len(about):,} of {len(self.rows):,} rows fit a file; {len(patients):,} patients"
            + (f", {without:,} recordings without one" if without else "")
        )
        for task in (*self.tasks.texts, *([self.tasks.flag_task] if self.tasks.flags else ())):
            lines += _task_lines(task, self.tasks, about)
        lines += [_measurement_line(name, about) for name in self.tasks.numbers]
        if self.dropped:
            reasons = [f"{name} ({reason})" for name, reason in self.dropped.items()]
            lines.append(f"Columns that are no labels: {', '.join(reasons)}.")
        return "\n".join(lines)

    def _column(self, wanted: str) -> str:
        by_key = {_key(name): name for name in self.header}
        found = wanted if wanted in self.header else by_key.get(_key(wanted))
        if found is None:
            raise DatasetError(
                f"{self.path}: no column {wanted!r}; it has {', '.join(self.header)}"
            )
        return found

    def _choose(self, named: Mapping[str, str]) -> dict[str, str]:
        by_key = {_key(name): name for name in reversed(self.header)}
        chosen = {}
        for what, guesses in _GUESSES.items():
            guessed = next((by_key[guess] for guess in guesses if guess in by_key), None)
            column = named.get(what, guessed)
            if column is not None:
                chosen[what] = column
        if "record" not in chosen:
            raise DatasetError(
                f"{self.path}: no column that names the files; name one of"
                f" {', '.join(self.header)} with record_column"
            )
        return chosen

    def _tasks(self, wanted: Sequence[str] | None) -> Tasks:
        taken = set(self.chosen.values())
        texts, flags, numbers = [], [], []
        for name in wanted or [name for name in self.header if name not in taken]:
            kind = _kind([row[name] for row in self.rows])
            is_label = wanted is not None or _key(name) in _LABEL_NAMES
            if kind == "flags":
                flags.append(name)
            elif kind == "words" and is_label:
                texts.append(name)
            elif kind == "numbers" and wanted is not None:
                numbers += [] if name == self.chosen.get("age") else [name]
            elif wanted is not None:
                raise DatasetError(
                    f"{self.path}: column {name!r} holds {_KINDS[kind]} and cannot be a label;"
                    " leave it out of label_columns"
                )
            else:
                self.dropped[name] = _KINDS[kind]
        return Tasks(tuple(texts), tuple(flags), tuple(numbers))

    def _measurements(self, row: Row) -> dict[str, float]:
        found = {}
        for name in self.tasks.numbers:
            value = number(row[name])
            if row[name] and (value is None or not math.isfinite(value)):
                raise DatasetError(
                    f"{self.path}: {name} {row[name]!r} of {row[self.chosen['record']]}; want one"
                    " number"
                )
            if value is not None:
                found[name] = value
        return found

    def _cell(self, row: Row, what: str) -> str | None:
        return row[self.chosen[what]] or None if what in self.chosen else None

    def _split(self, row: Row) -> Split | None:
        word = self._cell(row, "split")
        if word is None:
            return None
        if word.lower() not in _SPLITS:
            raise DatasetError(
                f"{self.path}: {self.chosen['split']} {word!r} of {row[self.chosen['record']]};"
                f" known are {', '.join(_SPLITS)}"
            )
        return _SPLITS[word.lower()]

    def _fold(self, row: Row) -> int | None:
        text = self._cell(row, "fold")
        value = None if text is None else number(text)
        if text is not None and (value is None or value != round(value) or abs(value) >= 2**15):
            raise DatasetError(
                f"{self.path}: {self.chosen['fold']} {text!r} of {row[self.chosen['record']]};"
                " want a whole number"
            )
        return None if value is None else int(value)


_NAME_IT = "name it in label_columns"
_KINDS = {
    "nothing": "no value",
    "numbers": f"numbers; {_NAME_IT} for --task regression",
    "words": f"words; {_NAME_IT}",
}


def _kind(cells: Sequence[str]) -> str:
    """What a column holds: "nothing", "flags", "numbers" or "words"."""
    filled = {text for text in cells if text}
    if not filled:
        return "nothing"
    if all(flag(text) is not None for text in filled):
        return "flags"
    names = {name for text in filled for name in split_labels(text, ";|")}
    # Codes of SNOMED CT have 6 to 18 digits and stand for diagnoses.
    numbers = {
        name
        for name in names
        if number(name) is not None and not (name.isdecimal() and 6 <= len(name) <= 18)
    }
    return "numbers" if len(numbers) > 1 or numbers == names != set() else "words"


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def _one_spelling(patients: Sequence[str]) -> dict[str, str]:
    """Cell -> patient: "7", "7.0" and "007" of one table are the same person."""
    first: dict[str, str] = {}
    found = {}
    for text in patients:
        if not text or text.lower() in _NOBODY:
            continue
        plain = re.sub(r"(?<=\d)\.0+$", "", text) if re.fullmatch(r"\d+\.0+", text) else text
        key = plain.lstrip("0") if plain.isdecimal() else plain
        found[text] = first.setdefault(key, plain)
    return found


def _task_lines(task: str, tasks: Tasks, about: Sequence[About]) -> list[str]:
    """A line on each class of a task, and warnings about classes that cannot be learnt."""
    labelled = [each for each in about if task in each.labels]
    positive = Counter(name for each in labelled for name in each.labels[task])
    unknown = Counter(name for each in labelled for name in each.unknown.get(task, ()))
    names = list(tasks.flags) if task not in tasks.texts else sorted(positive, key=positive.get)  # type: ignore[arg-type]
    if task in tasks.texts:
        names.reverse()
    lines = [f"task {task} = {', '.join(names[:_MOST_CLASSES])}: {len(labelled):,} labelled"]
    unlabelled = len(about) - len(labelled)
    problems: dict[str, list[str]] = {}
    for name in names:
        yes, unclear = positive[name], unknown[name] + unlabelled
        no = len(about) - yes - unclear
        if len(lines) <= _MOST_CLASSES:
            lines.append(f"  {name}: {yes:,} positive, {no:,} negative, {unclear:,} unknown")
        problem = (
            "without a positive" if not yes
            else "without a negative" if not no
            else f"in fewer than {_RARE} recordings" if yes < _RARE
            else ""
        )  # fmt: skip
        if problem:
            problems.setdefault(problem, []).append(name)
    if len(names) > _MOST_CLASSES:
        lines.append(f"  ({len(names) - _MOST_CLASSES} more classes)")
    folded = Counter(name.casefold() for name in names)
    alike = [name for name in names if folded[name.casefold()] > 1]
    if alike:
        problems["that differ by capitals only"] = alike
    lines += [
        f"warning: task {task}: classes {problem}: {', '.join(found[:_MOST_CLASSES])}"
        for problem, found in problems.items()
    ]
    return lines


def _measurement_line(name: str, about: Sequence[About]) -> str:
    """How many recordings have a number, and what it is like."""
    known = [each.measurements[name] for each in about if name in each.measurements]
    if not known:
        return f"warning: measurement {name}: known of no recording"
    mean = sum(known) / len(known)
    return (
        f"measurement {name}: known of {len(known):,} recordings, {min(known):g} to {max(known):g},"
        f" mean {mean:.4g}"
    )


def _rows(path: Path) -> list[Row]:
    if path.suffix.lower() not in (".parquet", ".pq"):
        rows: list[Row] = list(table(path))
    else:
        import pyarrow.parquet as pq

        try:
            check_regular(path)
            values: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        except FormatError as error:
            raise DatasetError(str(error)) from None
        except Exception as error:  # arrow raises errors of many kinds
            raise DatasetError(f"{path}: cannot be read ({error})") from None
        rows = [{str(k).strip(): _text(v) for k, v in row.items()} for row in values]
    if not rows:
        raise DatasetError(f"{path}: no rows")
    return rows


def _text(value: Any) -> str:
    """A value of a Parquet table as a cell of text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return cell(value.decode("utf-8", errors="replace"))
    if isinstance(value, list | tuple | set):
        names = [_text(item) for item in value]
        # An empty list says that nothing was found, as "[]" does.
        return ";".join(name for name in names if name) or "[]"
    return cell(str(value))
