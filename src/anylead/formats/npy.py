"""NumPy's .npy and .npz (NEP 1), never with pickled objects.

Rate, leads and unit come from the caller, a side-car JSON, or arrays of those names in the .npz.
"""

import io
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.guard import check_expansion, check_samples, check_size, guarded
from anylead.formats.sidecar import (
    Stated,
    array_record,
    columns_of,
    find_array,
    named_record,
    with_statements,
)
from anylead.records import Record

MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
MAX_MEMBERS = 1000
MAX_HEADER_BYTES = 2**16


def matches(head: bytes, path: Path) -> bool:
    """Whether the file starts like .npy, or is a zip file named .npz."""
    return head.startswith(MAGIC) or (head[:4] == ZIP_MAGIC and path.suffix.lower() == ".npz")


@with_statements
def read(path: Path, stated: Stated) -> Record:
    """An array file of one recording, .npy or .npz; pickled objects are refused."""
    with guarded(path, "NumPy"):
        with path.open("rb") as file:
            if file.read(4) != ZIP_MAGIC:
                file.seek(0)
                array = _load(path, file, path.stat().st_size, path.name)
                return array_record(path, array, stated.over(path, {}))
        arrays = _load_zip(path)
        columns = columns_of(arrays)
        if columns is not None:
            inside = {name: array for name, array in arrays.items() if name not in columns}
            return named_record(path, columns, stated, inside)
        name = find_array(path, {name: array.shape for name, array in arrays.items()})
        inside = {other: array for other, array in arrays.items() if other != name}
        return array_record(path, arrays[name], stated.over(path, inside))


def _load_zip(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if len(members) > MAX_MEMBERS:
            raise FormatError(f"{path}: {len(members)} arrays; want one recording per file")
        check_expansion(path, sum(info.file_size for info in members), "the archive")
        found: dict[str, NDArray[Any]] = {}
        for info in members:
            before = sum(array.size for array in found.values())
            with archive.open(info) as file:
                # A zip member never yields more than the size declared for it.
                array = _load(path, cast(BinaryIO, file), info.file_size, info.filename, before)
                found[info.filename.removesuffix(".npy")] = array
    return found


def _load(path: Path, file: BinaryIO, size: int, what: str, before: int = 0) -> NDArray[Any]:
    """One array, after `before` numbers were read from the same file."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        # NumPy makes room for whatever length of header is declared, here up to 4 GiB.
        length = file.read(4)
        check_size(path, int.from_bytes(length, "little"), min(size, MAX_HEADER_BYTES), "header")
        header = length + file.read(int.from_bytes(length, "little"))
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(io.BytesIO(header))
    if dtype.hasobject:
        raise FormatError(f"{path}: {what} holds pickled objects, which could run code; save plain"
                          " numbers")  # fmt: skip
    count = int(np.prod(shape, dtype=object)) if all(n >= 0 for n in shape) else -1
    check_size(path, count * dtype.itemsize, size, what)
    check_samples(path, before + count, what)
    data = file.read(count * dtype.itemsize)
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape, order="F" if is_fortran else "C")
