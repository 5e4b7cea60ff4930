"""Philips XLI, written: second differences, split bytes, 10-bit LZW, limb residuals."""

import struct

import numpy as np


def lzw_encode(data: bytes, bits: int = 10) -> bytes:
    table = {bytes([i]): i for i in range(256)}
    largest = (1 << bits) - 2
    codes = []
    held = b""
    for i in range(len(data)):
        longer = held + data[i : i + 1]
        if longer in table:
            held = longer
            continue
        codes.append(table[held])
        if len(table) <= largest:
            table[longer] = len(table)
        held = data[i : i + 1]
    if held:
        codes.append(table[held])
    codes.append((1 << bits) - 1)  # end of stream
    text = "".join(format(code, f"0{bits}b") for code in codes)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def chunk(values: list[int]) -> bytes:
    """One lead: a header of packed size and start value, then the packed differences."""
    bend = [
        2 * values[i] - values[i - 1] - values[i + 1] if 1 <= i < len(values) - 1 else 0
        for i in range(len(values))
    ]
    deltas = [values[0], values[1], *(b + 64 for b in bend[2:])]
    words = [value & 0xFFFF for value in deltas]
    packed = lzw_encode(bytes(w >> 8 for w in words) + bytes(w & 0xFF for w in words))
    return struct.pack("<ihh", len(packed), 0, bend[1]) + packed


def xli_encode(rows: np.ndarray) -> bytes:
    """(12, time) in the standard order -> the block of all leads."""
    one, two, three, right, left, foot = (row.astype(np.int64) for row in rows[:6])
    residuals = [
        one,
        two,
        two - one - three,
        -right - (one + two) // 2,
        (one - three) // 2 - left,
        (two + three) // 2 - foot,
        *rows[6:],
    ]
    return b"".join(chunk([int(v) for v in row]) for row in residuals)
