"""Contec ECG90A: a header of 43 bytes, eight leads of 16 bits at 800 Hz, 37 bytes of zero.

The maker publishes no specification; layout, rate and step of 5 uV are those of the description by
N. Rigacci (rigacci.org, "Contec ECG90A Electrocardiograph - ECG File Format").
"""

import re
from pathlib import Path

import numpy as np

from anylead.errors import FormatError
from anylead.formats import clinical
from anylead.formats.assemble import About, Channel, Sex, build_record
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded
from anylead.records import Record

HEADER_BYTES, FOOTER_BYTES = 43, 37
SAMPLE_RATE = 800.0
LEADS = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")
ZERO, OFF_SCALE = 2048, 0x6800
STEP_UV = 5.0
TIME = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\0")
SEXES: dict[int, Sex] = {0: "female", 1: "male"}


def matches(head: bytes, path: Path) -> bool:
    """Whether a case number and a time stand where this device writes them."""
    return (
        len(head) > HEADER_BYTES
        and re.fullmatch(rb"\d{7}\0\0\0", head[:10]) is not None
        and TIME.match(head, 10) is not None
    )


def read(path: Path, rename: Rename | None = None) -> Record:
    """The twelve leads: eight of the file, four that follow from II and III.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not such a file, or cut off.
    """
    with guarded(path, "Contec ECG90A"):
        data = path.read_bytes()
        if not matches(data, path):
            raise FormatError(f"{path}: no case number and time of a Contec ECG90A; another file?")
        body, footer = data[HEADER_BYTES:-FOOTER_BYTES], data[-FOOTER_BYTES:]
        if footer.strip(b"\0") or not body or len(body) % (2 * len(LEADS)):
            raise FormatError(
                f"{path}: does not end in whole samples and {FOOTER_BYTES} bytes of zero; it is cut"
                " off, copy it again"
            )
        rows = np.frombuffer(body, "<u2").reshape(-1, len(LEADS)).T
        zero = -ZERO * STEP_UV
        channels = [
            Channel(lead, row, "uV", STEP_UV, zero, missing=OFF_SCALE)
            for lead, row in zip(LEADS, rows, strict=True)
        ]
        record = build_record(path, channels, SAMPLE_RATE, _about(data), rename)
        return clinical.with_all_limb_leads(record)


def _about(data: bytes) -> About:
    recorded = data[10:29].decode("ascii", "replace").replace(" ", "T")
    name = data[32:40].split(b"\0")[0].decode("utf-8", "replace").strip()
    return About(
        patient_id=name,
        age=float(data[41]) or None,
        sex=SEXES.get(data[40]),
        start_time=recorded,
    )
