"""MFER (ISO 22077-1), of Nihon Kohden, Fukuda and others: tagged values, through ecgdatakit."""

import warnings
from pathlib import Path

from anylead.errors import FormatError
from anylead.formats import clinical
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded, optional
from anylead.records import Record

SUFFIXES = (".mwf", ".mfer", ".mfr")
PREAMBLE = b"MFR "
MAX_BYTES = 256 * 2**20


def matches(head: bytes, path: Path) -> bool:
    """Whether the file begins with MFER's preamble, or is named so and begins with a known tag."""
    is_marked = head[:1] == b"\x40" and head[2:6] == PREAMBLE
    return is_marked or (path.suffix.lower() in SUFFIXES and b"\0" in head)


def read(path: Path, rename: Rename | None = None) -> Record:
    """The ECG leads of the first recording in a file; channels of other kinds are left.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not MFER, cut off, or leads of several rates.
        MissingPackageError: ecgdatakit is not installed.
    """
    with guarded(path, "MFER"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path}: {size} bytes of MFER, at most {MAX_BYTES}; split the file")
        parser = optional("ecgdatakit", "ecgdatakit.parsing.parsers.mfer").MFERParser
        with path.open("rb") as file:
            if not parser.can_parse(path, file.read(4096)):
                raise FormatError(f"{path}: does not begin with definitions of MFER; another file?")
        with warnings.catch_warnings():
            # The package fills what is cut off with NaN, or leaves it out.
            for message in ("waveform data shorter", "frame declares"):
                warnings.filterwarnings("error", f"MFER: {message}")
            found = clinical.parse(path, "mfer", "MFERParser")
        for lead, rate in zip(
            found.leads, found.raw_metadata.get("sampling_rates", []), strict=False
        ):
            lead.sampling_rate = rate  # the package rounds
        return clinical.to_record(path, found, rename=rename)
