"""Columns of maps in an index: task -> names, for each recording."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


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


def multi_hot(
    task: str, labels: pa.Array, unknown: pa.Array, label_names: Mapping[str, tuple[str, ...]]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(record, class) labels, and whether each is known; of tasks joined by "+" side by side."""
    told = [_of_task(part, labels, unknown, label_names[part]) for part in task.split("+")]
    hot, is_known = zip(*told, strict=True)
    return np.concatenate(hot, axis=1), np.concatenate(is_known, axis=1)


def _of_task(
    task: str, labels: pa.Array, unknown: pa.Array, names: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    hot = np.zeros((len(labels), len(names)), dtype=np.uint8)
    is_known = np.zeros(hot.shape, dtype=bool)
    labelled, rows, codes = named(labels, task, names)
    is_known[labelled] = True
    hot[rows, codes] = 1
    _, rows, codes = named(unknown, task, names)
    is_known[rows, codes] = False
    return hot, is_known


def measurement(
    name: str,
    measurements: pa.Array,
    labels: pa.Array,
    unknown: pa.Array,
    label_names: Mapping[str, tuple[str, ...]],
) -> NDArray[np.float64] | None:
    """(record,) what was measured, or 0 and 1 of a class of that name; None where neither is."""
    if name in keys(measurements):
        return numbers(measurements, name)
    task = next((task for task, names in label_names.items() if name in names), None)
    if task is None:
        return None
    hot, is_known = (
        each[:, label_names[task].index(name)]
        for each in _of_task(task, labels, unknown, label_names[task])
    )
    return np.where(is_known, hot, np.nan)


def numbers(column: pa.Array, name: str) -> NDArray[np.float64]:
    """(record,) the number of a name in a column of maps to numbers; NaN where it is not there."""
    values = np.full(len(column), np.nan)
    rows = np.repeat(np.arange(len(column)), _lengths(column.offsets))
    is_named = pc.equal(_entries(column, column.keys), name).to_numpy(zero_copy_only=False)
    values[rows[is_named]] = _entries(column, column.items).to_numpy(zero_copy_only=False)[is_named]
    return values


def keys(column: pa.Array) -> list[str]:
    """All names of a column of maps, sorted."""
    return sorted(_entries(column, column.keys).unique().to_pylist())


def _entries(column: pa.Array, child: pa.Array) -> pa.Array:
    """The part of a nested array's child that belongs to it."""
    first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
    return child.slice(first, last - first)


def _lengths(offsets: pa.Array) -> NDArray[np.int64]:
    ends: NDArray[np.int64] = offsets.to_numpy().astype(np.int64)
    return ends[1:] - ends[:-1]
