"""Recordings as other libraries hold them: tables of pandas, records of wfdb, raw data of MNE.

None of these is imported: an object is known by the package that its type is from.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.datasets.cells import number
from anylead.datasets.label_table import LabelTable, guessed
from anylead.datasets.layout import text_of
from anylead.errors import FormatError
from anylead.formats.channels import choose_in_memory
from anylead.formats.sidecar import KEYS
from anylead.formats.times import is_time, seconds_per_unit, settle_rate
from anylead.formats.units import split_unit
from anylead.records import Record

# Columns that hold what is to be read, and what a Record knows besides.
_SIGNALS = ("signal", "ecg", "path", "file", "filename", "record")
_TABLE = Path("the table")  # in messages
_FACTS = ("record_id", "patient_id", "split", "fold", "age", "sex")
_USUAL = {"patient_id": "patient", "age": "age", "sex": "sex"}
# What an array does not tell itself, under the names that a file beside it may use.
_OF_ARRAYS = ("sample_rate", "leads", "unit")


@dataclass(frozen=True, eq=False)
class Row:
    """A recording in a row of a table.

    Attributes:
        value: its path, array or Record.
        facts: what the row says about it: fields of `Record`, and "sample_rate", "leads" and "unit"
            of an array.
    """

    value: Any
    facts: Mapping[str, Any] = field(default_factory=dict)

    def completed(self, record: Record) -> Record:
        """The recording with what the row says about it."""
        known = {name: value for name, value in self.facts.items() if name not in _OF_ARRAYS}
        known["measurements"] = {**record.measurements, **known.get("measurements", {})}
        labels = known.pop("labels", None)
        if labels is not None:
            known["labels"] = {**record.labels, "labels": labels}
        return replace(record, **known)


def package_of(x: Any) -> str:
    """The package that the type of an object is from."""
    return type(x).__module__.partition(".")[0]


def plain_array(x: Any) -> NDArray[Any]:
    """An array, tensor or list as numpy has it: masked values NaN, tensors without gradient."""
    if package_of(x) == "torch" and type(x).__name__ in ("Tensor", "Parameter"):
        x = x.detach().cpu()
        # numpy has no bfloat16.
        x = (x.float() if x.is_floating_point() and x.itemsize < 4 else x).numpy()
    if isinstance(x, np.ma.MaskedArray):
        is_number = x.dtype.kind in "fiu"
        x = np.ma.filled(x.astype(np.float64), np.nan) if is_number else x.data
    return np.asarray(x)


def is_frame(x: Any) -> bool:
    """Whether this is a table of pandas."""
    return package_of(x) == "pandas" and type(x).__name__ == "DataFrame"


def is_column(x: Any) -> bool:
    """Whether this is a column of pandas, or an array of objects: one recording in each place."""
    if package_of(x) == "pandas":
        return type(x).__name__ in ("Series", "Index")
    return isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "OU"


def rows_of(frame: Any, measurements: Sequence[str] = ()) -> list[Row] | None:
    """The recordings of a table with one in each row; None where its columns are leads.

    The column "signal", "ecg", "path", "file", ... holds arrays or paths, or the only column that
    there is. Columns "record_id", "patient_id", "split", "fold", "age", "sex" and "labels" (texts
    divided by ";") tell about them, patient, age and sex under other usual names too, and
    "sample_rate", "leads" and "unit" (or names like "fs") about arrays, and those named as
    `measurements`.

    Raises:
        FormatError: no such column.
    """
    names = [str(name) for name in frame.columns]
    if _are_leads(frame, names):
        return None
    chosen = [name for name in _SIGNALS if name in names] or (names if len(names) == 1 else [])
    if not chosen:
        others = [name for name in names if not choose_in_memory([split_unit(name)[0]])]
        raise FormatError(
            f"a table with columns {', '.join((others or names)[:6])}: none is called"
            f" {', '.join(_SIGNALS)}, and they are no leads; want recordings in one"
            " column, or a column for each lead"
        )
    measurements = _as_list(measurements)
    absent = [name for name in measurements if name not in names]
    if absent:
        raise FormatError(f"no column {absent[0]!r} in the table; it has {', '.join(names)}")
    return [
        Row(value, {**facts, "measurements": _numbers(row, measurements)})
        for value, row, facts in zip(
            frame[chosen[0]], frame.to_dict("records"), _facts(frame, names), strict=True
        )
    ]


def _are_leads(frame: Any, names: Sequence[str]) -> bool:
    """Whether all columns but one of times hold numbers and are called as leads are."""
    at = [i for i, name in enumerate(names) if not is_time(_name_and_unit(name)[0])]
    leads = [_name_and_unit(names[i])[0] for i in at]
    is_number = all(frame.iloc[:, i].dtype.kind in "fiu" for i in at)
    return is_number and 0 < len(at) >= len(names) - 1 and len(choose_in_memory(leads)) == len(at)


def _name_and_unit(column: str) -> tuple[str, str]:
    """("II", "uV") of "II (uV)", "II [uV]" and "II_uV"; the unit is "" where there is none."""
    found = re.fullmatch(r"(.*?)\s*(?:\(([^()]*)\)|\[([^\[\]]*)\])", column.strip())
    return (found[1], found[2] or found[3] or "") if found else split_unit(column)


def _numbers(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    """The measurements that a row knows.

    Raises:
        FormatError: one is no number.
    """
    try:
        found = {name: float(row[name]) for name in names if row[name] is not None}
    except (TypeError, ValueError) as error:
        raise FormatError(f"a measurement of the table is no number ({error})") from None
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _facts(frame: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """What each row says about its recording, read as a table in a file is.

    Raises:
        DatasetError: a cell that cannot be meant so.
        FormatError: labels that are numbers, or a rate that is none.
    """
    told = _columns_told(names)
    columns = {
        what: [text_of(_TABLE, name, value) for value in frame[name]] for what, name in told.items()
    }
    rows = [
        {"record": str(i), **{name: cells[i] for name, cells in columns.items()}}
        for i in range(len(frame))
    ]
    if not rows:
        return []
    table = LabelTable(_TABLE, {}, None, rows)
    if any(columns.get("labels", ())) and "labels" not in table.tasks.texts:
        raise FormatError("the table: column 'labels' holds numbers or flags; want names of labels")
    found = []
    for i, row in enumerate(rows):
        about = table.about(i)
        facts: dict[str, Any] = {name: getattr(about, name) for name in _FACTS[1:]}
        facts |= {"record_id": row.get("record_id"), "labels": about.labels.get("labels")}
        facts |= {name: row.get(name) for name in ("leads", "unit")}
        if text := row.get("sample_rate"):
            facts["sample_rate"] = number(text)
            if facts["sample_rate"] is None:
                raise FormatError(f"the table: sample_rate {text!r}; want a number of Hz")
        found.append({name: value for name, value in facts.items() if value not in (None, "")})
    return found


def _columns_told(names: Sequence[str]) -> dict[str, str]:
    """Facts and labels -> the column that tells them."""
    usual = guessed(names)
    told = {fact: usual[what] for fact, what in _USUAL.items() if what in usual}
    told |= {name: name for name in (*_FACTS, "labels") if name in names}
    return told | _columns_of_arrays(names)


def unused_columns(frame: Any, measurements: Sequence[str] = ()) -> list[str]:
    """The columns of a table with a recording in each row that nothing is read from."""
    names = [str(name) for name in frame.columns]
    if _are_leads(frame, names):
        return []
    used = {*_SIGNALS, *_columns_told(names).values(), *_as_list(measurements)}
    return [name for name in names if name not in used and len(names) > 1]


def _as_list(names: Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names


def _columns_of_arrays(names: Sequence[str]) -> dict[str, str]:
    """What an array does not tell -> the column that holds it, where there is one."""
    by_key = {name.lower(): name for name in reversed(names)}
    known = {what: [by_key[key] for key in KEYS[what] if key in by_key] for what in _OF_ARRAYS}
    return {what: found[0] for what, found in known.items() if found}


@dataclass(frozen=True, eq=False)
class Columns:
    """A table with a column for each lead.

    Attributes:
        signal: (lead, time) float64, NaN where a cell is empty.
        names: of the leads, as the table spells them.
        units: of each; "" where the column does not tell.
        sample_rate: Hz, what was stated or what a column of times says; None where neither is.
    """

    signal: NDArray[np.float64]
    names: list[str]
    units: list[str]
    sample_rate: float | None


def columns_of(frame: Any, sample_rate: float | None = None) -> Columns:
    """The columns of a table that are leads.

    Args:
        frame: such that `rows_of` gives None.
        sample_rate: Hz, where the caller states it.

    Raises:
        FormatError: a column of times is uneven or denies the stated rate.
    """
    both = [_name_and_unit(str(name)) for name in frame.columns]
    clock = next((i for i, (name, _) in enumerate(both) if is_time(name)), None)
    if clock is not None:
        times = _seconds(frame.iloc[:, clock], *both[clock])
        sample_rate = settle_rate(_TABLE, sample_rate, times)
    at = [i for i in range(len(both)) if i != clock]
    signal = frame.iloc[:, at].astype("float64").to_numpy().T
    return Columns(signal, [both[i][0] for i in at], [both[i][1] for i in at], sample_rate)


def _seconds(column: Any, name: str, unit: str) -> NDArray[np.float64]:
    """A column of numbers, dates or durations as seconds.

    Raises:
        FormatError: it holds something else, or a unit that is no time.
    """
    if column.dtype.kind in "mM":
        return np.asarray((column - column.iloc[0]).dt.total_seconds(), dtype=np.float64)
    if column.dtype.kind not in "fiu":
        raise FormatError(f"the table: column {name!r} holds no numbers; want seconds")
    numbers = np.asarray(column.astype("float64"), dtype=np.float64)
    return numbers * seconds_per_unit(_TABLE, name, unit)


def foreign_record(x: Any, unit_in_mv: Mapping[str, float]) -> Record | None:
    """The Record of an object of wfdb or MNE; None where it is none.

    Raises:
        FormatError: it holds no signal, or its unit is not known.
    """
    if package_of(x) == "wfdb" and type(x).__name__ == "Record":
        return _from_wfdb(x, unit_in_mv)
    if package_of(x) == "mne" and callable(getattr(x, "get_data", None)):
        return _from_mne(x)
    return None


def _from_wfdb(x: Any, unit_in_mv: Mapping[str, float]) -> Record:
    name = str(x.record_name or "")
    if x.p_signal is None:
        raise FormatError(f"{name}: a wfdb record without p_signal; read it with physical=True")
    stated = x.units or [None] * len(x.sig_name)
    if any(unit is None for unit in stated):
        raise FormatError(f"{name}: a wfdb record without units; want one for each signal")
    rows = choose_in_memory(x.sig_name, x.units)
    if not rows:
        raise FormatError(f"{name}: none of the signals {', '.join(x.sig_name)} is a lead in volts")
    units = [x.units[i] for i in rows.values()]
    unknown = sorted(set(units) - unit_in_mv.keys())
    if unknown:
        raise FormatError(f"{name}: unit {unknown[0]!r}; known are {', '.join(unit_in_mv)}")
    factor = np.array([unit_in_mv[unit] for unit in units])
    signal = (x.p_signal.T[list(rows.values())] * factor[:, None]).astype(np.float32)
    return Record(signal, tuple(rows), float(x.fs), name)


def _from_mne(x: Any) -> Record:
    rows = choose_in_memory(x.ch_names)
    if not rows:
        raise FormatError(f"none of the channels {', '.join(x.ch_names[:12])} is a lead")
    signal = 1e3 * np.asarray(x.get_data())[list(rows.values())]  # MNE holds volts
    return Record(signal.astype(np.float32), tuple(rows), float(x.info["sfreq"]))
