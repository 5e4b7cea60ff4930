"""What an array file does not say about itself: rate, leads and unit, from a JSON beside it.

`ecg.npy` looks for `ecg.json`, then for `anylead.json`, which speaks for every file of its folder:

    {"sample_rate": 500, "leads": ["I", "II", "V1"], "unit": "mV"}

and, where known, `patient_id`, `age`, `sex`, `start_time`, `diagnosis`. What the caller states goes
before the side-car, and that before what the file itself holds.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import (
    About,
    Channel,
    build_record,
    join_leads,
    parse_age,
    parse_sex,
)
from anylead.formats.beside import FOLDER_FILE, side_car
from anylead.formats.channels import Rename, choose, is_ecg_name
from anylead.formats.times import is_time, rate_in_hertz, seconds_per_unit, settle_rate
from anylead.formats.units import split_unit
from anylead.records import Record

KEYS = {
    "sample_rate": (
        *("sample_rate", "sample_rate_hz", "sampling_rate", "sampling_frequency"),
        *("sfreq", "fs", "frequency", "srate"),
    ),
    "leads": ("leads", "lead_names", "sig_name", "signal_names", "channels", "channel_names"),
    "unit": ("unit", "units"),
    "patient_id": ("patient_id", "patient", "subject_id", "subject"),
    "age": ("age",),
    "sex": ("sex", "gender"),
    "start_time": ("start_time", "start", "date"),
    "diagnosis": ("diagnosis", "report"),
}
# Columns that are alike in all lines of one recording.
RECORDINGS = (
    *("record", "record_id", "record_name", "recording", "recording_id", "file", "filename"),
    *("ecg_id", "exam_id", "patient", "patient_id", "subject", "subject_id"),
)
MAX_KEY = 100
DATA_KEYS = ("val", "signal", "signals", "ecg", "data", "p_signal", "tracings", "x")


@dataclass(frozen=True)
class Stated:
    """What the caller states about an array; None leaves it to the side-car or the file."""

    sample_rate: float | None = None
    leads: Sequence[str] | None = None
    unit: str | None = None
    rename: Rename | None = None

    def plain(self) -> dict[str, Any]:
        """The same in types that JSON knows."""
        leads = None if self.leads is None else [str(lead) for lead in self.leads]
        rate = None if self.sample_rate is None else float(self.sample_rate)
        rename = None if self.rename is None else dict(self.rename)
        return {"sample_rate": rate, "leads": leads, "unit": self.unit, "rename": rename}

    def over(self, path: Path, inside: Mapping[str, Any]) -> dict[str, Any]:
        """Everything known: `inside` the file, overruled by the side-car, overruled by this."""
        own: dict[str, Any] = {
            "sample_rate": self.sample_rate,
            "leads": self.leads,
            "unit": self.unit,
            "rename": self.rename,
        }
        stated = {name: value for name, value in own.items() if value is not None}
        return {**by_meaning(inside), **by_meaning(side_car(path)), **stated}


class ReadArray(Protocol):
    """The `read` of a format that does not tell all about its numbers."""

    def __call__(
        self,
        path: Path,
        sample_rate: float | None = None,
        leads: Sequence[str] | None = None,
        unit: str | None = None,
        rename: Rename | None = None,
    ) -> Record:
        """The one recording of a file.

        Args:
            path: the file.
            sample_rate: Hz; None takes it from the side-car or the file, as for the others.
            leads: names of the rows of an array or of the columns of a table.
            unit: of the numbers ("mV"), "NU" for none.
            rename: name of a channel -> its lead.

        Raises:
            FormatError: broken, several recordings, or rate, leads or unit are nowhere stated.
        """
        ...


def with_statements(read: Callable[[Path, Stated], Record]) -> ReadArray:
    """The reader `read(path, stated)` with an argument for each thing that a caller may state."""

    def read_array(
        path: Path,
        sample_rate: float | None = None,
        leads: Sequence[str] | None = None,
        unit: str | None = None,
        rename: Rename | None = None,
    ) -> Record:
        return read(path, Stated(sample_rate, leads, unit, rename))

    read_array.__doc__ = read.__doc__
    return read_array


def by_meaning(found: Mapping[str, Any]) -> dict[str, Any]:
    """Pick out the keys of `KEYS` under any of their names, in any spelling."""
    lower = {_spelled(str(key)): value for key, value in found.items()}
    return {
        meaning: lower[name]
        for meaning, names in KEYS.items()
        for name in reversed(names)
        if name in lower and lower[name] is not None
    }


def counts_recordings(key: str) -> bool:
    """Whether a column tells which recording, file or person a line belongs to."""
    return _spelled(key) in RECORDINGS


def several(path: Path, number: int, key: str) -> FormatError:
    """For a table of several recordings one below the other, which would be read as one."""
    return FormatError(
        f"{path}: {number} recordings by its column {key!r}; want one per file, split it"
    )


def is_fact(key: str) -> bool:
    """Whether a word stands for something that is to be known about an array."""
    word = _spelled(key)
    return any(word in names for names in KEYS.values())


def _spelled(key: str) -> str:
    """patient_id of "Patient ID", sampling_rate of "Sampling Rate (Hz)"."""
    bare = re.sub(r"\s*[(\[][^()\[\]]*[)\]]$", "", key.strip()[:MAX_KEY])
    return re.sub(r"[\s_-]+", "_", bare.lower())


def array_record(path: Path, array: NDArray[Any], known: Mapping[str, Any]) -> Record:
    """An array and what is known about it -> Record.

    Args:
        path: the file.
        array: (lead, time), (time, lead) or (time,); axes of length 1 in front are dropped. Which
            of two axes is the lead axis follows from the number of leads.
        known: from `Stated.over`.

    Raises:
        FormatError: rate, leads or unit are not known, or do not fit the array.
    """
    known = complete(path, known)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise FormatError(f"{path}: an array of {array.dtype}; want real numbers")
    shape = array.shape
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    array = array[None] if array.ndim == 1 else array
    leads = known["leads"]
    if array.ndim != 2 or len(leads) not in array.shape:
        raise FormatError(f"{path}: an array of shape {shape} for {len(leads)} leads; state others")
    rows = array if len(array) == len(leads) else array.T
    units = known["unit"]
    channels = [Channel(*both) for both in zip(leads, rows, units, strict=True)]
    return build_record(path, channels, known["sample_rate"], about(known), known.get("rename"))


def table_record(
    path: Path,
    columns: Sequence[tuple[str, str]],
    read_columns: Callable[[Sequence[int]], list[NDArray[np.float64]]],
    known: Mapping[str, Any],
) -> Record:
    """A table with a column for each lead, and perhaps one of times -> Record.

    Args:
        path: the file.
        columns: (name, unit) of each; the unit is "" where the column does not tell.
        read_columns: numbers of columns -> their values; the others may hold anything.
        known: from `Stated.over`.

    Raises:
        FormatError: no lead, or rate or unit are not known, or the times deny the rate.
    """
    columns = [split_unit(name) if not unit else (name, unit) for name, unit in columns]
    at = [i for i, (name, _) in enumerate(columns) if not is_time(name)]
    units = [columns[i][1] or "mV" for i in at]
    chosen = choose(path, [columns[i][0] for i in at], units, known.get("rename"))
    rows = [at[row] for row in chosen.rows.values()]
    clock = next((i for i in range(len(columns)) if i not in at), None)
    values = read_columns(rows if clock is None else [*rows, clock])
    known = {**known, "leads": list(chosen.rows)}
    if clock is not None:
        times = values.pop() * seconds_per_unit(path, *columns[clock])
        known["sample_rate"] = settle_rate(path, known.get("sample_rate"), times)
    if known.get("unit") is None and all(columns[row][1] for row in rows):
        known["unit"] = [columns[row][1] for row in rows]
    known = complete(path, known)
    leads = zip(chosen.rows, rows, values, known["unit"], strict=True)
    found = {lead: Channel(columns[row][0], each, unit) for lead, row, each, unit in leads}
    return join_leads(path, found, known["sample_rate"], about(known), chosen.left_out)


def columns_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]] | None:
    """Arrays named by leads (and one of times), as columns of a table; None where none is.

    A signal under one of its usual names goes before them.
    """
    rows = {
        name: np.asarray(array, dtype=np.float64).reshape(-1)
        for name, array in arrays.items()
        if array.dtype.kind in "iuf" and array.size == max(array.shape, default=0) > 1
    }
    leads = [name for name in rows if is_ecg_name(split_unit(name)[0])]
    if not leads or any(name.lower() in DATA_KEYS for name in arrays):
        return None
    clocks = [name for name in rows if is_time(split_unit(name)[0])]
    return {name: rows[name] for name in (*leads, *clocks[:1])}


def named_record(
    path: Path,
    columns: Mapping[str, NDArray[np.float64]],
    stated: Stated,
    inside: Mapping[str, Any],
) -> Record:
    """A recording of which each lead is an array of its own; raises as `table_record`."""
    names, inside = own_units([(name, "") for name in columns], inside)
    rows = list(columns.values())
    known = stated.over(path, inside)
    return table_record(path, names, lambda wanted: [rows[i] for i in wanted], known)


def own_units(
    columns: Sequence[tuple[str, str]], inside: Mapping[str, Any]
) -> tuple[list[tuple[str, str]], Mapping[str, Any]]:
    """The unit of a column goes before that of the file, which the other columns have."""
    columns = [(name, unit) if unit else split_unit(name) for name, unit in columns]
    if not any(unit for name, unit in columns if not is_time(name)):
        return columns, inside
    stated = str(by_meaning(inside).get("unit") or "")
    rest = {key: value for key, value in inside.items() if not by_meaning({key: 1}).get("unit")}
    return [(name, unit or ("" if is_time(name) else stated)) for name, unit in columns], rest


def complete(path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Check rate, leads and unit, and turn them into float, list of names, list of units.

    Raises:
        FormatError: one is not known, with the ways to state it; or it makes no sense.
    """
    absent = [name for name in ("sample_rate", "leads", "unit") if known.get(name) is None]
    if absent:
        raise FormatError(
            f"{path}: {', '.join(absent)} not stated; write {path.stem}.json (or {FOLDER_FILE} for"
            ' the whole folder) beside it with {"sample_rate": 500, "leads": ["I", "II"], "unit":'
            ' "mV"}, or pass them to read()'
        )
    leads, unit = names_of(known["leads"]), names_of(known["unit"])
    units = unit * len(leads) if len(unit) == 1 else unit
    try:
        sample_rate = rate_in_hertz(np.asarray(known["sample_rate"]).item())
    except (TypeError, ValueError):
        raise FormatError(f"{path}: sample rate {known['sample_rate']!r}; want Hz") from None
    if not leads or len(units) != len(leads):
        raise FormatError(f"{path}: {len(leads)} leads and {len(units)} units; want one per lead")
    return {**known, "sample_rate": sample_rate, "leads": leads, "unit": units}


