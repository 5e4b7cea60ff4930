"""GE MUSE XML (restecg.dtd): little-endian samples in base64, usually I, II and V1 to V6."""

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
        read_xml(path)
        found = clinical.parse(path, "ge_muse_xml", "GEMuseXMLParser")
        record = clinical.to_record(path, found, rename=rename)
        return clinical.with_all_limb_leads(record)
