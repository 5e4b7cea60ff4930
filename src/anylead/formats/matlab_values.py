"""Variables of MATLAB files of level 4 and 5, as the MAT-File Format document lays them out.

Written here because scipy's reader, in C, ends the process on some damaged files. Numbers become
arrays, texts str, cells lists and a struct a dict; objects, sparse matrices and functions None.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats.guard import check_expansion, check_samples, check_size

LEVEL_5_HEADER = 128
MAX_DEPTH = 16
MAX_ELEMENTS = 20_000
MAX_TEXT_BYTES = 2**20
MAX_DIMENSION_BYTES = 128
IS_COMPLEX = 0x0800
STEP = 2**20
MATRIX, COMPRESSED = 14, 15
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
Bytes = bytes | memoryview
TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, STRUCT, CHAR, NUMERIC = 1, 2, 4, range(6, 16)
LEVEL_4_NUMBERS = ("f8", "f4", "i4", "i2", "u2", "u1")


class Level5:
    """Reads the elements of a level 5 file.

    Args:
        path: named in messages.
        order: "<" or ">".
    """

    def __init__(self, path: Path, order: str):
        self.path = path
        self.order = order
        self.unpacked_bytes = self.num_values = self.num_elements = 0

    def variables(self, data: Bytes) -> Iterator[tuple[str, Any]]:
        """(name, value) of every variable."""
        for kind, body in self.elements(data, is_padded=False):
            if kind == COMPRESSED:
                unpacked = self._unpack(body)
                for inner_kind, inner in self.elements(unpacked, is_padded=False):
                    if inner_kind == MATRIX:
                        yield self.matrix(inner, 0)
            elif kind == MATRIX:
                yield self.matrix(body, 0)
            else:
                self._refuse(f"an element of type {kind} outside of a variable")

    def elements(self, data: Bytes, is_padded: bool = True) -> Iterator[tuple[int, Bytes]]:
        """(type, content) of the elements in `data`; the short form holds up to 4 bytes."""
        at = 0
        while at + 8 <= len(data):
            first, size = (int(n) for n in np.frombuffer(data, f"{self.order}u4", 2, at))
            if first >> 16:
                kind, size, start, end = first & 0xFFFF, first >> 16, at + 4, at + 8
                check_size(self.path, size, 4, "short MATLAB element")
            else:
                kind, start = first, at + 8
                end = start + size
                # Compressed variables and the last element of a file may stand without padding.
                end += -size % 8 if is_padded or kind == MATRIX else 0
            check_size(self.path, start + size, len(data), "MATLAB element")
            self.num_elements += 1
            if self.num_elements > MAX_ELEMENTS:
                self._refuse(f"over {MAX_ELEMENTS} elements")
            yield kind, data[start : start + size]
            at = end

    def matrix(self, body: Bytes, depth: int) -> tuple[str, Any]:
        """(name, value) of one miMATRIX element."""
        if depth > MAX_DEPTH:
            self._refuse(f"cells nested deeper than {MAX_DEPTH}")
        parts = self.elements(body)
        try:
            _, flags = next(parts)
            _, dimensions = next(parts)
            _, name = next(parts)
        except StopIteration:
            if not body:
                return "", None  # an empty cell may be an empty element
            self._refuse("a variable without its header")
        word = int(np.frombuffer(flags, f"{self.order}u4")[0])
        kind = word & 0xFF
        if word & IS_COMPLEX:
            self._refuse(f"complex numbers in {name!r}")
        shape = [int(n) for n in np.frombuffer(dimensions, f"{self.order}i4")]
        if not shape or min(shape) < 0:
            self._refuse(f"a variable of shape {shape}")
        return bytes(name).decode("latin-1"), self._value(kind, shape, parts, depth)

    def _value(
        self, kind: int, shape: list[int], parts: Iterator[tuple[int, Bytes]], depth: int
    ) -> Any:
        if kind in NUMERIC:
            return self._numbers(shape, *next(parts, (9, b"")))
        if kind == CHAR:
            return self._text(*next(parts, (16, b"")))
        if kind == CELL:
            return [self.matrix(body, depth + 1)[1] for _, body in parts]
        if kind == STRUCT and math.prod(shape) == 1:
            _, length = next(parts)
            _, names = next(parts)
            width = int(np.frombuffer(length, f"{self.order}i4")[0])
            if not 0 < width <= 64:
                self._refuse(f"field names of {width} characters")
            fields = [
                bytes(names[at : at + width]).split(b"\0")[0].decode("latin-1")
                for at in range(0, len(names), width)
            ]
            values = [self.matrix(body, depth + 1)[1] for _, body in parts]
            return dict(zip(fields, values, strict=True))
        return None

    def _numbers(self, shape: list[int], kind: int, body: Bytes) -> np.ndarray[Any, Any]:
        if kind not in NUMBERS:
            self._refuse(f"numbers of type {kind}")
        dtype = np.dtype(NUMBERS[kind]).newbyteorder("<" if self.order == "<" else ">")
        count = math.prod(shape)
        check_size(self.path, count * dtype.itemsize, len(body), f"matrix of shape {shape}")
        self.num_values += count
        check_samples(self.path, self.num_values, f"matrix of shape {shape}")
        return np.frombuffer(body, dtype, count).reshape(shape, order="F")

    def _text(self, kind: int, body: Bytes) -> str:
        if len(body) > MAX_TEXT_BYTES:
            self._refuse(f"a text of {len(body)} bytes")
        if kind in TEXTS:
            return bytes(body).decode(TEXTS[kind], errors="replace")
        if kind not in NUMBERS:
            self._refuse(f"text of type {kind}")
        size = np.dtype(NUMBERS[kind]).itemsize
        codes = np.frombuffer(body[: len(body) // size * size], f"{self.order}{NUMBERS[kind]}")
        return "".join(chr(int(code)) for code in codes)

    def _unpack(self, packed: Bytes) -> memoryview:
        unpacker = zlib.decompressobj()
        unpacked = bytearray()
        while packed and not unpacker.eof:
            unpacked += unpacker.decompress(packed, STEP)
            if len(unpacked) <= STEP:  # the beginning tells how many numbers follow
                self._check_announced(unpacked)
            check_expansion(self.path, self.unpacked_bytes + len(unpacked), "MATLAB variables")
            packed = unpacker.unconsumed_tail
        if not unpacker.eof:
            self._refuse("a compressed variable that is cut off")
        self.unpacked_bytes += len(unpacked)
        return memoryview(unpacked)

    def _check_announced(self, beginning: bytearray) -> None:
        """Refuse a matrix whose header announces too many numbers, before it is unpacked."""
        words = np.frombuffer(beginning[:32], f"{self.order}u4")
        # Tags and contents of matrix, flags and dimensions: 8, 16 and 8 bytes.
        if len(words) == 8 and words[0] == MATRIX and int(words[4]) & 0xFF in NUMERIC:
            size = min(int(words[7]), MAX_DIMENSION_BYTES, len(beginning) - 32)
            shape = np.frombuffer(beginning[32 : 32 + size // 4 * 4], f"{self.order}u4")
            count = self.num_values + math.prod(shape.tolist())
            check_samples(self.path, count, f"matrix of shape {shape.tolist()}")

    def _refuse(self, found: str) -> Any:
        raise FormatError(f"{self.path}: {found}; the file is damaged, copy it again")


def read_level_5(path: Path) -> dict[str, Any]:
    """Name -> value of every variable of a level 5 file.

    Raises:
        FormatError: damaged, or it would unpack to too much.
    """
    data = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise FormatError(f"{path}: no byte order in its header; damaged or no MATLAB file")
    found = dict(Level5(path, order).variables(data[LEVEL_5_HEADER:]))
    if not found:
        raise FormatError(f"{path}: a MATLAB file without variables; export it again")
    return found


def level_4_header(head: bytes) -> tuple[str, str, int, int, int, bool] | None:
    """Byte order, number type, rows, columns, length of the name, whether it is text.

    None where the 20 bytes are no plausible header: level 4 has no signature.
    """
    if len(head) < 20:
        return None
    for order, thousands in (("<", 0), (">", 1)):
        kind, rows, columns, is_complex, name = (
            int(n) for n in np.frombuffer(head, f"{order}u4", 5)
        )
        number, matrix = kind % 1000 // 10, kind % 10
        is_plain = kind // 1000 == thousands and number < 6 and matrix in (0, 1) and not is_complex
        if is_plain and 1 <= name <= 64:
            return order, LEVEL_4_NUMBERS[number], rows, columns, name, matrix == 1
    return None


def read_level_4(path: Path) -> dict[str, Any]:
    """Name -> value of every matrix of a level 4 file.

    Raises:
        FormatError: damaged, or no such file.
    """
    data = path.read_bytes()
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        header = level_4_header(data[at : at + 20])
        if header is None:
            raise FormatError(f"{path}: no MATLAB matrix at byte {at}; damaged or no MATLAB file")
        order, number, rows, columns, name_bytes, is_text = header
        dtype = np.dtype(order + number)
        start = at + 20 + name_bytes
        end = start + rows * columns * dtype.itemsize
        check_size(path, end, len(data), f"matrix of {rows} x {columns}")
        if is_text and rows * columns > MAX_TEXT_BYTES:
            raise FormatError(f"{path}: a text of {rows} x {columns} letters; no recording")
        name = data[at + 20 : start].split(b"\0")[0].decode("latin-1")
        values = np.frombuffer(data, dtype, rows * columns, start).reshape(columns, rows).T
        found[name] = "".join(chr(int(v)) for v in values.flat) if is_text else values
        at = end
    if not found:
        raise FormatError(f"{path}: an empty file; export it again")
    return found