def names_of(value: Any) -> list[str]:
    """A list of names, or one text with commas, as arrays, bytes or strings -> list of str."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist()
    if not isinstance(value, (list, tuple)):
        return [str(value)]
    return [name for part in value for name in (names_of(part) if part is not value else [])]


def about(known: Mapping[str, Any]) -> About:
    """Patient, age and so on out of what is known."""

    def text(name: str) -> str | None:
        value = known.get(name)
        if isinstance(value, np.ndarray):
            value = value.item() if value.size == 1 else None
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        # Numbers of patients went through a column of floats: "12.0" is patient 12.
        is_whole = isinstance(value, float) and value.is_integer()
        return None if value is None else str(int(value) if is_whole else value).strip() or None

    return About(
        patient_id=text("patient_id"),
        age=parse_age(text("age") or ""),
        sex=parse_sex(text("sex") or ""),
        start_time=text("start_time"),
        diagnosis=text("diagnosis"),
    )


def find_array(path: Path, arrays: Mapping[str, tuple[int, ...]]) -> str:
    """The name of the array that is the signal, by its name or because there is only one.

    Args:
        path: the file.
        arrays: name -> shape of everything numeric in the file.

    Raises:
        FormatError: none, or several that could be it.
    """
    known_names = {name for names in KEYS.values() for name in names}
    lower = {name.lower(): name for name in arrays}
    for key in DATA_KEYS:
        if key in lower:
            return lower[key]
    others = [
        name
        for name, shape in arrays.items()
        if name.lower() not in known_names and int(np.prod(shape, dtype=object)) > 1
    ]
    if len(others) != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in arrays.items())[:300] or "nothing"
        raise FormatError(f"{path}: holds {listed}; name the signal one of {', '.join(DATA_KEYS)}")
    return others[0]
