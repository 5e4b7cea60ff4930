"""A file -> Record: one module per format, chosen by content first and by name second.

A format is a module with two functions:

- `matches(head, path) -> bool`: whether the file looks like this format, judged by its first bytes
  and, where they cannot tell (raw samples, comma-separated numbers), by its name;
- `read(path, rename) -> Record`: the recording, or a `FormatError` that starts with the path;
  `rename` tells the lead behind a channel's name.

`READERS` is asked in its order: formats with a signature of their own stand before those that are
guessed from text or from a name.
"""

from pathlib import Path
from typing import Protocol

from anylead.errors import FormatError
from anylead.formats import (
    alivecor_atc,
    apple_health,
    biopac,
    cardiosoft_xml,
    contec,
    csv,
    dicom,
    edf,
    hdf5,
    hl7_aecg,
    ishne,
    kardia_json,
    matlab,
    mfer,
    mortara_xml,
    muse_xml,
    npy,
    opensignals,
    parquet,
    philips_xml,
    scp,
    viatom,
    wfdb,
)
from anylead.formats.channels import Rename, parse_rename
from anylead.formats.guard import check_regular
from anylead.formats.search import named
from anylead.records import Record

__all__ = ["READERS", "Reader", "Rename", "find_format", "parse_rename", "read"]

HEAD_BYTES = 4096


class Reader(Protocol):
    """What a module of this room offers."""

    def matches(self, head: bytes, path: Path) -> bool:
        """Whether the file whose first bytes are `head` looks like this format."""
        ...

    def read(self, path: Path, *, rename: Rename | None = None) -> Record:
        """The recording in the file."""
        ...


READERS: dict[str, Reader] = {
    "wfdb": wfdb,
    "edf": edf,
    "dicom": dicom,
    "ishne": ishne,
    "hl7_aecg": hl7_aecg,
    "philips_xml": philips_xml,
    "muse_xml": muse_xml,
    "cardiosoft_xml": cardiosoft_xml,
    "mortara_xml": mortara_xml,
    "alivecor_atc": alivecor_atc,
    "kardia_json": kardia_json,
    "contec": contec,
    "biopac": biopac,
    "hdf5": hdf5,
    "parquet": parquet,
    "npy": npy,
    "matlab": matlab,
    "scp": scp,
    "mfer": mfer,
    "apple_health": apple_health,
    "opensignals": opensignals,
    "viatom": viatom,
    "csv": csv,
}


def find_format(path: Path) -> str | None:
    """The name in `READERS` of the format a file has, or None if it has none of them.

    Raises:
        FormatError: the file cannot be opened.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}; check the path") from error
    return next((name for name, reader in READERS.items() if reader.matches(head, path)), None)


def read(path: str | Path, rename: Rename | None = None) -> Record:
    """Read an ECG from a file of any known format.

    Args:
        path: of the file.
        rename: name of a channel -> its lead ({"ECG": "II"}), in any case; it goes before what
            the name says, and before what a JSON beside the file says.

    Raises:
        FormatError: the file cannot be opened, has no known format, or breaks the one it has.
        MissingPackageError: the format needs an optional package.
    """
    path = named(path)
    name = find_format(path)
    if name is None and path.suffix.lower() == ".dat":
        raise FormatError(f"{path}: samples of WFDB need the header {path.stem}.hea beside them")
    if name is None:
        raise FormatError(f"{path}: no known ECG format; readable are {', '.join(READERS)}")
    return READERS[name].read(path, rename=rename)
