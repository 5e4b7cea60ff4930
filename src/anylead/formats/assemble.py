"""Channels as a file holds them -> Record: volts, names, and who was recorded."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.calibration import without_pulse
from anylead.formats.channels import Rename, choose
from anylead.formats.units import is_arbitrary, voltage_factor
from anylead.preprocessing import HIGHEST_RATE, LOWEST_RATE
from anylead.records import Record

MAX_AGE = 130.0
# What software and people write into the field of the patient id when there is none.
NO_PATIENT = {
    *("unknown", "unk", "anonymous", "anonym", "anonymized", "anonymised", "deidentified"),
    *("none", "null", "nan", "na", "noname", "noid", "notavailable", "notstated", "unnamed"),
    *("trialsubject", "patient", "patientid", "subject", "id", "test"),
}
_AGE = re.compile(
    r"(-?)(\d+(?:[.,]\d+)?)"
    r"(?:\s*(month|mo(?:n(?:at\w*)?|is|s)?\b|mth|week|wk|day|hour|hrs?\b)|([mwdh])\b)?",
    re.IGNORECASE,
)
_PER_YEAR = {"m": 12.0, "w": 365.25 / 7, "d": 365.25, "h": 8766.0}
OFFSET_TOLERANCE = 1e-6  # of a step: offsets are written with few digits

Sex = Literal["female", "male"]
_SEXES: dict[str, Sex] = {
    **dict.fromkeys(("f", "female", "w", "woman"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
}


@dataclass(frozen=True)
class About:
    """Who was recorded and when, as far as a file tells; the fields are those of `Record`."""

    patient_id: str | None = None
    age: float | None = None
    sex: Sex | None = None
    start_time: str | None = None
    diagnosis: str | None = None


@dataclass(frozen=True, eq=False)
class Channel:
    """One row of a file.

    Attributes:
        name: as the file spells it.
        values: (time,), physical = values * scale + offset.
        unit: of the physical value ("uV"); "NU" where it is no voltage.
        scale: physical units per step; 1 where `values` are physical already.
        offset: in `unit`.
        missing: the raw value that stands for a missing sample, or None.
    """

    name: str
    values: NDArray[np.generic]
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    missing: float | None = None

    def signal(self) -> NDArray[np.float32]:
        """(time,) float32 in mV (or without unit), NaN where a sample is missing."""
        to_millivolts = voltage_factor(self.unit)
        if not (math.isfinite(self.scale) and self.scale != 0 and math.isfinite(self.offset)):
            raise FormatError(
                f"lead {self.name}: scale {self.scale} and offset {self.offset} {self.unit};"
                " no voltage can be computed"
            )
        # Scaled in double precision: the steps of a 24-bit converter need it.
        signal = self.values.astype(np.float64)
        signal = (signal * self.scale + self.offset) * to_millivolts
        if self.missing is not None:
            signal[self.values == self.missing] = np.nan
        with np.errstate(over="ignore"):
            single = signal.astype(np.float32)
        if np.isinf(single).any():
            raise FormatError(
                f"lead {self.name}: infinite values; the scale or the data is damaged"
            )
        return single

    def resolution(self) -> float:
        """One step of the file's integers in mV (or without unit); NaN where there are none."""
        step = self.scale * voltage_factor(self.unit)
        is_whole = np.issubdtype(self.values.dtype, np.integer) or (
            # Some parsers hand out the integers as floats, with a scale.
            self.scale != 1 and bool(np.equal(np.rint(self.values), self.values).all())
        )
        offset_steps = self.offset / self.scale
        is_aligned = abs(offset_steps - round(offset_steps)) < OFFSET_TOLERANCE
        return abs(step) if is_whole and is_aligned else math.nan


def known_step(record: Record, row: int, largest_step: int) -> float | None:
    """The step of the integers a lead came from, if they fit a format of `largest_step`.

    Written with that step, a recording that was integers stays what it was, to the last bit.
    """
    step = math.nan if record.resolution is None else record.resolution[row]
    if not step > 0:
        return None
    present = record.signal[row][~np.isnan(record.signal[row])]
    largest = float(np.abs(present).max()) if present.size else 0.0
    return step if round(largest / step) <= largest_step else None


