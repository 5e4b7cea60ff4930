"""Comma, semicolon or tab separated numbers: one column per lead, named in the first line.

    # sample_rate: 500
    time (s),I (mV),II (mV)
    0.000,0.012,0.034

A unit stands in brackets behind a name, or in a line of units below the names (as `rdsamp` writes
it). The rate comes from a comment line, from a column of
times, from a side-car JSON, or from the caller; comment lines may hold `patient_id`, `age`, `sex`,
`start_time` and `diagnosis` too. Empty cells and "NA" are missing samples. With semicolons or tabs
between the cells a comma may be the decimal point.
"""

import codecs
import io
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.channels import is_ecg_name
from anylead.formats.guard import guarded, optional
from anylead.formats.sidecar import Stated, complete, names_of, table_record, with_statements
from anylead.records import Record

SUFFIXES = (".csv", ".tsv", ".txt")
CLOCK = re.compile(r"^(?:(?:\d+:)?\d+:)?\d+(?:[.,]\d+)?$")
DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?")
MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "-")
MAX_COMMENT_LINES = 200
MAX_COLUMNS = 256
MAX_NAME = 100
MAX_LINE = 65536
NUMBER = re.compile(r"^\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*$")


def matches(head: bytes, path: Path) -> bool:
    """Whether the file is named as text with separators and its header names a lead."""
    head = _utf8(head)
    if path.suffix.lower() not in SUFFIXES or b"\0" in head:
        return False
    lines = [line for line in head.decode("utf-8", errors="replace").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("#")]
    return bool(lines) and (
        path.suffix.lower() != ".txt" or any(is_ecg_name(c[0]) for c in _columns(lines[0]))
    )


@with_statements
def read(path: Path, stated: Stated) -> Record:
    """A text file of one recording; with `leads` stated the first line may be data already."""
    with guarded(path, "CSV"):
        data = _utf8(path.read_bytes())
        if b"\0" in data[:MAX_LINE]:
            raise FormatError(f"{path}: binary, not a table of numbers; wrong name?")
        comments, header, start = _head(path, data)
        known = stated.over(path, comments)
        columns, num_heads = _named(path, header, known)
        columns, num_heads = _with_units(columns, data[start:], num_heads)
        body = partial(_table, path, data[start:], header, len(columns), num_heads)
        return table_record(path, columns, body, known)


def _utf8(data: bytes) -> bytes:
    """The same text in UTF-8, where a mark in front says that it is UTF-16."""
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16", errors="replace").encode() if is_wide else data


def _head(path: Path, data: bytes) -> tuple[dict[str, Any], str, int]:
    """What the comment lines say, the first line after them, and where that starts."""
    comments: dict[str, Any] = {}
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    for _ in range(MAX_COMMENT_LINES):
        end = data.find(b"\n", at, at + MAX_LINE)
        end = end if end >= 0 else min(len(data), at + MAX_LINE)
        line = data[at:end].decode("utf-8", errors="replace").strip()
        if line and not line.startswith("#"):
            return comments, line, at
        key, _, value = line.lstrip("# ").partition(":")
        if value.strip():
            comments[key.strip()] = value.strip().replace("\\n", "\n")
        at = end + 1
        if at >= len(data):
            break
    raise FormatError(f"{path}: no table after its comment lines; it is empty or no CSV")


def _separator(line: str) -> str:
    counts = {separator: line.count(separator) for separator in ("\t", ";", ",")}
    # Semicolons and tabs come first: with them a comma may be a decimal point.
    return next((separator for separator, count in counts.items() if count), ",")


def _columns(line: str) -> list[tuple[str, str]]:
    """(name, unit) of every cell: "II (mV)", "II [uV]", "II"."""
    cells = []
    for cell in line.strip().split(_separator(line)):
        # No lead has so long a name, and a longer one takes the pattern quadratic time.
        cell = cell.strip().strip("\"'").strip()[:MAX_NAME]
        found = re.fullmatch(r"(.*?)\s*(?:\(([^()]*)\)|\[([^\[\]]*)\])?", cell)
        name, *units = found.groups() if found else (cell, None, None)
        cells.append((name or "", (units[0] or units[1] or "").strip()))
    return cells


def _named(path: Path, header: str, known: dict[str, Any]) -> tuple[list[tuple[str, str]], int]:
    """(name, unit) of every column, and how many lines name them."""
    columns = _columns(header)
    if len(columns) > MAX_COLUMNS:
        raise FormatError(f"{path}: {len(columns)} columns; want one per lead")
    has_header = not all(NUMBER.match(name) for name, _ in columns)
    stated = names_of(known["leads"]) if known.get("leads") is not None else []
    if has_header and len(stated) != len(columns):
        return columns, 1
    if has_header:
        return [(name, unit) for name, (_, unit) in zip(stated, columns, strict=True)], 1
    leads = complete(path, {"unit": "NU", "sample_rate": 1.0, **known})["leads"]
    if len(leads) != len(columns):
        raise FormatError(f"{path}: {len(columns)} columns for {len(leads)} leads; state others")
    return [(name, "") for name in leads], 0


