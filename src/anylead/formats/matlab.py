"""MATLAB files of level 4 and 5; level 7.3 is HDF5 and read by `hdf5`.

Read are a matrix of any usual name, with rate, leads and unit as variables of the file, from the
caller or from a side-car; and a struct with those as fields (as the CPSC 2018 corpus has it:
ECG.data, ECG.sex, ECG.age). The .mat of a WFDB record is refused: the header beside it knows more.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats.guard import guarded
from anylead.formats.matlab_values import level_4_header, read_level_4, read_level_5
from anylead.formats.sidecar import (
    Stated,
    array_record,
    columns_of,
    find_array,
    named_record,
    with_statements,
)
from anylead.records import Record

LEVEL_5 = b"MATLAB 5.0 MAT-file"
LEVEL_73 = b"MATLAB 7.3 MAT-file"


def matches(head: bytes, path: Path) -> bool:
    """Whether the file is a MATLAB file; level 4 has no signature and needs the name."""
    if head.startswith(LEVEL_5):
        return True
    return path.suffix.lower() == ".mat" and level_4_header(head) is not None


@with_statements
def read(path: Path, stated: Stated) -> Record:
    """A .mat file of one recording."""
    with guarded(path, "MATLAB"):
        with path.open("rb") as file:
            head = file.read(len(LEVEL_5))
        if head == LEVEL_73:
            raise FormatError(f"{path}: MATLAB 7.3 is HDF5; read it as such")
        variables = _open_struct(read_level_5(path) if head == LEVEL_5 else read_level_4(path))
        known = stated.over(path, _plain(variables))
        header = path.with_suffix(".hea")
        if header.is_file() and not {"sample_rate", "leads"} <= known.keys():
            raise FormatError(f"{path}: the signal of a WFDB record; read {header.name}")
        arrays = {name: v for name, v in variables.items() if isinstance(v, np.ndarray)}
        columns = columns_of(arrays)
        if columns is not None:
            return named_record(path, columns, stated, _plain(variables))
        name = find_array(path, {name: array.shape for name, array in arrays.items()})
        return array_record(path, arrays[name], known)


def _open_struct(variables: dict[str, Any]) -> dict[str, Any]:
    """The fields of a lone struct beside the variables themselves."""
    structs = [value for value in variables.values() if isinstance(value, dict)]
    return {**variables, **structs[0]} if len(structs) == 1 else variables


def _plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Texts, single numbers and lists of texts; matrices are no facts."""
    plain: dict[str, Any] = {}
    for name, value in variables.items():
        if isinstance(value, np.ndarray) and value.size == 1:
            plain[name] = value.item()
        elif isinstance(value, str):
            plain[name] = value.strip()
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            plain[name] = value
    return plain
