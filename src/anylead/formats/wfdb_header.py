"""The text header of a WFDB record (header(5) of the WFDB manual), read by field, not by line."""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from anylead.errors import FormatError
from anylead.formats.guard import check_regular

_LARGEST_HEADER = 16 * 2**20
_DEFAULT_RATE = 250.0
_DEFAULT_GAIN = 200.0
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RECORD = re.compile(r"^(\S+?)(?:/(\d+))?\s+(\d+)(?:\s+(\S+)(?:\s+(\d+)(?:\s+(.*))?)?)?\s*$")
_RATE = re.compile(rf"^({_NUMBER})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?$")
_FORMAT = re.compile(r"^(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$")
_GAIN = re.compile(rf"^({_NUMBER})(?:\(([-+]?\d+)\))?(?:/(\S+))?$")
_TIME = re.compile(r"^(\d+):(\d+)(?::(\d+)(?:\.(\d+))?)?\s+(\d+)/(\d+)/(\d+)")
_SEGMENT = re.compile(r"^(\S+)\s+(\d+)\s*$")
_FIELD = re.compile(r"^([A-Za-z][A-Za-z _-]*?)\s*:\s*(.*)$")
# Several facts on one line: "<age>: 65  <sex>: F  <diagnoses> Normal", "Age: 65, Sex: F".
_BRACKETED = re.compile(r"<([A-Za-z][A-Za-z _-]*)>\s*:?")
_NAMED = re.compile(
    r"(?:^|[\s,;])(age|sex|gender|height|weight|dx|rx|hx|sx|diagnos[ie]s|medications?)\s*[:=]",
    re.IGNORECASE,
)


class SignalLine(NamedTuple):
    """One signal of a record.

    Attributes:
        file: name of the file that holds the samples, in the folder of the header.
        format: WFDB's number of the sample format.
        samples_per_frame: more than 1 for a signal that is faster than the record.
        skew: samples by which it lags.
        byte_offset: where its file's samples begin.
        gain: steps per unit.
        baseline: step that stands for zero.
        unit: as written; "mV" where nothing is written.
        checksum: 16-bit sum of all samples, where written.
        description: usually the name of the lead.
    """

    file: str
    format: str
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float
    baseline: int
    unit: str
    checksum: int | None
    description: str


@dataclass(frozen=True)
class Header:
    """What a header tells.

    Attributes:
        path: of the header.
        sample_rate: Hz.
        num_samples: of each signal at that rate; None where not written.
        num_signals: as written.
        start_time: ISO 8601, where written whole.
        signals: of a record of one segment.
        segments: name and length of each segment of a record of several; "~" is a gap.
        fields: comments of the form "name: value", by name in lower case.
        comments: all comments.
    """

    path: Path
    sample_rate: float
    num_samples: int | None
    num_signals: int
    start_time: str | None
    signals: tuple[SignalLine, ...]
    segments: tuple[tuple[str, int], ...]
    fields: Mapping[str, str]
    comments: tuple[str, ...]


def is_header(head: bytes) -> bool:
    """Whether text begins like a WFDB header."""
    for line in head.decode("utf-8", "replace").splitlines():
        line = line.strip().lstrip("\ufeff")
        if line and not line.startswith("#"):
            return _RECORD.match(line) is not None
    return False


