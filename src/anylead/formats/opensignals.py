"""OpenSignals text of BITalino and biosignalsplux: a header in JSON, then steps of the converter.

    # OpenSignals Text File Format. Version 1
    # {"00:07:80": {"device": "bitalino_rev", "sensor": ["ECG"], "column": ["nSeq", "A2"], ...}}
    # EndOfHeader
    0	520

Layout as in PLUX's "OpenSignals Sensor File Specifications". An ECG sensor has no place on the
body: it is the channel "ECG A2" (its sensor and its column), to be named by its user.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, join_leads
from anylead.formats.beside import side_car
from anylead.formats.channels import Rename, choose
from anylead.formats.guard import guarded
from anylead.records import Record

MAGIC = b"# OpenSignals Text File Format"
END = "# EndOfHeader"
MAX_BYTES = 2**30
MAX_HEADER_BYTES = 2**20
# Device -> volts of the converter's range, and gain of its ECG sensor. From the transfer functions
# of PLUX's own software; an older data sheet of biosignalsplux says 1000.
DEVICES = {
    **dict.fromkeys(("bioplux", "bioplux_exp", "biosignalsplux", "rachimeter"), (3.0, 1019.0)),
    **dict.fromkeys(("channeller", "swifter"), (3.0, 1019.0)),
    **dict.fromkeys(("bitalino", "bitalino_rev", "bitalino_riot"), (3.3, 1100.0)),
}


def matches(head: bytes, path: Path) -> bool:
    """Whether the file begins with the words of OpenSignals."""
    return head.startswith(MAGIC)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The ECG channels of one device; lost samples are told in the notes.

    Args:
        path: the file.
        rename: name of a channel, such as "ECG A2" -> its lead.

    Raises:
        FormatError: no such file, several devices, or steps that no transfer function is known for.
    """
    with guarded(path, "OpenSignals text"):
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path}: over {MAX_BYTES >> 20} MiB of text; split the file")
        with path.open(encoding="utf-8", errors="replace") as file:
            device = _header(path, [file.readline(MAX_HEADER_BYTES) for _ in range(3)])
            columns, sensors = list(device["column"]), list(device["sensor"])
            bits = list(device["resolution"])[-len(sensors) :]
            analog = columns[-len(sensors) :]
            channels = [
                _channel(path, device, sensor, column, depth)
                for sensor, column, depth in zip(sensors, analog, bits, strict=True)
            ]
            names, units = [c.name for c in channels], [c.unit for c in channels]
            chosen = choose(path, names, units, rename)
            first = len(columns) - len(sensors)
            wanted = [0, *(first + row for row in chosen.rows.values())]
            numbers, *rows = np.loadtxt(file, usecols=wanted, ndmin=2).T
        leads = {
            lead: _with_values(channels[row], values)
            for (lead, row), values in zip(chosen.rows.items(), rows, strict=True)
        }
        lost = _lost(numbers) if columns[0] == "nSeq" else ()
        about = About(start_time=_start(device))
        rate = float(device["sampling rate"])
        return join_leads(path, leads, rate, about, (*chosen.left_out, *lost))


def _header(path: Path, lines: list[str]) -> dict[str, Any]:
    """What the file says of its one device."""
    if not lines[0].startswith(MAGIC.decode()) or lines[2].strip() != END:
        raise FormatError(f"{path}: no header of three lines up to {END!r}; it is cut off")
    devices = json.loads(lines[1].removeprefix("#"))
    if len(devices) != 1:
        raise FormatError(f"{path}: {len(devices)} devices; want one, export each alone")
    device: dict[str, Any] = next(iter(devices.values()))
    if not device["sensor"] or len(device["column"]) < len(device["sensor"]):
        raise FormatError(
            f"{path}: {device['sensor']} in columns {device['column']}; it is damaged"
        )
    return device


def _channel(path: Path, device: dict[str, Any], sensor: str, column: str, bits: int) -> Channel:
    """A column without its values; in mV where it is an ECG sensor, without unit elsewhere."""
    none = np.empty(0)
    if not str(sensor).upper().startswith("ECG"):
        return Channel(f"{sensor} {column}", none, "NU")
    name = f"ECG {column}"
    if device.get("convertedValues"):
        unit = side_car(path).get("unit")
        if unit is None:
            raise FormatError(
                f"{path}: values that OpenSignals converted, of a unit not stated; export raw"
                f' values, or write {{"unit": "mV"}} into {path.stem}.json'
            )
        return Channel(name, none, str(unit))
    if device.get("device") not in DEVICES:
        raise FormatError(
            f"{path}: raw values of {device.get('device')!r}; known are {', '.join(DEVICES)}"
        )
    volts, gain = DEVICES[device["device"]]
    if not 1 <= bits <= 32:
        raise FormatError(f"{path}: samples of {bits} bits; the header is damaged")
    millivolts = 1000 * volts / gain
    return Channel(name, none, "mV", millivolts / 2**bits, -millivolts / 2)


def _with_values(channel: Channel, values: NDArray[np.float64]) -> Channel:
    return Channel(channel.name, values, channel.unit, channel.scale, channel.offset)


def _lost(numbers: NDArray[np.float64]) -> tuple[str, ...]:
    """A note where the numbers of samples, which start again at 0, leave some out."""
    gaps = np.count_nonzero((np.diff(numbers) != 1) & (numbers[1:] != 0))
    return (f"{gaps} gaps in the sequence numbers: samples were lost",) if gaps else ()


def _start(device: dict[str, Any]) -> str | None:
    """ISO 8601 out of "2018-7-5" and "10:29:43.249"."""
    day = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)", str(device.get("date", "")))
    clock = re.match(r"(\d\d?):(\d\d?):(\d\d?)", str(device.get("time", "")))
    if day is None or clock is None:
        return None
    year, month, date, hours, minutes, seconds = (int(n) for n in (*day.groups(), *clock.groups()))
    return f"{year:04d}-{month:02d}-{date:02d}T{hours:02d}:{minutes:02d}:{seconds:02d}"
