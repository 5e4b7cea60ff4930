"""GE MUSE XML (restecg.dtd): little-endian samples in base64, usually I, II and V1 to V6."""

import xml.etree.ElementTree as ET
from pathlib import Path

from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, read_xml, xml_head
from anylead.records import Record


def matches(head: bytes, path: Path) -> bool:
    """Whether the first 4096 bytes are those of a MUSE export."""
    text = xml_head(head).lower()
    return "<restingecg>" in text or "<restingecg " in text or "<museinfo" in text


def read(path: Path, rename: Rename | None = None) -> Record:
    """The rhythm waveform of a MUSE file, with III, aVR, aVL and aVF computed where I and II stand.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not a MUSE export, broken, or a lead's CRC-32 does not fit its samples.
    """
    with guarded(path, "MUSE XML"):
        data = read_xml(path)
        found = clinical.parse(path, "ge_muse_xml", "GEMuseXMLParser")
        if not found.patient.age:
            found.raw_metadata["age"] = _stated_age(data)
        record = clinical.to_record(path, found, rename=rename)
        return clinical.with_all_limb_leads(record)


def _stated_age(data: bytes) -> dict[str, str]:
    """An infant's age as it stands in the file: of months, ecgdatakit keeps the whole years."""
    person = ET.fromstring(data).find("PatientDemographics")
    names = {"value": "PatientAge", "units": "AgeUnits"}
    if person is None:
        return {}
    return {key: (person.findtext(name) or "").strip() for key, name in names.items()}