def read_header(path: Path) -> Header:
    """Parse a `.hea` file.

    Raises:
        FormatError: it cannot be read, is no WFDB header, or names a file outside its folder.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST_HEADER:
                raise FormatError(f"{path}: more than {_LARGEST_HEADER} bytes; no WFDB header")
            text = file.read().decode("utf-8", "replace").lstrip("\ufeff")
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}; check the path") from None
    stripped = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    lines = [line for line in stripped if line and not line.startswith("#")]
    comments = tuple(line.lstrip("#").strip() for line in stripped if line.startswith("#"))
    record = _RECORD.match(lines[0]) if lines else None
    if record is None:
        raise FormatError(f"{path}: does not begin with a WFDB record line")
    name, num_segments, num_signals, rate, num_samples, rest = record.groups()
    if num_segments == path.stem and len(lines) > 1 and not _SEGMENT.match(lines[1]):
        name, num_segments = f"{name}/{num_segments}", None  # record 100 of a folder: "mitdb/100"
    signals: tuple[SignalLine, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    if num_segments is not None:
        segments = _segments(path, lines[1:], int(num_segments))
    elif len(lines) - 1 < int(num_signals):
        raise FormatError(f"{path}: {num_signals} signals announced, {len(lines) - 1} described")
    else:
        described = lines[1 : 1 + int(num_signals)]
        plain_name = cache(partial(_plain_name, path))  # most records have one file of samples
        signals = tuple(_signal(path, line, plain_name) for line in described)
    return Header(
        path=path,
        sample_rate=_rate(path, rate),
        # 0 means "not stated", as in the WFDB library.
        num_samples=(int(num_samples) or None) if num_samples else None,
        num_signals=int(num_signals),
        start_time=_start_time(rest),
        signals=signals,
        segments=segments,
        fields=_fields(comments),
        comments=comments,
    )


def _rate(path: Path, text: str | None) -> float:
    if text is None:
        return _DEFAULT_RATE
    found = _RATE.match(text)
    rate = float(found.group(1)) if found else 0.0
    if not 0 < rate < 1e9:
        raise FormatError(f"{path}: sample rate {text!r}; want a number of Hz above 0")
    return rate


def _segments(path: Path, lines: list[str], number: int) -> tuple[tuple[str, int], ...]:
    found = [_SEGMENT.match(line) for line in lines[:number]]
    if number == 0 or len(found) < number:
        raise FormatError(f"{path}: {number} segments announced, {len(found)} listed")
    segments = []
    for match, line in zip(found, lines, strict=False):
        if match is None:
            raise FormatError(f"{path}: segment line {line!r}; want a name and a length")
        name, length = match.group(1), int(match.group(2))
        segments.append((name if name == "~" else _plain_name(path, name), length))
    return tuple(segments)


def _signal(path: Path, line: str, plain_name: Callable[[str], str]) -> SignalLine:
    fields = line.split(maxsplit=8)
    kind = _format(fields[1]) if len(fields) > 1 else None
    if kind is None:
        raise FormatError(f"{path}: signal line {line!r}; want a file name and a sample format")
    calibration = _gain(fields[2]) if len(fields) > 2 else (_DEFAULT_GAIN, None, "mV")
    if calibration is None:
        raise FormatError(f"{path}: gain {fields[2]!r}; want GAIN(BASELINE)/UNIT")
    gain, baseline, unit = calibration
    try:
        zero = int(fields[4]) if len(fields) > 4 else 0
        # 0 means "not stated": the whole corpus of the 2017 challenge says so.
        checksum = (int(fields[6]) % 65536 or None) if len(fields) > 6 else None
    except ValueError:
        raise FormatError(f"{path}: signal line {line!r}; a number is no number") from None
    return SignalLine(
        plain_name(fields[0]),
        *kind,
        gain,
        zero if baseline is None else baseline,
        unit,
        checksum,
        fields[8].strip() if len(fields) > 8 else "",
    )


# The same few texts stand in all headers of a corpus.
@lru_cache(maxsize=1024)
def _format(text: str) -> tuple[str, int, int, int] | None:
    """Format, samples per frame, skew and byte offset out of "16x1:0+24"."""
    found = _FORMAT.match(text)
    if found is None or found.group(2) == "0":
        return None
    per_frame, skew, offset = (int(number or 0) for number in found.groups()[1:])
    return found.group(1), per_frame or 1, skew, offset


@lru_cache(maxsize=1024)
def _gain(text: str) -> tuple[float, int | None, str] | None:
    """Gain, baseline (None: not written) and unit out of "1000.0(0)/mV"."""
    found = _GAIN.match(text)
    # Beyond these, a float32 signal is all zero or infinite.
    size = abs(float(found.group(1))) if found else math.nan
    if found is None or not (size == 0 or 1e-30 < size < 1e30):
        return None
    gain, baseline, unit = found.groups()
    # 0 means "not calibrated", and the WFDB library takes 200 steps per mV then.
    return (
        float(gain) or _DEFAULT_GAIN,
        None if baseline is None else int(baseline),
        unit or "mV",
    )


def _plain_name(path: Path, name: str) -> str:
    """A name in the folder of the header; anything else could reach any file of the machine.

    A header that was moved may still name the folder it came from, with the file beside it.
    """
    folder, slash, last = name.rpartition("/")
    if slash and folder and not {"", "..", "."} & set(folder.split("/")):
        beside = path.with_name(last) if last and "\0" not in last else path
        name = last if beside != path and _is_beside(beside) else name
    if "/" in name or "\\" in name or ":" in name or "\0" in name or name in (".", "..", "-"):
        raise FormatError(
            f"{path}: names {name!r}; only files in the folder of the header are read"
        )
    return name


def _is_beside(path: Path) -> bool:
    return path.is_file() or path.with_name(f"{path.name}.hea").is_file()


def _start_time(rest: str | None) -> str | None:
    found = _TIME.match(rest or "")
    if found is None:
        return None
    hour, minute, second, fraction, day, month, year = found.groups()
    try:
        micro = int(f"{fraction or 0:0<6}"[:6])
        when = (int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro)
        return datetime(*when).isoformat()
    except (ValueError, OverflowError):
        return None


def _fields(comments: tuple[str, ...]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for comment in comments:
        starts = list(_BRACKETED.finditer(comment))
        if not starts:
            named = list(_NAMED.finditer(comment))
            starts = named if len(named) > 1 and named[0].start() == 0 else []
        ends = [start.start() for start in starts[1:]]
        found = [
            (start.group(1), comment[start.end() : end])
            for start, end in zip(starts, [*ends, None], strict=bool(starts))
        ]
        if not found and (whole := _FIELD.match(comment)):
            found = [(whole.group(1), whole.group(2))]
        for name, value in found:
            fields.setdefault(name.strip().lower(), value.strip(" \t,;"))
    return fields
