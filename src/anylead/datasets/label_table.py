"""A user's table about recordings: which column is what, what its cells say, which row is whose.

A column of flags (0 and 1, yes and no, TRUE and FALSE) is one class of a common task, where an
empty cell means that nobody looked; a column of words is a task of its own; a column of numbers is
a measurement, kept where it is named as a label column. Nothing is decided in silence:
`LabelTable.summary` tells all of it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anylead.datasets.cells import NOBODY, code, flag, number, one_spelling, split_labels
from anylead.datasets.layout import table
from anylead.errors import DatasetError
from anylead.formats.assemble import Sex, parse_age, parse_sex
from anylead.records import Split

Row = Mapping[str, str]

# Names of columns in lower case, anything that is no letter or digit as "_".
_GUESSES = {
    "record": ("record", "record_id", "filename", "file_name", "file", "path", "ecg_id", "id"),
    "patient": (
        *("patient_id", "patientid", "patient", "subject_id", "subject", "person", "person_id"),
        *("participant_id", "participant", "pat_id", "pid", "mrn"),
    ),
    "split": ("split", "subset"),
    "fold": ("strat_fold", "fold"),
    "age": ("age",),
    "sex": ("sex", "gender"),
}
# What pandas makes of an index without a name.
_INDEX = re.compile(r"unnamed_\d+(_level_\d+)?|index|level_\d+|index_level_\d+")
_LABEL_NAMES = ("labels", "label", "diagnosis", "dx", "class", "classes", "super_class", "rhythm")
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
_NO_ANSWER = {"", "u", "o", "other", *NOBODY}
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
    sex: Sex | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)


class LabelTable:
    """A table whose columns are understood; `names` is what its rows call their files.

    Args:
        path: CSV (comma, semicolon, tab; UTF-8, UTF-16) or Parquet.
        columns: "record" and "patient" -> the column, None guesses by usual names.
        label_columns: each is a label column; None guesses.
        rows: of a table in memory, in place of those of a file.

    Raises:
        DatasetError: no such column, or one whose cells are not what the column is for.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str | None],
        label_columns: Sequence[str] | None,
        rows: Sequence[Row] = (),
    ):
        self.path = path
        self.rows: list[Row] = list(rows or table(path))
        if not self.rows:
            raise DatasetError(f"{path}: no rows")
        self.header = [name for name in self.rows[0] if name]
        named = {what: self._column(name) for what, name in columns.items() if name is not None}
        wanted = (
            None if label_columns is None else list(dict.fromkeys(map(self._column, label_columns)))
        )
        self.chosen = self._choose(named)
        self.dropped: dict[str, str] = {}
        self.tasks = self._tasks(wanted)
        self._separators = {name: _separators(self._column_of(name)) for name in self.tasks.texts}
        self.names = self._names()
        self._patient_ids = one_spelling(path, self.cells("patient"))

    def cells(self, what: str) -> list[str]:
        """The cells of a chosen column; none where there is no such column."""
        return self._column_of(self.chosen[what]) if what in self.chosen else []

    def _column_of(self, name: str) -> list[str]:
        return [row[name] for row in self.rows]

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
        labels = {
            name: split_labels(row[name], self._separators[name])
            for name in self.tasks.texts
            if row[name]
        }
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
            sex=parse_sex(self._cell(row, "sex")),
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
        on_no_side = sum(each.split is None for each in about)
        if 0 < on_no_side < len(about):
            left = f"warning: split: {on_no_side:,} recordings on no side"
            lines.append(f"{left} are neither learned from nor scored")
        for task in (*self.tasks.texts, *([self.tasks.flag_task] if self.tasks.flags else ())):
            lines += _task_lines(task, self.tasks, about)
        lines += [_measurement_line(name, about) for name in self.tasks.numbers]
        lines += self._not_understood()
        if self.dropped:
            reasons = [f"{name} ({reason})" for name, reason in self.dropped.items()]
            lines.append(f"Columns that are no labels: {', '.join(reasons)}.")
        return "\n".join(lines)

    def _not_understood(self) -> list[str]:
        """Warnings about cells that stand for an age or a sex and are none."""
        lines = []
        for what, parse in (("age", parse_age), ("sex", parse_sex)):
            filled = {text for text in self.cells(what) if text.lower() not in _NO_ANSWER}
            strange = sorted(text for text in filled if parse(text) is None)
            if strange:
                listed = ", ".join(map(repr, strange[:3]))
                lines.append(f"warning: {what} = {self.chosen[what]}: no {what} in {listed}")
        return lines

    def _column(self, wanted: str) -> str:
        by_key = {_key(name): name for name in self.header}
        found = wanted if wanted in self.header else by_key.get(_key(wanted))
        if found is None:
            raise DatasetError(
                f"{self.path}: no column {wanted!r}; it has {', '.join(self.header)}"
            )
        return found

    def _choose(self, named: Mapping[str, str]) -> dict[str, str]:
        chosen = {**guessed(self.header), **named}
        if "record" not in chosen:
            raise DatasetError(
                f"{self.path}: no column that names the files; name one of"
                f" {', '.join(self.header)} with record_column"
                + "; only one column was found: divide cells by commas"
                * (len(self.header) == 1)
            )
        return chosen

    def _tasks(self, wanted: Sequence[str] | None) -> Tasks:
        by_rule = {guess for guesses in _GUESSES.values() for guess in guesses}
        taken = {
            name for name in self.header if _key(name) in by_rule or _INDEX.fullmatch(_key(name))
        }
        taken |= set(self.chosen.values())
        texts, flags, numbers = [], [], []
        for name in wanted or [name for name in self.header if name not in taken]:
            cells = self._column_of(name)
            kind = _kind(cells)
            if wanted and all(number(text) is not None for text in cells if text):
                kind = "numbers" if kind == "flags and more" else kind
            is_label = wanted is not None or _key(name) in _LABEL_NAMES
            if kind == "flags":
                flags.append(name)
            elif kind == "words" and is_label:
                texts.append(name)
            elif kind == "numbers" and wanted is not None:
                _check_thousands(self.path, name, cells)
                numbers += [] if name == self.chosen.get("age") else [name]
            elif wanted is not None:
                raise DatasetError(
                    f"{self.path}: column {name!r} cannot be a label: {_told(kind, cells)}"
                )
            else:
                self.dropped[name] = _told(kind, cells)
        return Tasks(tuple(texts), tuple(flags), tuple(numbers))

    def _measurements(self, row: Row) -> dict[str, float]:
        found = {}
        for name in self.tasks.numbers:
            value = number(row[name])
            if row[name] and value is None:
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


