"""GE CardioSoft and CASE: `CardiologyXML`, a strip of comma-separated steps for each lead."""

import xml.etree.ElementTree as ET
from datetime import date, datetime
from pathlib import Path

import numpy as np

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, Sex, age_between, build_record, parse_age
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, read_xml, xml_head
from anylead.records import Record

SEXES: dict[str, Sex] = {"m": "male", "f": "female"}


def matches(head: bytes, path: Path) -> bool:
    """Whether the first 4096 bytes are those of a CardioSoft export."""
    return "<CardiologyXML" in xml_head(head)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The strip of a resting ECG; median beats and full disclosures are left.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not such a file, no strip in it, or a lead of another length than stated.
    """
    with guarded(path, "CardioSoft XML"):
        root = ET.fromstring(read_xml(path))
        strip = root.find("StripData") if root.tag == "CardiologyXML" else None
        if strip is None:
            raise FormatError(f"{path}: no StripData below CardiologyXML; export the resting ECG")
        step = strip.find("Resolution")
        unit = "" if step is None else step.get("units", "")
        if step is None or not unit.lower().endswith("perlsb"):
            raise FormatError(f"{path}: resolution in {unit!r}; want uVperLsb")
        scale = float(step.text or "")
        stated = int(_text(strip, "ChannelSampleCountTotal") or 0)
        channels = []
        for element in strip.findall("WaveformData"):
            values = np.array((element.text or "").replace("\t", "").split(","), dtype=np.float64)
            name = element.get("lead", "")
            if stated and len(values) != stated:
                raise FormatError(
                    f"{path}: lead {name} has {len(values)} samples, {stated} are stated; it is"
                    " damaged, export it again"
                )
            channels.append(Channel(name, values, unit[: -len("perlsb")], scale))
        rate = float(_text(strip, "SampleRate") or 0)
        return build_record(path, channels, rate, _about(root), rename)


def _text(element: ET.Element | None, path: str) -> str:
    found = None if element is None else element.findtext(path)
    return (found or "").strip()


def _about(root: ET.Element) -> About:
    patient, time = root.find("PatientInfo"), root.find("ObservationDateTime")
    parts = [_text(time, name) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    try:
        start = datetime(*(int(part) for part in parts)).isoformat()  # type: ignore[arg-type]
    except ValueError:
        start = None
    lines = [(line.text or "").strip() for line in root.iter("DiagnosisText")]
    age = _age(patient)
    if age is None and start is not None:
        age = age_between(_born(patient), datetime.fromisoformat(start).date())
    return About(
        patient_id=_text(patient, "PID"),
        age=age,
        sex=SEXES.get(_text(patient, "Gender").lower()[:1]),
        start_time=start,
        diagnosis="\n".join(line for line in lines if line) or None,
    )


def _age(patient: ET.Element | None) -> float | None:
    """Years; the unit of a child's age ("months") is an attribute."""
    element = None if patient is None else patient.find("Age")
    unit = "" if element is None else element.get("units", "")
    return parse_age(f"{_text(patient, 'Age')} {unit}")


def _born(patient: ET.Element | None) -> date | None:
    parts = [_text(patient, f"BirthDateTime/{name}") for name in ("Year", "Month", "Day")]
    try:
        return date(*(int(part) for part in parts))
    except ValueError:
        return None
