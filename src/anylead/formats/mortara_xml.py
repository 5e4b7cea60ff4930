"""Mortara (Welch Allyn, Hillrom) ELI XML: a CHANNEL in base64 for each lead, through ecgdatakit."""

import re
from pathlib import Path

from anylead.errors import FormatError
from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, read_xml, xml_head
from anylead.records import Record

ROOT = re.compile(r"<ECG[\s>]")
MARKS = ("ACQUISITION_TIME", "<SUBJECT", "<CHANNEL", "<TYPICAL_CYCLE", "<DEMOGRAPHIC_FIELDS")


def matches(head: bytes, path: Path) -> bool:
    """Whether the first 4096 bytes are those of an ELI export."""
    text = xml_head(head)
    return ROOT.search(text) is not None and any(mark in text for mark in MARKS)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The rhythm leads of an ELI file.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not such a file, without the steps per mV, or broken.
    """
    with guarded(path, "Mortara XML"):
        if not ROOT.search(xml_head(read_xml(path)[:4096])):
            raise FormatError(f"{path}: no element ECG; not an ELI export")
        found = clinical.parse(path, "mortara_el250", "MortaraEL250Parser")
        return clinical.to_record(path, found, rename=rename)
