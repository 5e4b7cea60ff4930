"""What was marked in the recordings of a store."""

import pyarrow as pa

from anylead.records import Mark


def marks_of(column: pa.Array) -> list[tuple[Mark, ...] | None]:
    """The marks of each recording; None where nobody looked."""
    return [
        None if marks is None else tuple(Mark(**mark) for mark in marks)
        for marks in column.to_pylist()
    ]
