"""GE MUSE XML (restecg.dtd): little-endian samples in base64, usually I, II and V1 to V6."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, read_xml, xml_head
from anylead.leads import LEADS, complete_limb_leads
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
        return with_all_limb_leads(record)


def with_all_limb_leads(record: Record) -> Record:
    """Add the limb leads that the file leaves out because they follow from two others."""
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
    return dataclasses.replace(
        record,
        signal=np.concatenate([completed[has_completed], record.signal[others]]),
        leads=leads,
        resolution=tuple(known.get(name, halves.get(name, math.nan)) for name in leads),
    )