def build_record(
    path: Path,
    channels: Sequence[Channel],
    sample_rate: float,
    about: About,
    rename: Rename | None = None,
) -> Record:
    """Put together what a reader found.

    Channels that are no ECG lead (respiration, annotations) are left out, and of several channels
    of one lead (raw and filtered) the first is taken (`formats.channels`).

    Args:
        path: the file; its stem becomes the `record_id`.
        channels: rows of equal length.
        sample_rate: Hz.
        about: the rest.
        rename: name of a channel -> its lead; what a side-car says is added.

    Raises:
        FormatError: no ECG lead, lengths that differ, voltages beside none.
    """
    names, units = [c.name for c in channels], [c.unit for c in channels]
    chosen = choose(path, names, units, rename)
    leads = {lead: channels[row] for lead, row in chosen.rows.items()}
    return join_leads(path, leads, sample_rate, about, chosen.left_out)


def join_leads(
    path: Path,
    leads: Mapping[str, Channel],
    sample_rate: float,
    about: About,
    notes: tuple[str, ...] = (),
    is_part: bool = False,
) -> Record:
    """Put together leads that were chosen already.

    Args:
        path: the file; its stem becomes the `record_id`.
        leads: canonical name -> channel, of equal length.
        sample_rate: Hz.
        about: the rest.
        notes: what was left out.
        is_part: of a recording, so that no calibration pulse is cut off its ends.

    Raises:
        FormatError: lengths that differ, voltages beside none.
    """
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise FormatError(
            f"{path}: sample rate {sample_rate} Hz; want {LOWEST_RATE:g} to {HIGHEST_RATE:g} Hz"
        )
    lengths = {len(channel.values) for channel in leads.values()}
    if len(lengths) > 1:
        raise FormatError(f"{path}: leads of different length {sorted(lengths)}; export them alike")
    without_voltage = {is_arbitrary(channel.unit) for channel in leads.values()}
    if len(without_voltage) > 1:
        raise FormatError(f"{path}: some leads are voltages, some are not; export them alike")
    try:
        signal = np.stack([channel.signal() for channel in leads.values()])
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    unit: Literal["mV", "NU"] = "NU" if without_voltage == {True} else "mV"
    keeps_all = is_part or unit == "NU"
    signal, cut = (signal, None) if keeps_all else without_pulse(signal, [*leads], sample_rate)
    return Record(
        signal=signal,
        leads=tuple(leads),
        sample_rate=float(sample_rate),
        record_id=path.stem,
        patient_id=stated_patient(about.patient_id),
        age=plausible_age(about.age),
        sex=about.sex,
        start_time=about.start_time or None,
        diagnosis=about.diagnosis or None,
        resolution=tuple(channel.resolution() for channel in leads.values()),
        unit=unit,
        notes=notes if cut is None else (*notes, cut),
        channels={lead: channel.name for lead, channel in leads.items()},
    )


def date_and_time(start_time: str | None) -> datetime | None:
    """When a recording began, where both are known: a date alone is no midnight."""
    try:
        return datetime.fromisoformat(start_time) if start_time and start_time[10:] else None
    except ValueError:
        return None


def stated_patient(text: str | None) -> str | None:
    """A patient id, or None for what is written where there is none.

    An id that everybody has would make one person of all.
    """
    key = re.sub(r"[\W_]+", "", text or "").lower()
    is_one_sign = len(set(key)) <= 1 and key[:1] in ("", "0", "x")
    return None if is_one_sign or key in NO_PATIENT or text is None else text.strip()


def plausible_age(age: float | None) -> float | None:
    """The age in years, or None where the number can be no one's age."""
    return float(age) if age is not None and 0 <= age <= MAX_AGE else None


def parse_age(text: str | None) -> float | None:
    """Years out of "63", "63,5 years", "> 89", "063Y", "006M" and "18 months"; None if below 0."""
    found = _AGE.search(text) if text else None
    if found is None or found[1]:
        return None
    unit = (found[3] or found[4] or "y")[0].lower()
    years = float(found[2].replace(",", ".")) / _PER_YEAR.get(unit, 1.0)
    return years if years < 200 else None


def age_between(born: date | None, day: date | None) -> float | None:
    """Years from a birth to a day; None where one is not known or the birth comes later."""
    if born is None or day is None or born > day:
        return None
    return (day - born).days / 365.25


def parse_sex(text: str | None) -> Sex | None:
    """The sex behind "F", "female", "woman", "M", "male"; None for anything else.

    Corpora differ on whether 0 is a man or a woman, so that no number tells.
    """
    return _SEXES.get((text or "").strip().lower())
