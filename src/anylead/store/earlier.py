"""Stores of earlier versions, read as those of today."""

from typing import Any

import numpy as np
import pyarrow as pa

from anylead.store.schema import INDEX

# Version -> what its index did not have.
_ADDED = {
    1: ("unknown", "crc32", "measurements", "marks"),
    2: ("measurements", "marks"),
    3: ("marks",),
}
EARLIER_INDEX = {
    version: pa.schema([field for field in INDEX if field.name not in added])
    for version, added in _ADDED.items()
}


def of_this_version(index: pa.Table, version: int) -> pa.Table:
    """An index with the columns that its version did not have: nothing unknown, measured or
    marked, no sums. One that is not what its version had is left as it is.
    """
    if index.schema != EARLIER_INDEX.get(version):
        return index
    nobody = pa.array(np.zeros(index.num_rows, np.int64))

    def column(field: pa.Field) -> pa.ChunkedArray:
        if field.name in index.column_names:
            return index.column(field.name)
        empty: list[Any] = [[] if pa.types.is_map(field.type) else None]
        return pa.array(empty, field.type).take(nobody)

    return pa.table([column(field) for field in INDEX], schema=INDEX)
