"""Parquet and Arrow IPC (Feather) files: one column per lead, or one row with a list per lead.

Rate and unit are read from the schema's metadata, a side-car JSON, or the caller; a column of
times in seconds gives the rate as well.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats import sandbox
from anylead.formats.assemble import Channel, join_leads
from anylead.formats.channels import Rename, choose
from anylead.formats.guard import check_expansion, guarded, optional
from anylead.formats.sidecar import Stated, about, complete
from anylead.formats.times import is_time, seconds_per_unit, settle_rate
from anylead.records import Record

MAGIC_PARQUET = b"PAR1"
MAGIC_ARROW = b"ARROW1"
MAX_COLUMNS = 256


def matches(head: bytes, path: Path) -> bool:
    """Whether the file starts with the signature of Parquet or of an Arrow IPC file."""
    return head.startswith((MAGIC_PARQUET, MAGIC_ARROW))


def read(
    path: Path,
    sample_rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Rename | None = None,
) -> Record:
    """A Parquet or Arrow file of one recording.

    Args:
        path: the file.
        sample_rate: Hz; None takes it from the side-car or the file, as for the others.
        leads: which columns to read; None takes all that are named as leads.
        unit: of the numbers ("mV"), "NU" for none.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: broken, several recordings, or rate, leads or unit are nowhere stated.
    """
    return sandbox.read("parquet", path, Stated(sample_rate, leads, unit, rename).as_arguments())


def read_here(
    path: Path,
    sample_rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Rename | None = None,
) -> Record:
    """`read` in this very process, which a damaged file can crash."""
    stated = Stated(sample_rate, leads, unit, rename)
    with guarded(path, "Parquet"):
        with path.open("rb") as file:
            is_parquet = file.read(4) == MAGIC_PARQUET
        schema, table = _read_parquet(path) if is_parquet else _read_arrow(path)
        metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        known = stated.over(path, metadata)
        wanted = list(known.get("leads") or _signals(table))
        chosen = choose(path, wanted, None, rename)
        known = {**known, "leads": [wanted[row] for row in chosen.rows.values()]}
        clock = next((name for name in table.column_names if is_time(name)), None)
        if clock is not None:
            times = _values(path, table, clock) * seconds_per_unit(path, clock)
            known["sample_rate"] = settle_rate(path, known.get("sample_rate"), times)
        known = complete(path, known)
        columns = zip(chosen.rows, known["leads"], known["unit"], strict=True)
        found = {
            lead: Channel(name, _values(path, table, name), unit) for lead, name, unit in columns
        }
        return join_leads(path, found, known["sample_rate"], about(known), chosen.left_out)


def _signals(table: Any) -> list[str]:
    """Columns that may be leads: all but the times."""
    return [name for name in table.column_names if not is_time(name)]


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
    if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind)):
        raise FormatError(f"{path}: column {name!r} holds {kind}; want numbers")
    return np.asarray(column.cast(arrow.float64()).to_numpy(zero_copy_only=False))