def _with_units(
    columns: list[tuple[str, str]], data: bytes, num_heads: int
) -> tuple[list[tuple[str, str]], int]:
    """The columns with the units of a second line below their names, where there is one."""
    lines = data.split(b"\n", 2)
    second = lines[1][:MAX_LINE].decode("utf-8", errors="replace") if len(lines) > 1 else ""
    cells = [
        cell.strip().strip("\"'").strip("()[] \"'") for cell in second.split(_separator(second))
    ]
    is_units = num_heads == 1 and len(cells) == len(columns) and any(cells)
    if not is_units or any(not _may_be_unit(cell) for cell in cells):
        return columns, num_heads
    return [(name, unit or cell) for (name, unit), cell in zip(columns, cells, strict=True)], 2


def _may_be_unit(cell: str) -> bool:
    return not any(letter.isdigit() for letter in cell) and cell not in MISSING[1:]


def _table(
    path: Path, data: bytes, header: str, num_columns: int, num_heads: int, wanted: Sequence[int]
) -> list[NDArray[np.float64]]:
    """The columns `wanted`, in that order; what the others hold does not matter."""
    csv, arrow = optional("pyarrow", "pyarrow.csv"), optional("pyarrow")
    separator = _separator(header)
    body = 0
    for _ in range(num_heads):
        body = data.find(b"\n", body) + 1
    first = data[body : body + MAX_LINE].split(b"\n", 1)[0].decode("utf-8", errors="replace")
    cells = [cell.strip().strip("\"'") for cell in first.split(separator)]
    decimal = "," if separator != "," and data.find(b",", body) >= 0 else "."
    names = [f"c{i}" for i in range(num_columns)]
    numbers = {names[i]: arrow.float64() for i in wanted}
    clocks = [i for i in wanted if i < len(cells) and ":" in cells[i] and _is_clock(cells[i])]
    numbers |= {names[i]: arrow.string() for i in clocks}
    try:
        table = csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(
                use_threads=False, skip_rows=num_heads, column_names=names
            ),
            parse_options=csv.ParseOptions(delimiter=separator),
            convert_options=csv.ConvertOptions(
                column_types=numbers,
                include_columns=[names[i] for i in wanted],
                decimal_point=decimal,
                null_values=MISSING,
            ),
        )
    except arrow.ArrowInvalid as error:
        raise FormatError(
            f"{path}: not a table of numbers: {str(error).splitlines()[0][:200]}; export it again"
        ) from error
    return [
        _clock(table.column(names[i])) if i in clocks else table.column(names[i]).to_numpy()
        for i in wanted
    ]


def _is_clock(cell: str) -> bool:
    return bool(CLOCK.match(cell) or DATE.match(cell))


def _clock(column: Any) -> NDArray[np.float64]:
    """Seconds out of "0:00.003", "1:02:03.5", dates with a time; NaN for something else."""
    texts = [str(text or "").strip().strip("'[]").replace(",", ".") for text in column.to_pylist()]
    if texts and DATE.match(texts[0]):
        found = [DATE.match(text) for text in texts]
        dates = np.array([each[0] if each else "NaT" for each in found], dtype="datetime64[ns]")
        return np.where(np.isnat(dates), np.nan, (dates - dates[0]) / np.timedelta64(1, "s"))
    parts = [text.split(":") if CLOCK.match(text) else ["nan"] for text in texts]
    return np.array(
        [sum(float(part) * 60.0**n for n, part in enumerate(reversed(each))) for each in parts]
    )


def write(record: Record, path: Path) -> None:
    """Write `record` with every digit of its samples; .tsv with tabs, anything else with commas.

    Args:
        record: any.
        path: of the text file.
    """
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    facts = {
        "sample_rate": f"{record.sample_rate!r}",
        "patient_id": record.patient_id,
        "age": None if record.age is None else f"{record.age:g}",
        "sex": record.sex,
        "start_time": record.start_time,
        "diagnosis": record.diagnosis,
    }
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, fact in facts.items():
            if fact is not None:
                line = "\\n".join(fact.splitlines())
                file.write(f"# {name}: {line}\n")
        file.write(separator.join(f"{lead} ({record.unit})" for lead in record.leads) + "\n")
        # Nine digits name every float32.
        np.savetxt(file, record.signal.T, fmt="%.9g", delimiter=separator)
