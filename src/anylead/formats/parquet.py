"""Parquet and Arrow IPC (Feather) files: one column per lead, or one row with a list per lead.

Rate and unit are read from the schema's metadata, a side-car JSON, or the caller; a column of
times in seconds gives the rate as well.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats import sandbox
from anylead.formats.guard import check_expansion, guarded, optional
from anylead.formats.sidecar import (
    Stated,
    counts_recordings,
    names_of,
    own_units,
    several,
    table_record,
    with_statements,
)
from anylead.formats.times import is_time
from anylead.formats.units import split_unit
from anylead.records import Record

MAGIC_PARQUET = b"PAR1"
MAGIC_ARROW = b"ARROW1"
MAX_COLUMNS = 256


def matches(head: bytes, path: Path) -> bool:
    """Whether the file starts with the signature of Parquet or of an Arrow IPC file."""
    return head.startswith((MAGIC_PARQUET, MAGIC_ARROW))


@with_statements
def read(path: Path, stated: Stated) -> Record:
    """A Parquet or Arrow file of one recording; `leads` state which columns to read."""
    return sandbox.read("parquet", path, {"stated": stated.plain()})


def read_here(path: Path, stated: Mapping[str, Any]) -> Record:
    """`read` in this very process, which a damaged file can crash."""
    with guarded(path, "Parquet"):
        with path.open("rb") as file:
            is_parquet = file.read(4) == MAGIC_PARQUET
        schema, table = _read_parquet(path) if is_parquet else _read_arrow(path)
        metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        said = Stated(**stated)
        known = said.over(path, metadata)
        clocks = [name for name in table.column_names if is_time(split_unit(name)[0])]
        names = table.column_names if known.get("leads") is None else clocks
        names = [*names_of(known.get("leads") or ()), *names]
        for name in filter(counts_recordings, table.column_names):
            if (number := len(table.column(name).unique())) > 1:
                raise several(path, number, name)
        columns, inside = own_units([(name, "") for name in names], metadata)
        known = said.over(path, inside)
        return table_record(
            path, columns, lambda rows: [_values(path, table, names[row]) for row in rows], known
        )


def _read_parquet(path: Path) -> tuple[Any, Any]:
    parquet = optional("pyarrow", "pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        meta = file.metadata
        if meta.num_columns > MAX_COLUMNS:
            raise FormatError(f"{path}: {meta.num_columns} columns; want one per lead")
        groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
        values = sum(group.num_rows * group.num_columns for group in groups)
        declared = sum(max(group.total_byte_size, 0) for group in groups)
        check_expansion(path, max(8 * values, declared), "the table")
        return file.schema_arrow, file.read(use_threads=False)


def _read_arrow(path: Path) -> tuple[Any, Any]:
    arrow, ipc = optional("pyarrow"), optional("pyarrow", "pyarrow.ipc")
    with arrow.OSFile(str(path), "rb") as source, ipc.open_file(source) as file:
        if len(file.schema) > MAX_COLUMNS:
            raise FormatError(f"{path}: {len(file.schema)} columns; want one per lead")
        table = file.read_all()
    table.validate(full=True)
    return table.schema, table


def _values(path: Path, table: Any, name: str) -> Any:
    if name not in table.column_names:
        raise FormatError(f"{path}: no column {name!r} among {table.column_names}; rename it")
    arrow = optional("pyarrow")
    column = table.column(name)
    if arrow.types.is_list(column.type) or arrow.types.is_large_list(column.type):
        if len(column) != 1:
            raise FormatError(f"{path}: {len(column)} recordings; want one per file")
        column = column.combine_chunks().flatten()
    kind = column.type
    if arrow.types.is_timestamp(kind) or arrow.types.is_duration(kind):
        return _seconds(column)
    if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind)):
        raise FormatError(f"{path}: column {name!r} holds {kind}; want numbers")
    return np.asarray(column.cast(arrow.float64()).to_numpy(zero_copy_only=False))


def _seconds(column: Any) -> NDArray[np.float64]:
    """Seconds since the first of a column of dates or of time spans."""
    times = column.to_numpy(zero_copy_only=False)
    spans = (times - times[:1]) / np.timedelta64(1, "s")
    return np.asarray(spans, dtype=np.float64)
