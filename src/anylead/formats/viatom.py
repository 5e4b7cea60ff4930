"""Text of Viatom and Lepu recorders (ER1, ER2, Checkme, ...): one line of numbers of one lead.

    F-0-01,125,II,405.35,32,45,54,57

Filter (may be left out), Hz, lead, steps in a millivolt, samples, as the maker describes it for its
analysis service (github.com/viatom-develop/Lepu-AI).
"""

import re
from pathlib import Path

import numpy as np

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, build_record
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded
from anylead.records import Record

SUFFIXES = (".txt", ".csv")
MAX_BYTES = 64 * 2**20  # a day at 125 Hz takes 50 MB
HEAD = re.compile(
    r"\s*(?:F-\d+-\d+,)?(\d{2,4}(?:\.\d+)?),(I{1,3}|V[1-6]|aV[RLF])?,(\d+(?:\.\d+)?),(?=-?\d+\s*[,\s])",
    re.IGNORECASE,
)


def matches(head: bytes, path: Path) -> bool:
    """Whether a rate, a lead and steps in a millivolt stand before the numbers."""
    text = head[:100].decode("utf-8-sig", errors="replace")
    return path.suffix.lower() in SUFFIXES and HEAD.match(text) is not None


def read(path: Path, rename: Rename | None = None) -> Record:
    """The lead of a file; one that names none is "ECG".

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: no such line, or something else than whole numbers in it.
    """
    with guarded(path, "Viatom text"):
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path}: over {MAX_BYTES >> 20} MiB; split the file")
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
        head = HEAD.match(text)
        if head is None:
            raise FormatError(f"{path}: does not begin with rate, lead and steps; another file?")
        words = re.split(r"[,\s]+", text[head.end() :].strip(", \t\r\n"))
        values = np.array([int(word) for word in words], dtype=np.int64)
        channel = Channel(head[2] or "ECG", values, "mV", 1 / float(head[3]))
        return build_record(path, [channel], float(head[1]), About(), rename)
