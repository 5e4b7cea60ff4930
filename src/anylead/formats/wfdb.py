"""WFDB (PhysioNet): a text header `.hea` beside samples in `.dat` or `.mat`.

Plain formats are read here, compressed and mixed ones by the `wfdb` package; both give the same
samples.
Specification: header(5) and signal(5) of the WFDB Applications Guide.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import parse_age, parse_sex, stated_patient
from anylead.formats.calibration import without_pulse
from anylead.formats.channels import Rename, choose
from anylead.formats.guard import check_samples, is_small
from anylead.formats.units import is_arbitrary, voltage_factor
from anylead.formats.wfdb_header import Header, SignalLine, is_header, read_header
from anylead.formats.wfdb_samples import BYTES, MISSING, read_samples
from anylead.records import Record

# No file can stand for more samples than this many per byte.
_LARGEST_RATIO = 100
_MOST_SEGMENTS = 100_000
PATIENT = ("patient id", "patient_id", "patient", "subject id", "subject_id", "subject")


def matches(head: bytes, path: Path) -> bool:
    """A header, or a file of samples with its header beside it."""
    if path.suffix.lower() == ".hea":
        return is_header(head)
    return path.suffix.lower() in (".dat", ".mat") and path.with_suffix(".hea").is_file()


def read(path: Path, rename: Rename | None = None) -> Record:
    """Read the ECG leads of a record by its header, its samples, or its name without extension.

    Args:
        path: of the header, the samples, or neither.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: header or samples are missing, cut short, changed, or of no known lead.
    """
    header_path = header_of(path)
    header = read_header(header_path)
    signal, lines = read_signals(header)
    names, units = [line.description for line in lines], [line.unit for line in lines]
    chosen = choose(header_path, names, units, rename)
    rows = list(chosen.rows.values())
    if len(rows) < len(lines):
        signal, lines = signal[rows], tuple(lines[row] for row in rows)
    factors, unit = factors_of(header_path, [line.unit for line in lines])
    if any(factor != 1 for factor in factors):
        signal = signal * np.array(factors, dtype=np.float32)[:, None]
    notes = chosen.left_out
    if unit == "mV":
        signal, cut = without_pulse(signal, [*chosen.rows], header.sample_rate)
        notes = notes if cut is None else (*notes, cut)
    diagnosis = header.fields.get("dx")
    codes = [code.strip() for code in re.split(r"[,;]", diagnosis or "")]
    found = tuple(dict.fromkeys(code for code in codes if code and code.lower() != "unknown"))
    return Record(
        signal=signal,
        leads=tuple(chosen.rows),
        sample_rate=header.sample_rate,
        record_id=header_path.stem,
        labels={"dx": found} if found else {},
        patient_id=stated_patient(_first_of(header.fields, PATIENT)),
        age=parse_age(header.fields.get("age")),
        sex=parse_sex(header.fields.get("sex") or header.fields.get("gender")),
        start_time=header.start_time,
        diagnosis=diagnosis or header.fields.get("diagnosis", "").replace("\\n", "\n") or None,
        unit=unit,
        resolution=tuple(
            abs(factor / line.gain) for factor, line in zip(factors, lines, strict=True)
        ),
        notes=notes,
        channels={lead: line.description for lead, line in zip(chosen.rows, lines, strict=True)},
    )


def _first_of(fields: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((fields[name] for name in names if fields.get(name)), None)


def header_of(path: Path) -> Path:
    """The header of a record by itself, by its samples, or by a name without extension."""
    header_path = path if path.suffix.lower() == ".hea" else path.with_suffix(".hea")
    if header_path.is_file():
        return header_path
    longer = path.with_name(path.name + ".hea")
    if longer.is_file():
        return longer
    raise FormatError(
        f"{path}: its header {header_path.name} is missing; samples alone tell neither leads nor"
        " sample rate"
    )


def read_signals(header: Header) -> tuple[NDArray[np.float32], tuple[SignalLine, ...]]:
    """All signals of a record, segments joined.

    Returns:
        (signal, time) in the units of the header, NaN where samples are missing; and what the
        header says about each row.
    """
    if header.segments:
        return _join(header)
    if not header.signals:
        raise FormatError(f"{header.path}: 0 signals; an ECG has at least one")
    rows = []
    lines = header.signals
    first = 0
    while first < len(lines):
        last = first
        while last < len(lines) and lines[last].file == lines[first].file:
            last += 1
        rows.append(_read_file(header, lines[first:last], first))
        first = last
    if len({part.shape[1] for part in rows}) != 1:
        lengths = ", ".join(str(part.shape[1]) for part in rows)
        raise FormatError(f"{header.path}: files of different length ({lengths} samples)")
    return (rows[0] if len(rows) == 1 else np.concatenate(rows)), lines


def _read_file(
    header: Header, lines: tuple[SignalLine, ...], first_row: int
) -> NDArray[np.float32]:
    """The signals of one file of samples, (signal, time)."""
    path = header.path.with_name(lines[0].file)
    layouts = {line[1:5] for line in lines}  # format, samples per frame, skew, offset: mostly one
    kind, _, _, offset = lines[0][1:5]
    try:
        num_bytes = path.stat().st_size - offset
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}; {header.path.name} names it") from (
            None
        )
    if any(layout[0] != kind or layout[3] != offset for layout in layouts):
        raise FormatError(f"{header.path}: several sample formats in {path.name}")
    frame = sum(line.samples_per_frame for line in lines)
    _check_length(header, path, kind, frame, num_bytes)
    frames = header.num_samples or int(num_bytes / BYTES.get(kind, 1) / frame)
    _check_memory(header, frames, max(layout[2] for layout in layouts))
    if layouts != {(kind, 1, 0, offset)} or kind not in MISSING:
        return _read_by_package(header, first_row, len(lines))
    if frames == 0:
        raise FormatError(f"{path}: 0 samples")
    count = frames * len(lines)
    try:
        digital = read_samples(path, kind, count, lines[0].byte_offset)
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}") from None
    if len(digital) < count:
        raise FormatError(f"{path}: truncated; {len(digital)} samples, want {count}")
    digital = np.ascontiguousarray(digital.reshape(frames, len(lines)).T)
    _check_sums(path, lines, digital.sum(axis=1, dtype=np.int16).astype(np.uint16))
    return _physical(digital, lines, MISSING[kind])


def _check_length(
    header: Header, path: Path, kind: str, samples_per_frame: int, num_bytes: int
) -> None:
    num_samples = (header.num_samples or 0) * samples_per_frame
    # A flat signal in FLAC has hardly any bytes.
    wanted = num_samples * BYTES.get(kind, 0)
    if num_bytes < wanted or num_bytes <= 0:
        raise FormatError(
            f"{path}: truncated; {max(num_bytes, 0)} bytes of samples, {header.path.name} wants"
            f" {max(int(np.ceil(wanted)), 1)}"
        )


def _check_memory(header: Header, frames: int, skew: int) -> None:
    """Refuse lengths and skews that ask for far more than the file holds."""
    if skew > frames:
        raise FormatError(f"{header.path}: a skew of {skew} samples in {frames}; damaged")
    count = frames * len(header.signals)
    if not is_small(count):
        check_samples(header.path, count, "its files", _num_bytes([header]))


def _physical(
    digital: NDArray[np.signedinteger[Any]], lines: tuple[SignalLine, ...], missing: int
) -> NDArray[np.float32]:
    # Steps of 24 and 32 bits need double precision.
    dtype = np.float32 if digital.dtype == np.int16 else np.float64
    signal: NDArray[Any] = digital.astype(dtype)
    baselines = [line.baseline for line in lines]
    if any(baselines):
        signal -= np.array(baselines, dtype=np.float64).astype(dtype)[:, None]
    signal /= np.array([line.gain for line in lines], dtype=dtype)[:, None]
    if digital.min() <= missing:
        signal[digital == missing] = np.nan
    return signal.astype(np.float32, copy=False)


def _check_sums(path: Path, lines: tuple[SignalLine, ...], sums: NDArray[np.uint16]) -> None:
    for line, found in zip(lines, sums.tolist(), strict=True):
        if line.checksum is not None and found != line.checksum:
            raise FormatError(
                f"{path}: samples of {line.description or line.file} were changed or damaged"
                f" (checksum {found}, the header says {line.checksum})"
            )


def _read_by_package(header: Header, first_row: int, num_rows: int) -> NDArray[np.float32]:
    """Other sample formats, signals of several rates, skewed signals."""
    import wfdb

    name = str(header.path.with_suffix(""))
    rows = list(range(first_row, first_row + num_rows))
    lines = header.signals[first_row : first_row + num_rows]
    try:
        exact = wfdb.rdrecord(name, channels=rows, physical=False, smooth_frames=False)
        sums = [int(np.sum(each, dtype=np.int64)) % 65536 for each in exact.e_d_signal]
        read = wfdb.rdrecord(name, channels=rows, return_res=64)
        physical = np.asarray(read.p_signal, dtype=np.float32).T
    except Exception as error:  # the package has no error class of its own
        raise FormatError(f"{header.path}: cannot be read ({error})") from None
    if all(line.skew == 0 for line in lines):
        _check_sums(header.path, lines, np.array(sums, dtype=np.uint16))
    if physical.size == 0:
        raise FormatError(f"{header.path}: 0 samples")
    return np.ascontiguousarray(physical)


def _join(header: Header) -> tuple[NDArray[np.float32], tuple[SignalLine, ...]]:
    """Put segments one after another; rows are matched by name, gaps are NaN."""
    parts: list[tuple[int, Header | None]] = []
    heads = _segment_headers(header)
    for name, length in header.segments:
        part = heads.get(name)
        if part is not None and part.segments:
            raise FormatError(f"{header.path}: segment {name} has segments itself")
        if part is not None and part.sample_rate != header.sample_rate:
            raise FormatError(
                f"{header.path}: {header.sample_rate} Hz, segment {name} {part.sample_rate} Hz"
            )
        parts.append((length, part))
    # A first segment of length 0 lists all signals ("variable layout").
    known = [pair for _, part in parts if part is not None for pair in _numbered(part.signals)]
    first: dict[tuple[str, int], SignalLine] = {}
    for key, line in known:
        first.setdefault(key, line)
    # Samples of segments with different gains are no whole steps of any one of them.
    gains = {(key, line.gain) for key, line in known}
    varied = {key for key in first if sum(pair[0] == key for pair in gains) > 1}
    lines = tuple(
        line._replace(gain=math.nan) if key in varied else line for key, line in first.items()
    )
    total = sum(length for length, _ in parts)
    recorded = sum(length for length, part in parts if part is not None)
    if recorded == 0:
        raise FormatError(f"{header.path}: {recorded} samples recorded in {total}")
    check_samples(header.path, total * len(lines), "its segments", _num_bytes(heads.values()))
    pieces = []
    for length, part in parts:
        if length == 0:
            continue
        piece = np.full((len(lines), length), np.nan, dtype=np.float32) if part is None else None
        pieces.append(_segment(header, part, lines, length) if part is not None else piece)
    joined = np.concatenate([piece for piece in pieces if piece is not None], axis=1)
    return joined, lines


def _segment_headers(header: Header) -> dict[str, Header]:
    """The headers of all segments, each read once; amounts are checked before any is read."""
    if len(header.segments) > _MOST_SEGMENTS:
        raise FormatError(f"{header.path}: {len(header.segments)} segments; damaged")
    names = dict.fromkeys(name for name, _ in header.segments if name != "~")
    return {name: read_header(header.path.with_name(f"{name}.hea")) for name in names}


def _num_bytes(headers: Iterable[Header]) -> int:
    """Bytes of all files of samples, each once."""
    paths = {part.path.with_name(line.file) for part in headers for line in part.signals}
    return sum(path.stat().st_size for path in paths if path.is_file())


def _numbered(lines: Iterable[SignalLine]) -> list[tuple[tuple[str, int], SignalLine]]:
    """Signals by name, and by number among those of one name ("ECG", "ECG")."""
    seen: Counter[str] = Counter()
    numbered = []
    for line in lines:
        numbered.append(((line.description, seen[line.description]), line))
        seen[line.description] += 1
    return numbered


def _segment(
    header: Header, part: Header, lines: tuple[SignalLine, ...], length: int
) -> NDArray[np.float32]:
    signal, own = read_signals(part)
    if signal.shape[1] != length:
        raise FormatError(
            f"{header.path}: segment {part.path.name} has {signal.shape[1]} samples, want {length}"
        )
    piece = np.full((len(lines), length), np.nan, dtype=np.float32)
    row_of = {name: row for row, (name, _) in enumerate(_numbered(lines))}
    for row, (name, line) in enumerate(_numbered(own)):
        target = row_of[name]
        if line.unit.lower() != lines[target].unit.lower():
            raise FormatError(f"{header.path}: {line.description} in several units")
        piece[target] = signal[row]
    return piece


def factors_of(path: Path, units: Sequence[str]) -> tuple[list[float], Literal["mV", "NU"]]:
    """Factors to the unit of the record, and that unit."""
    without_voltage = [each for each in units if is_arbitrary(each)]
    if without_voltage and len(without_voltage) < len(units):
        raise FormatError(
            f"{path}: unit {without_voltage[0]!r} of some leads, voltages of others; want one kind"
        )
    return [voltage_factor(each) for each in units], "NU" if without_voltage else "mV"
