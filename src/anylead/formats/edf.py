"""EDF (Kemp et al. 1992), EDF+ (Kemp and Olivan 2003) and BDF (24 bits, BioSemi).

One header of fixed-width text, then data records that hold a stretch of every signal in turn.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, age_between, join_leads, parse_sex
from anylead.formats.channels import Choice, Rename, choose
from anylead.formats.guard import check_samples, check_size, guarded
from anylead.formats.units import is_arbitrary
from anylead.records import Record

MAGIC_EDF = b"0       "
MAGIC_BDF = b"\xffBIOSEMI"
# Width of each per-signal field, in file order.
FIELDS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "samples": 8,
    "reserved": 32,
}
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
MAX_SIGNALS = 4096
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Header:
    """The parts of an EDF header that matter here; lists have one entry per signal."""

    patient: str
    recording: str
    start: str
    kind: str
    header_bytes: int
    num_records: int
    seconds: str
    signals: dict[str, list[str]]
    sample_bytes: int

    @property
    def samples(self) -> list[int]:
        """Samples of each signal in one data record."""
        return [int(text) for text in self.signals["samples"]]


def matches(head: bytes, path: Path) -> bool:
    """Whether the file starts with the version field of EDF or BDF and a header size."""
    return head[:8] in (MAGIC_EDF, MAGIC_BDF) and head[184:192].strip().isdigit()


def read(path: Path, rename: Rename | None = None) -> Record:
    """The ECG leads of an EDF or BDF file; gaps of a discontinuous one (EDF+D) become NaN.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not EDF, cut off, or its ECG leads differ in rate.
    """
    with guarded(path, "EDF"):
        header = read_header(path)
        chosen, length = _choose(path, header, rename)
        records = _data_records(path, header)
        onsets = _onsets(path, header, records) if _has_gaps(header) else []
        leads = {}
        for lead, i in chosen.rows.items():
            channel = _channel(path, header, i, records)
            if onsets:
                signal = _with_gaps(path, channel.signal(), length, header, onsets)
                unit = "NU" if is_arbitrary(channel.unit) else "mV"
                channel = Channel(channel.name, signal, unit)
            leads[lead] = channel
        rate = roundest_rate(length, header.seconds)
        notes = tuple(note for note in chosen.left_out if not note.startswith(ANNOTATIONS))
        return join_leads(path, leads, rate, _about(header), notes)


def length_of(path: Path, rename: Rename | None = None) -> tuple[int, float] | None:
    """Samples of each lead, and Hz; None of a file with gaps, which is read whole.

    Raises:
        FormatError: as for `read`.
    """
    with guarded(path, "EDF"):
        header = read_header(path)
        _, length = _choose(path, header, rename)
        if _has_gaps(header):
            return None
        return length * len(_data_records(path, header)), roundest_rate(length, header.seconds)


def read_part(path: Path, start: int, stop: int, rename: Rename | None = None) -> Record:
    """The ECG leads from one sample to another (left out), without the rest of a long file.

    Args:
        path: of a file without gaps.
        start, stop: samples.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: as for `read`.
    """
    with guarded(path, "EDF"):
        header = read_header(path)
        chosen, length = _choose(path, header, rename)
        first = start // length
        records = _data_records(path, header)[first : -(-stop // length)]
        leads = {}
        for lead, i in chosen.rows.items():
            channel = _channel(path, header, i, records)
            within = channel.values[start - first * length : stop - first * length]
            leads[lead] = replace(channel, values=within)
        rate = roundest_rate(length, header.seconds)
        return join_leads(path, leads, rate, _about(header), is_part=True)


def _choose(path: Path, header: Header, rename: Rename | None) -> tuple[Choice, int]:
    """The leads, and the samples of each in a data record."""
    chosen = choose(path, header.signals["label"], header.signals["unit"], rename)
    lengths = {header.samples[i] for i in chosen.rows.values()}
    if len(lengths) > 1:
        raise FormatError(f"{path}: ECG leads of different sample rates; export them alike")
    return chosen, lengths.pop()


def _has_gaps(header: Header) -> bool:
    return header.kind.startswith(("EDF+D", "BDF+D"))


def read_header(path: Path) -> Header:
    """Parse the header and check that the file is as long as it says.

    Raises:
        FormatError: a field that is no number, or a file that is too short.
    """
    size = path.stat().st_size
    check_size(path, 256, size, "EDF header")
    with path.open("rb") as file:
        main = file.read(256)
        if main[:8] not in (MAGIC_EDF, MAGIC_BDF):
            raise FormatError(f"{path}: does not start like EDF or BDF; not such a file")
        num_signals = _number(path, "number of signals", main[252:256])
        if not 1 <= num_signals <= MAX_SIGNALS:
            raise FormatError(f"{path}: {num_signals} signals declared; want 1 to {MAX_SIGNALS}")
        check_size(path, 256 * (1 + num_signals), size, "signal headers")
        signals = {
            name: [_text(file.read(width)) for _ in range(num_signals)]
            for name, width in FIELDS.items()
        }
    header = Header(
        patient=_text(main[8:88]),
        recording=_text(main[88:168]),
        start=_text(main[168:184]),
        kind=_text(main[192:236]),
        header_bytes=_number(path, "header size", main[184:192]),
        num_records=_number(path, "number of data records", main[236:244]),
        seconds=_text(main[244:252]),
        signals=signals,
        sample_bytes=3 if main[:1] == b"\xff" else 2,
    )
    if header.header_bytes != 256 * (1 + num_signals):
        raise FormatError(
            f"{path}: header of {header.header_bytes} bytes for {num_signals} signals, want"
            f" {256 * (1 + num_signals)}; it is damaged"
        )
    for text in signals["samples"]:
        if _number(path, "samples per data record", text.encode()) < 1:
            raise FormatError(f"{path}: {text!r} samples per data record; the header is damaged")
    return header


def _data_records(path: Path, header: Header) -> NDArray[np.generic]:
    """(data record, sample) int16, or (data record, sample, 3) bytes of BDF; not yet in memory."""
    record_bytes = sum(header.samples) * header.sample_bytes
    found = path.stat().st_size - header.header_bytes
    # -1: still being recorded, so whatever is complete counts.
    count = found // record_bytes if header.num_records == -1 else header.num_records
    check_size(path, count * record_bytes, found, f"{count} data records")
    if count < 1:
        raise FormatError(f"{path}: no data record; the recording is empty")
    total = sum(header.samples)
    if header.sample_bytes == 2:
        return np.memmap(path, "<i2", "r", header.header_bytes, (count, total))
    return np.memmap(path, np.uint8, "r", header.header_bytes, (count, total, 3))


def _widen(raw: NDArray[np.generic]) -> NDArray[np.int32]:
    """(record, sample, 3) bytes, little-endian -> (time,) int32."""
    bytes_ = np.asarray(raw).reshape(-1, 3)
    wide = np.zeros((len(bytes_), 4), dtype=np.uint8)
    wide[:, 1:] = bytes_  # in the upper bytes, so that the shift back extends the sign
    return wide.view("<i4").reshape(-1) >> 8


def _channel(path: Path, header: Header, i: int, records: NDArray[np.generic]) -> Channel:
    start = sum(header.samples[:i])
    raw = records[:, start : start + header.samples[i]]
    values = _widen(raw) if header.sample_bytes == 3 else raw.reshape(-1)
    field = {name: column[i] for name, column in header.signals.items()}
    limits = ("physical_min", "physical_max", "digital_min", "digital_max")
    try:
        low, high, digital_low, digital_high = (_decimal(field[name]) for name in limits)
    except ValueError:
        raise FormatError(
            f"{path}: signal {field['label']!r}: range {[field[name] for name in limits]} is no"
            " number; the header is damaged"
        ) from None
    if digital_high == digital_low or high == low:
        raise FormatError(f"{path}: signal {field['label']!r}: empty range; the header is damaged")
    scale = (high - low) / (digital_high - digital_low)
    return Channel(field["label"], values, field["unit"], scale, low - digital_low * scale)


def _decimal(text: str) -> float:
    """A number with a point or, as some software writes, with a comma."""
    return float(text.replace(",", ".", 1) if "." not in text else text)


def roundest_rate(samples: int, seconds: str) -> float:
    """Samples per second of a data record whose length is written with few digits.

    "0.0078125" holds; 1/257 s does not fit into eight characters. Among the rates that would have
    been written the same way, a whole number is the true one.
    """
    duration = _decimal(seconds)
    if not (math.isfinite(duration) and duration > 0):
        raise FormatError(f"data records of {seconds!r} seconds; the header is damaged")
    rate = samples / duration
    whole = round(rate)
    if abs(rate - whole) < 1e-9 * rate:
        return float(whole)  # 2700 samples in "10.8" s
    decimals = len(seconds.replace(",", ".").partition(".")[2])
    written_alike = whole > 0 and abs(samples / whole - duration) <= 0.5 * 10.0**-decimals
    # A record of "1" second is exactly one: only a duration cut short may be off.
    return float(whole) if written_alike and len(seconds) >= 7 else rate


def _onsets(path: Path, header: Header, records: NDArray[np.generic]) -> list[float]:
    """Seconds at which each data record starts, from the time-keeping annotations (EDF+)."""
    at = [i for i, label in enumerate(header.signals["label"]) if label in ANNOTATIONS]
    if not at:
        raise FormatError(f"{path}: {header.kind} without annotations; its gaps are unknown")
    start = sum(header.samples[: at[0]])
    stretch = np.ascontiguousarray(records[:, start : start + header.samples[at[0]]])
    onsets = []
    for row in stretch:
        found = re.match(rb"([+-]\d+(?:\.\d*)?)\x14\x14", row.tobytes())
        if found is None:
            raise FormatError(f"{path}: a data record without its onset; the file is damaged")
        onsets.append(float(found[1]))
    return onsets


def _with_gaps(
    path: Path, signal: NDArray[np.float32], length: int, header: Header, onsets: Sequence[float]
) -> NDArray[np.float32]:
    rate = roundest_rate(length, header.seconds)
    starts = np.round((np.array(onsets) - onsets[0]) * rate).astype(np.int64)
    if (np.diff(starts) < length).any():
        raise FormatError(f"{path}: data records overlap in time; the file is damaged")
    total = int(starts[-1]) + length
    check_samples(path, total * len(header.samples), "the gaps between the data records")
    spread = np.full(total, np.nan, dtype=np.float32)
    for start, stretch in zip(starts, signal.reshape(-1, length), strict=True):
        spread[start : start + length] = stretch
    return spread


def _about(header: Header) -> About:
    """Patient and start: by subfields in EDF+ ("code sex birthdate name"), else as one text."""
    day, clock = _short_date(header.start[:8]), _time(header.start[-8:])
    code, sex, born, *_ = [*header.patient.split(), "X", "X", "X"]
    # Some software writes the subfields of EDF+ and does not say that it is EDF+.
    is_plus = header.kind.startswith(("EDF+", "BDF+")) or (
        len(header.patient.split()) >= 3
        and (sex == "X" or parse_sex(sex) is not None)
        and (born == "X" or _date(born) is not None)
    )
    if not is_plus:
        return About(patient_id=header.patient, start_time=_iso(day, clock))
    # EDF+ repeats the date with all digits of its year, or says X where it is not known.
    dated = header.recording.removeprefix("Startdate ").split(" ")[0]
    day = None if dated.startswith("X") else _date(dated) or day
    return About(
        patient_id=None if code == "X" else code,
        sex=parse_sex(sex),
        age=age_between(_date(born), day),
        start_time=_iso(day, clock),
    )


def _iso(day: date | None, clock: time | None) -> str | None:
    return None if day is None or clock is None else datetime.combine(day, clock).isoformat()


def _short_date(text: str) -> date | None:
    """Out of "dd.mm.yy"; two digits of a year reach from 1985 to 2084."""
    found = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)", text)
    if found is None:
        return None
    year = int(found[3])
    try:
        return date(year + (1900 if year >= 85 else 2000), int(found[2]), int(found[1]))
    except ValueError:
        return None


def _time(text: str) -> time | None:
    """Out of "hh.mm.ss"."""
    found = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)", text)
    try:
        return None if found is None else time(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def _date(text: str) -> date | None:
    """Out of "25-JAN-2013", in any case; months as EDF+ spells them."""
    found = re.fullmatch(r"(\d\d?)-([A-Z]{3})-(\d{4})", text.upper())
    if found is None or found[2] not in MONTHS:
        return None
    try:
        return date(int(found[3]), MONTHS.index(found[2]) + 1, int(found[1]))
    except ValueError:
        return None


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip().strip("\0")


def _number(path: Path, what: str, field: bytes) -> int:
    try:
        return int(_text(field))
    except ValueError:
        raise FormatError(f"{path}: {what} is {_text(field)!r}; the header is damaged") from None
