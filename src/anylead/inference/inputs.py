"""What a user holds in hand - a path, a Record, an array, or a list of these - as Records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anylead import formats
from anylead.errors import FormatError, LeadError, known_are
from anylead.formats.channels import choose_in_memory
from anylead.inference import in_memory
from anylead.leads import LEAD_SETS, LEADS, has_frank, lead_mask, lead_name
from anylead.records import Record

# mV per unit; NU is no voltage at all.
UNITS = {"mV": 1.0, "V": 1e3, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "nV": 1e-6, "NU": 1.0}
# Below this an ECG has lost what a model looks at; telemetry and long-term recorders stay above.
MIN_SAMPLE_RATE = 100.0

Recording = Any  # a path, a Record, an array, or what `in_memory` knows
Recordings = Any  # one of them, or several


def as_list(x: Recordings, measurements: Sequence[str] = ()) -> tuple[list[Recording], bool]:
    """Several recordings, and whether several were given.

    Args:
        x: one recording, a list, tuple or generator of them, an array (recording, lead, time), a
            table with a recording in each row or a lead in each column, or a column of a table.
        measurements: columns of such a table that hold numbers about the recordings.

    Raises:
        FormatError: an empty list, or a table that holds no recordings.
    """
    if in_memory.is_frame(x):
        rows = in_memory.rows_of(x, measurements)
        items: list[Any] = [x] if rows is None else list(rows)
        is_many = rows is not None
    else:
        is_many = isinstance(x, list | tuple | Iterator) or in_memory.is_column(x) or _is_stack(x)
        items = list(x) if is_many else [x]
    if not items:
        raise FormatError("an empty list: give at least one recording")
    return items, is_many


def unused_columns(x: Recordings, measurements: Sequence[str] = ()) -> list[str]:
    """Columns of a table that nothing is read from; none where `x` is no table."""
    return in_memory.unused_columns(x, measurements) if in_memory.is_frame(x) else []


def as_records(
    items: Iterable[Recording],
    sample_rate: float | None = None,
    leads: str | Sequence[str] | None = None,
    unit: str = "mV",
) -> list[Record]:
    """Read files and give arrays their names.

    Args:
        items: paths, Records, arrays (lead, time), tables with a column for each lead, rows of a
            table, records of wfdb, raw data of MNE.
        sample_rate: Hz of the arrays.
        leads: names of their rows in order, or a set such as "12" in its usual order.
        unit: of the arrays.

    Raises:
        FormatError, LeadError: what cannot be used, and why.
    """
    listed = list(items)
    if not any(map(_is_array, listed)) and not (sample_rate is None and leads is None):
        raise FormatError(
            "sample_rate and leads tell about arrays, and none is given: files and Records have"
            " their own; use_leads= chooses among their leads"
        )
    if not isinstance(unit, str):
        raise FormatError(f"unit {unit!r}; want one for all rows of an array, such as 'uV'")
    names = row_names(leads) if leads is not None else None
    records = [
        as_record(item, f"array {number}", sample_rate, names, unit)
        for number, item in enumerate(listed)
    ]
    for record in records:
        check(record)
    return records


def as_record(
    item: Recording,
    name: str,
    sample_rate: float | None,
    leads: tuple[str, ...] | None,
    unit: str,
) -> Record:
    """One recording; `name` is that of an array, the rest as for `as_records`."""
    if isinstance(item, in_memory.Row):
        facts = item.facts
        own = row_names(facts["leads"]) if "leads" in facts and _is_array(item) else None
        told = (
            _agreed(name, "sample_rate", facts.get("sample_rate"), sample_rate),
            _agreed(name, "leads", own, leads),
            _agreed(name, "unit", facts.get("unit"), None if unit == "mV" else unit) or unit,
        )
        return item.completed(as_record(item.value, name, *told))
    if isinstance(item, Record):
        if not isinstance(item.signal, np.ndarray):
            raise FormatError(f"{_name(item)}: its signal is no numpy array; want float32")
        return item
    if isinstance(item, str | Path):
        return formats.read(item)
    foreign = in_memory.foreign_record(item, UNITS)
    if foreign is not None:
        return foreign
    if in_memory.is_frame(item):
        return _from_frame(item, name, sample_rate, leads, unit)
    return _from_array(item, name, sample_rate, leads, unit)


def _agreed(name: str, what: str, own: Any, stated: Any) -> Any:
    """What a row says about its array, or what is stated for all; None where neither is said."""
    if own is not None and stated is not None and own != stated:
        raise FormatError(f"{name}: {what} {own} in its row, but {what}={stated}; leave one out")
    return stated if own is None else own


def _from_frame(
    frame: Any, name: str, sample_rate: float | None, leads: tuple[str, ...] | None, unit: str
) -> Record:
    """The recording of a table with a column for each lead; its columns say what they are."""
    columns = in_memory.columns_of(frame, sample_rate)
    rows = row_names(columns.names)
    if leads is not None and leads != rows:
        raise LeadError(
            f"{name}: columns {', '.join(rows)}, but leads={', '.join(leads)}; leave out leads=, a"
            " table names its own"
        )
    told = {each for each in columns.units if each}
    if told and unit != "mV" and told != {unit}:
        raise FormatError(
            f"{name}: columns in {', '.join(sorted(told))}, but unit={unit!r}; leave out unit="
        )
    units = [each or unit for each in columns.units]
    unknown = [each for each in units if each not in UNITS]
    if unknown or len({each == "NU" for each in units}) > 1:
        raise FormatError(f"{name}: columns in {', '.join(sorted(set(units)))}; want mV, uV or V")
    factor = [UNITS[each] for each in units]
    signal = columns.signal * np.array(factor)[:, None]
    is_bare = units[0] == "NU"
    return _from_array(signal, name, columns.sample_rate, rows, "NU" if is_bare else "mV")


def row_names(leads: str | Sequence[str]) -> tuple[str, ...]:
    """Names in the order they are given; a named set stands for its usual order.

    Raises:
        LeadError: an unknown name, one that means a lead only beside others (C3, D1, x), or names
            that have no order.
    """
    if isinstance(leads, set | frozenset):
        raise LeadError("leads in a set have no order, rows have one; want a list")
    if isinstance(leads, str):
        if leads.strip() in LEAD_SETS:
            return LEAD_SETS[leads.strip()]
        leads = [part for part in leads.replace(";", ",").split(",") if part.strip()]
    leads = list(leads) if isinstance(leads, Iterable) else [leads]
    names = tuple(lead_name(name) for name in leads)
    taken = choose_in_memory(leads)
    for spelled, name in zip(leads, names, strict=True):
        if name not in taken and spelled.strip() != name:
            raise LeadError(
                f"lead {spelled!r}: may also be an electrode of an EEG or an axis of movement, no"
                f" other name here makes this an ECG; if it is, call it {name}"
            )
    return names


def restrict(record: Record, use_leads: str | Sequence[str]) -> Record:
    """The recording without the leads that are not in a set.

    Raises:
        LeadError: nothing is left.
    """
    wanted = [name for name, is_in in zip(LEADS, lead_mask(use_leads), strict=True) if is_in]
    rows = [i for i, name in enumerate(record.leads) if name in wanted]
    if not rows:
        raise LeadError(
            f"{_name(record)}: has {', '.join(record.leads)}, none of the wanted"
            f" {', '.join(wanted)}"
        )
    return with_rows(record, rows)


def with_rows(record: Record, rows: Sequence[int]) -> Record:
    """The recording with these rows of its signal alone."""
    steps = record.resolution
    return replace(
        record,
        signal=record.signal[list(rows)],
        leads=tuple(record.leads[i] for i in rows),
        resolution=None if steps is None else tuple(steps[i] for i in rows),
    )


def check(record: Record) -> None:
    """Refuse what no model can make sense of.

    Raises:
        FormatError: the sample rate is too low.
        LeadError: none of the twelve leads.
    """
    if record.sample_rate < MIN_SAMPLE_RATE:
        raise FormatError(
            f"{_name(record)}: {record.sample_rate:g} Hz is too slow for an ECG model; want at"
            f" least {MIN_SAMPLE_RATE:g} Hz (was sample_rate= meant to be another number?)"
        )
    if not (any(name in LEADS for name in record.leads) or has_frank(record.leads)):
        raise LeadError(f"{_name(record)}: none of the 12 leads among {', '.join(record.leads)}")


def _from_array(
    item: Any, name: str, sample_rate: float | None, leads: tuple[str, ...] | None, unit: str
) -> Record:
    array = in_memory.plain_array(item)
    if array.ndim == 1 and leads is not None and len(leads) == 1:
        array = array[None]
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise FormatError(
            f"{name}: {type(item).__name__} of {array.dtype}, shape {array.shape}; want numbers"
            " (lead, time), or (time,) and the name of its lead, a path or a Record; a list or a"
            " column holds a recording in each place"
        )
    if sample_rate is None:
        raise FormatError(f"{name}: say sample_rate= in Hz, an array does not tell")
    if leads is None:
        raise LeadError(
            f"{name}: {array.shape[0]} rows without names; say leads= (channels= of anylead.prepare"
            ', embed, predict) as ["I", "II", "V2"] or "12": I, II, III, aVR, aVL, aVF, V1-V6'
        )
    if len(leads) != array.shape[0]:
        turned = "; is it (time, lead)? want (lead, time)" if len(leads) == array.shape[1] else ""
        raise LeadError(f"{name}: {array.shape[0]} rows and {len(leads)} lead names{turned}")
    if unit not in UNITS:
        raise FormatError(f"{name}: unit {unit!r}{known_are(unit, UNITS)}")
    try:
        rate = float(sample_rate)
    except (TypeError, ValueError):
        raise FormatError(f"{name}: sample_rate {sample_rate!r}; want a number of Hz") from None
    signal = (array * UNITS[unit]).astype(np.float32)
    return Record(signal, leads, rate, name, unit="NU" if unit == "NU" else "mV")


def _name(record: Record) -> str:
    return record.record_id or "recording"


def _is_stack(x: Any) -> bool:
    """Whether this is an array (recording, lead, time)."""
    return int(getattr(x, "ndim", 0)) == 3


def _is_array(item: Any) -> bool:
    value = item.value if isinstance(item, in_memory.Row) else item
    is_known = isinstance(value, str | Path | Record)
    return not is_known and in_memory.package_of(value) not in ("wfdb", "mne")
