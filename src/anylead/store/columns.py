"""Columns of maps in an index: task -> names, for each recording."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from anylead.store.schema import ADDED, INDEX, index_of_version


def named(
    column: pa.Array, task: str, names: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """What a column of maps says of one task.

    Args:
        column: (record,) maps of a task to a list of names.
        task: the key.
        names: all that the lists may hold.

    Returns:
        (record with the task,) rows; and row and number of the name, for each entry of the lists.
    """
    entry_row = np.repeat(np.arange(len(column)), _lengths(column.offsets))
    chosen = np.flatnonzero(
        pc.equal(_entries(column, column.keys), task).to_numpy(zero_copy_only=False)
    )
    lists = _entries(column, column.items).take(pa.array(chosen))
    codes = pc.index_in(lists.flatten(), value_set=pa.array(names, pa.string()))
    rows = np.repeat(entry_row[chosen], _lengths(lists.offsets))
    return entry_row[chosen], rows, codes.to_numpy(zero_copy_only=False)


def of_this_version(index: pa.Table, version: int) -> pa.Table:
    """An index of an earlier version with the columns it did not have: nothing is known there.

    One that is not as that version wrote it stays as it is.
    """
    if index.schema != index_of_version(version):
        return index
    num = index.num_rows
    none = pa.array([[]], INDEX.field("unknown").type).take(pa.array(np.zeros(num, np.int64)))
    missing = {
        name: none if name == "unknown" else pa.nulls(num, INDEX.field(name).type)
        for name in ADDED.get(version, ())
    }
    columns = [missing[name] if name in missing else index.column(name) for name in INDEX.names]
    return pa.table(columns, schema=INDEX)


def _entries(column: pa.Array, child: pa.Array) -> pa.Array:
    """The part of a nested array's child that belongs to it."""
    first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
    return child.slice(first, last - first)


def _lengths(offsets: pa.Array) -> NDArray[np.int64]:
    ends: NDArray[np.int64] = offsets.to_numpy().astype(np.int64)
    return ends[1:] - ends[:-1]
