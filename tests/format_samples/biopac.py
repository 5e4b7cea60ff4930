"""AcqKnowledge files, from BIOPAC's Application Note 156 and what is known of later versions."""

import struct
import zlib
from pathlib import Path

import numpy as np

from format_samples.recording import LEADS, NUM_SAMPLES, RATE, STEP_MV, Sample, recording, steps

NAMES = ("ECG Lead II", "Respiration", "V5")
UNITS = ("mV", "cmH2O", "mV")
PAIR = ("II", "V5")


def _graph(order: str, revision: int, size: int, num_channels: int) -> bytearray:
    header = struct.pack(
        f"{order}hIihhhddd", 0, revision, size, num_channels, 0, 0, 1000 / RATE, 0.0, 1000.0
    )
    return bytearray(header.ljust(size, b"\0"))


def _channel(order: str, size: int, at: int, divider: int, number: int, length: int) -> bytes:
    """A channel in steps of 5 uV; `at` is where the divider of its rate stands."""
    header = struct.pack(
        f"{order}ih40s4xhdd20siddhh", size, number, NAMES[number].encode(), number + 1, 0.0, 1.0,
        UNITS[number].encode(), length, STEP_MV, 0.0, number, 0,
    )  # fmt: skip
    header = bytearray(header.ljust(size, b"\0"))
    struct.pack_into(f"{order}h", header, at, divider)
    return bytes(header)


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lead II, a respiration at half the rate, and V5, in steps."""
    return steps()[LEADS.index("II")], np.arange(NUM_SAMPLES // 2), steps()[LEADS.index("V5")]


def interleaved(folder: Path, order: str = "<") -> Sample:
    """Version 3.7.0: samples in turn, the second channel at half the rate."""
    two, slow, five = _rows()
    data = bytes(_graph(order, 38, 1894, 3))
    for number, divider in enumerate((1, 2, 1)):
        data += _channel(order, 252, 250, divider, number, NUM_SAMPLES // divider)
    data += struct.pack(f"{order}hh", 4, 0) + struct.pack(f"{order}hh", 2, 2) * 3
    for i in range(NUM_SAMPLES):
        values = (two[i], slow[i // 2], five[i]) if i % 2 == 0 else (two[i], five[i])
        data += struct.pack(f"{order}{len(values)}h", *values)
    data += struct.pack(f"{order}ii", 8, 0)  # no markers
    data += bytes([0x44, 0x33, 0x22, 0x11]) + struct.pack(f"{order}hi", 0, 0)  # no journal
    path = folder / ("windows.acq" if order == "<" else "mac.acq")
    path.write_bytes(data)
    return Sample(path, PAIR, recording(PAIR))


def interleaved_mac(folder: Path) -> Sample:
    return interleaved(folder, ">")


def packed(folder: Path) -> Sample:
    """Version 4.1.1, big-endian headers, each channel compressed as little-endian numbers."""
    order = ">"
    two, _, five = _rows()
    rows = {0: two, 1: np.arange(NUM_SAMPLES), 2: five}
    graph = _graph(order, 84, 2398, 3)
    struct.pack_into(f"{order}i", graph, 972, 1)
    data = bytes(graph)
    for number in rows:
        data += _channel(order, 154, 152, 1, number, NUM_SAMPLES)
    data += struct.pack(f"{order}i", 4) + struct.pack(f"{order}hh", 8, 1) * 3
    data += struct.pack(f"{order}iii", 25, 1, 0).ljust(25, b"\0")  # no markers
    data += struct.pack(f"{order}i", 4)  # no journal
    data += bytes(52)
    for row in rows.values():
        values = row * STEP_MV if row is not rows[1] else row
        body = zlib.compress(np.asarray(values, "<f8").tobytes())
        data += bytes(44) + struct.pack(f"{order}iiii", 0, 0, 8 * NUM_SAMPLES, len(body)) + body
    path = folder / "packed.acq"
    path.write_bytes(data)
    return Sample(path, PAIR, recording(PAIR))


BIOPAC = {
    "biopac": {"3.7": interleaved, "3.7 mac": interleaved_mac, "4.1 packed": packed},
}