def guessed(header: Sequence[str]) -> dict[str, str]:
    """What is usually told under such names -> the column, in order of importance."""
    by_key = {_key(name): name for name in reversed(header)}
    found = {
        what: next((by_key[guess] for guess in guesses if guess in by_key), None)
        for what, guesses in _GUESSES.items()
    }
    return {what: column for what, column in found.items() if column is not None}


def _kind(cells: Sequence[str]) -> str:
    """What a column holds: "nothing", "flags", "flags and more", "numbers" or "words"."""
    filled = {text for text in cells if text}
    if not filled:
        return "nothing"
    others = {text for text in filled if flag(text) is None}
    if not others:
        return "flags"
    if {flag(text) for text in filled - others} == {True, False} and all(
        number(text) in (None, -1) for text in others
    ):
        return "flags and more"
    names = {name for text in filled for name in split_labels(text, _separators(cells))}
    # Codes of SNOMED CT stand for diagnoses.
    is_number = any(number(name) is not None and code(name) is None for name in names)
    return "numbers" if is_number else "words"


def _told(kind: str, cells: Sequence[str]) -> str:
    """What a column holds that is no label, and what to do with it."""
    others = sorted({text for text in cells if text and flag(text) is None})
    return {
        "nothing": "no value",
        "flags and more": f"0 and 1 beside {', '.join(map(repr, others[:3]))}; empty the cells of"
        " which nothing is known",
        "numbers": "numbers; name it in label_columns for --task regression",
        "words": "words; name it in label_columns",
    }[kind]


def _separators(cells: Sequence[str]) -> str:
    """What divides the labels in a column; a comma does where single words stand around it."""
    parts = [part for text in cells if "," in text for part in text.split(",")]
    return ";|," if all(len(part.split()) == 1 for part in parts) else ";|"


def _check_thousands(path: Path, name: str, cells: Sequence[str]) -> None:
    """Refuse a column in which "1,200" may be 1200 and may be 1.2."""
    with_comma = [text for text in cells if "," in text]
    rest = [text for text in cells if text and "," not in text]
    is_open = all(map(_THOUSANDS.fullmatch, with_comma)) and all(map(str.isdecimal, rest))
    if with_comma and is_open:
        raise DatasetError(
            f"{path}: {name} {with_comma[0]!r}: one number or a thousand times it? Write it without"
            " a comma"
        )


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


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
