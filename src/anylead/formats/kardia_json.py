"""AliveCor Kardia: the JSON of a recording from the Kardia API, through ecgdatakit."""

import os
from pathlib import Path

from anylead.errors import FormatError
from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded
from anylead.records import Record

MAX_BYTES = 16 * 2**20  # five minutes of six leads take 3 MB
KEYS = (b'"recordedAt"', b'"amplitudeResolution"', b'"algorithmDetermination"', b'"mainsFrequency"')
END_BYTES = 4096


def matches(head: bytes, path: Path) -> bool:
    """Whether the file is a JSON object with the keys of a recording, near its start or its end."""
    if path.suffix.lower() != ".json" or not _is_object(head):
        return False
    return is_recording(head + _end(path))


def is_recording(content: bytes) -> bool:
    """Whether JSON has the keys of a recording, and is no side-car of another file."""
    return _is_object(content) and sum(key in content for key in KEYS) >= 2


def _is_object(content: bytes) -> bool:
    return content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def read(path: Path, rename: Rename | None = None) -> Record:
    """The unfiltered leads of a recording.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not such a file, without the step in nV, or broken.
    """
    with guarded(path, "Kardia JSON"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path}: {size} bytes; a Kardia recording has at most {MAX_BYTES}")
        found = clinical.parse(path, "alivecor_kardia", "AliveCorKardiaParser")
        return clinical.to_record(path, found, rename=rename)


def _end(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - END_BYTES))
            return file.read(END_BYTES)
    except OSError:
        return b""
