"""Records of ecgdatakit (Apache-2.0), which reads the clinical formats, as ours.

It keeps the samples as the file holds them with a resolution and an offset per lead; here they
become millivolts, and a lead without a unit is an error instead of a guess.
"""

import math
import re
import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, age_between, join_leads, parse_age, parse_sex
from anylead.formats.channels import Rename, choose
from anylead.formats.guard import optional
from anylead.leads import LEADS, complete_limb_leads
from anylead.records import Record

# What ecgdatakit says of ECG in a file that it does not hand over.
_DROPPED = (
    r"\d+ rhythm series|(?:\d+ sequence sets|Unrecognised sequences ignored) in the rhythm"
    r"|Additional rhythm waveform|MFER: \d+ frame\(s\) after|MFER: frame \d+ starts at"
    r"|Kardia data.raw.numLeads"
)


def parse(path: Path, module: str, parser: str) -> Any:
    """Run one parser of ecgdatakit, chosen by us and not by its own guess at the format.

    Raises:
        FormatError: a checksum in the file does not fit its data.
        MissingPackageError: ecgdatakit is not installed.
    """
    chosen = getattr(optional("ecgdatakit", f"ecgdatakit.parsing.parsers.{module}"), parser)
    checksum = optional("ecgdatakit", "ecgdatakit.exceptions").ChecksumWarning
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("always", message=_DROPPED)
        warnings.simplefilter("error", checksum)
        try:
            found = chosen().parse(path)
        except checksum as error:
            raise FormatError(f"{path}: {error}; the file is damaged, copy it again") from error
    said = [str(warning.message) for warning in told]
    found.raw_metadata["dropped"] = tuple(text for text in said if re.match(_DROPPED, text))
    return found


def to_record(
    path: Path, found: Any, sample_rate: float | None = None, rename: Rename | None = None
) -> Record:
    """What ecgdatakit read -> Record.

    Args:
        path: the file.
        found: `ecgdatakit.models.ECGRecord`.
        sample_rate: Hz, where the file tells more exactly than ecgdatakit's whole number.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: no leads, leads of different rates, or samples without a unit.
    """
    units = [lead.resolution_unit if lead.is_raw else lead.units for lead in found.leads]
    names = [lead.label for lead in found.leads]
    # A lead without a unit is told as such below, and is no channel of another kind.
    chosen = choose(path, names, [unit or "mV" for unit in units], rename)
    leads = {name: found.leads[row] for name, row in chosen.rows.items()}
    rates = {lead.sampling_rate for lead in leads.values()}
    if len(rates) != 1:
        raise FormatError(f"{path}: leads with sample rates {sorted(rates)}; want one rate")
    channels = {name: _channel(path, lead) for name, lead in leads.items()}
    rate = sample_rate or float(rates.pop())
    notes = (*chosen.left_out, *found.raw_metadata.get("dropped", ()))
    return join_leads(path, channels, rate, _about(found), notes)


def with_all_limb_leads(record: Record) -> Record:
    """Add the limb leads that a file leaves out because they follow from two others."""
    if not set(record.leads) & set(LEADS):
        return record
    canonical, has_lead = record.canonical()
    completed, has_completed = complete_limb_leads(canonical, has_lead)
    if np.array_equal(has_completed, has_lead):
        return record
    known = dict(zip(record.leads, record.resolution or (), strict=False))
    step = known.get("I", math.nan) if known.get("I") == known.get("II") else math.nan
    # III is a difference of steps, the augmented leads are halves of such.
    halves = {"III": step, "aVR": step / 2, "aVL": step / 2, "aVF": step / 2}
    others = [i for i, name in enumerate(record.leads) if name not in LEADS]
    names = [name for name, has in zip(LEADS, has_completed, strict=True) if has]
    leads = (*names, *(record.leads[i] for i in others))
    return replace(
        record,
        signal=np.concatenate([completed[has_completed], record.signal[others]]),
        leads=leads,
        resolution=tuple(known.get(name, halves.get(name, math.nan)) for name in leads),
    )


def _channel(path: Path, lead: Any) -> Channel:
    if not lead.is_raw:
        return Channel(lead.label, lead.samples, lead.units)
    if not lead.resolution_unit:
        raise FormatError(f"{path}: lead {lead.label} has no amplitude unit; export it with one")
    return Channel(lead.label, lead.samples, lead.resolution_unit, lead.resolution, lead.offset)


def _about(found: Any) -> About:
    start = found.recording.date
    lines = [" ".join(part for part in line if part) for line in found.interpretation.statements]
    return About(
        patient_id=found.patient.patient_id or None,
        age=_age(found),
        sex=parse_sex(found.patient.sex) if found.patient.sex in ("M", "F") else None,
        start_time=start.isoformat() if isinstance(start, datetime) else None,
        diagnosis="\n".join(line for line in lines if line) or None,
    )


def _age(found: Any) -> float | None:
    """Years; ecgdatakit counts whole ones, which are none at all for an infant."""
    age: float | None = found.patient.age
    if age:
        return age
    told = found.raw_metadata.get("age") or {}  # of a unit that it does not know
    born, day = found.patient.birth_date, found.recording.date
    exact = age_between(
        born.date() if isinstance(born, datetime) else None,
        day.date() if isinstance(day, datetime) else None,
    )
    stated = parse_age(f"{told.get('value', '')} {told['units']}") if told.get("units") else None
    return next((each for each in (stated, exact) if each is not None), age)
