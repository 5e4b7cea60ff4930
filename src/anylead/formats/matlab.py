"""MATLAB files: levels 4 and 5 through scipy, level 7.3 (which is HDF5) in `hdf5`.

Read are a plain matrix of any usual name, with rate, leads and unit as variables of the file, from
the caller or from a side-car; a struct with those as fields (as the CPSC 2018 corpus has it:
ECG.data, ECG.sex, ECG.age); and not the .mat of a WFDB record, whose header beside it tells more.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats.guard import check_expansion, check_size, guarded, optional
from anylead.formats.sidecar import Stated, array_record, find_array
from anylead.records import Record

LEVEL_5 = b"MATLAB 5.0 MAT-file"
LEVEL_73 = b"MATLAB 7.3 MAT-file"
COMPRESSED, MATRIX = 15, 14
# Digits M, O, P, T of a level 4 header: byte order, 0, number type, kind of matrix.
LEVEL_4_ITEM_BYTES = (8, 4, 4, 2, 2, 1)
STEP = 2**20


def matches(head: bytes, path: Path) -> bool:
    """Whether the file is a MATLAB file; level 4 has no signature and needs the name."""
    if head.startswith(LEVEL_5):
        return True
    return path.suffix.lower() == ".mat" and _level_4_type(head) is not None


def read(
    path: Path,
    sample_rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
) -> Record:
    """A .mat file of one recording.

    Args:
        path: the file.
        sample_rate: Hz; None takes it from the side-car or the file, as for the others.
        leads: name of each row (or column).
        unit: of the numbers ("mV"), "NU" for none.

    Raises:
        FormatError: broken, or rate, leads or unit are nowhere stated.
    """
    stated = Stated(sample_rate, leads, unit)
    with guarded(path, "MATLAB"):
        with path.open("rb") as file:
            head = file.read(128)
        if head.startswith(LEVEL_73):
            raise FormatError(f"{path}: MATLAB 7.3 is HDF5; read it as such")
        if head.startswith(LEVEL_5):
            _check_level_5(path)
        else:
            _check_level_4(path)
        found = optional("scipy", "scipy.io").loadmat(path, struct_as_record=True, squeeze_me=False)
        variables = {name: value for name, value in found.items() if not name.startswith("__")}
        variables = _open_struct(variables)
        known = stated.over(path, _plain(variables))
        if path.with_suffix(".hea").is_file() and not {"sample_rate", "leads"} <= known.keys():
            raise FormatError(
                f"{path}: the signal of a WFDB record; read {path.with_suffix('.hea').name}"
            )
        arrays = {
            name: value
            for name, value in variables.items()
            if isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
        }
        name = find_array(path, {name: array.shape for name, array in arrays.items()})
        return array_record(path, arrays[name], known)


def _open_struct(variables: dict[str, Any]) -> dict[str, Any]:
    """The fields of a lone struct, or the variables themselves."""
    structs = [v for v in variables.values() if isinstance(v, np.ndarray) and v.dtype.names]
    if len(structs) != 1 or structs[0].size != 1:
        return variables
    fields = structs[0].reshape(-1)[0]
    return {**variables, **{str(name): fields[name] for name in structs[0].dtype.names}}


def _plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Texts, numbers and lists of texts out of MATLAB's boxes."""
    plain: dict[str, Any] = {}
    for name, value in variables.items():
        array = np.asarray(value)
        if array.dtype.kind == "O":
            items = [np.asarray(item) for item in array.reshape(-1)]
            plain[name] = [str(item.item()) for item in items if item.size == 1]
        elif array.dtype.kind in "US" or (array.size == 1 and not array.dtype.names):
            texts = [item.strip() if isinstance(item, str) else item for item in array.flat]
            plain[name] = texts[0] if len(texts) == 1 else texts
    return plain


def _level_4_type(head: bytes) -> tuple[str, int] | None:
    """Byte order and bytes per item if the first 20 bytes are a plausible level 4 header."""
    if len(head) < 20:
        return None
    for order, name in (("<", "little"), (">", "big")):
        kind, _, _, is_complex, name_bytes = np.frombuffer(head, f"{order}u4", 5)
        thousands, rest = divmod(int(kind), 1000)
        item, matrix = rest // 10, rest % 10
        fits = thousands == (0 if order == "<" else 1) and rest < 100 and matrix in (0, 1)
        if fits and item < 6 and is_complex == 0 and 1 <= name_bytes <= 64:
            return name, LEVEL_4_ITEM_BYTES[item]
    return None


def _check_level_4(path: Path) -> None:
    """Every matrix must lie within the file."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        found = _level_4_type(data[at : at + 20])
        if found is None:
            raise FormatError(f"{path}: no MATLAB matrix at byte {at}; damaged or no MATLAB file")
        order = "<" if found[0] == "little" else ">"
        _, rows, columns, _, name_bytes = (int(n) for n in np.frombuffer(data, f"{order}u4", 5, at))
        end = at + 20 + name_bytes + rows * columns * found[1]
        check_size(path, end, len(data), f"matrix of {rows} x {columns}")
        at = end


def _check_level_5(path: Path) -> None:
    """Unpack the compressed variables once, keeping nothing, to know their size."""
    data = path.read_bytes()
    order = "little" if data[126:128] == b"IM" else "big"
    at = 128
    total = 0
    while at + 8 <= len(data):
        kind = int.from_bytes(data[at : at + 4], order)  # type: ignore[arg-type]
        size = int.from_bytes(data[at + 4 : at + 8], order)  # type: ignore[arg-type]
        check_size(path, at + 8 + size, len(data), "MATLAB variable")
        if kind == COMPRESSED:
            total += _unpacked_bytes(path, data[at + 8 : at + 8 + size], total)
        elif kind != MATRIX:
            raise FormatError(f"{path}: element of type {kind} at byte {at}; the file is damaged")
        at += 8 + size
    if at == 128:
        raise FormatError(f"{path}: a MATLAB file without variables; export it again")


def _unpacked_bytes(path: Path, packed: bytes, before: int) -> int:
    unpacker = zlib.decompressobj()
    total = 0
    while packed and not unpacker.eof:
        total += len(unpacker.decompress(packed, STEP))
        check_expansion(path, before + total, "MATLAB variables")
        packed = unpacker.unconsumed_tail
    return total
