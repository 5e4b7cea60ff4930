"""HL7 annotated ECG (ANSI/HL7 V3 ECG, R1-2004), the XML of the FDA's ECG warehouse."""

import xml.etree.ElementTree as ET
from pathlib import Path

from anylead.formats import clinical
from anylead.formats.assemble import parse_sex, stated_patient
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, read_xml, xml_head
from anylead.records import Record


def matches(head: bytes, path: Path) -> bool:
    """Whether the first 4096 bytes are those of an aECG."""
    return "AnnotatedECG" in xml_head(head)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The first rhythm series of an aECG file.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not an aECG, or broken.
    """
    with guarded(path, "HL7 aECG"):
        data = read_xml(path)
        found = clinical.parse(path, "hl7_aecg", "HL7aECGParser")
        exact = found.raw_metadata["rhythm_time"].get("sampling_rate_exact")
        # 1 / 0.002 s is 500.00000000000006 or so: what is a whole number of Hz stays one.
        rate = float(round(exact)) if abs(exact - round(exact)) < 1e-6 * exact else float(exact)
        if stated_patient(found.patient.patient_id) is None:
            found.patient.patient_id = _patient_id(data)
        if found.patient.sex not in ("M", "F"):
            found.patient.sex = _sex(data)
        return clinical.to_record(path, found, rate, rename)


def _patient_id(data: bytes) -> str:
    """The text or value of a PatientID element of the subject, where some devices write it."""
    for subject in ET.fromstring(data).iter():
        if _local_name(subject) not in ("trialSubject", "subjectDemographicPerson"):
            continue
        for element in subject.iter():
            if _local_name(element).lower() in ("patientid", "patient_id"):
                stated = [element.text, *(element.get(name) for name in ("extension", "value"))]
                found = next(filter(None, (stated_patient(text) for text in stated)), "")
                if found:
                    return found
    return ""


def _sex(data: bytes) -> str:
    """M or F where the gender is a word ("Female"), in its code or its display name."""
    for element in ET.fromstring(data).iter():
        if _local_name(element) == "administrativeGenderCode":
            words = (element.get("code"), element.get("displayName"), element.text)
            sex = next(filter(None, map(parse_sex, words)), "")
            return sex[:1].upper()
    return ""


def _local_name(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]
