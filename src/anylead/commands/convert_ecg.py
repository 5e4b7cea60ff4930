"""Convert an ECG from any readable format to WFDB, CSV, EDF or DICOM."""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anylead import formats
from anylead.errors import FormatError, LeadError
from anylead.formats import csv, dicom_write, edf_write, wfdb_write
from anylead.formats.assemble import date_and_time
from anylead.inference.inputs import with_rows
from anylead.leads import LEAD_SETS, lead_name
from anylead.records import Record

# By the name of the output.
WRITERS: dict[str, Callable[[Record, Path], None]] = {
    ".hea": wfdb_write.write,
    ".dat": wfdb_write.write,
    ".csv": csv.write,
    ".tsv": csv.write,
    ".edf": edf_write.write,
    ".dcm": dicom_write.write,
}

# Fields of a Record that a format cannot hold.
LOST = {".edf": ("age", "diagnosis")}
WANT_TIME = (".edf", ".hea", ".dat")  # beside a date

EXAMPLES = (
    "anylead convert-ecg patient.xml patient.dcm",
    "anylead convert-ecg patient.dcm patient.csv --leads I,II",
)


@dataclass(frozen=True)
class Recipe:
    """One file to convert.

    Attributes:
        input: an ECG in any readable format.
        output: where to; the ending (.hea, .csv, .tsv, .edf, .dcm) chooses the format.
        leads: keep these of the leads that are there; a named set or a list; null is all.
        rename: the lead behind a channel's name, such as "ECG=I" or "ECG 1=II,ECG 2=V5".
    """

    input: Path
    output: Path
    leads: str | None = None
    rename: str = ""


def run(recipe: Recipe) -> Path:
    """Convert one file; the output appears whole or not at all.

    Returns:
        The output's path.

    Raises:
        FormatError: the input cannot be read, or the output cannot hold it.
        LeadError: no such leads, or none of them is there.
    """
    source, target = Path(recipe.input), Path(recipe.output)
    write = WRITERS.get(target.suffix.lower())
    if write is None:
        raise FormatError(f"{target}: no format to write; name it {', '.join(WRITERS)}")
    if target.exists() and source.exists() and target.samefile(source):
        raise FormatError(f"{target}: is the input; choose another name")
    record = formats.read(source, formats.parse_rename(recipe.rename))
    if recipe.leads is not None:
        record = keep(record, recipe.leads)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".anylead-") as folder:
            write(record, Path(folder) / target.name)
            # Sample files sort before the header that names them.
            for part in sorted(Path(folder).iterdir()):
                os.replace(part, target.parent / part.name)
    except OSError as error:
        raise FormatError(f"{target}: cannot be written: {error.strerror or error}") from error
    print(target)
    kind = target.suffix.lower()
    lost = [name for name in LOST.get(kind, ()) if getattr(record, name)]
    if kind in WANT_TIME and record.start_time and date_and_time(record.start_time) is None:
        lost.append("a date without a time")
    if lost:
        print(f"{target.name}: has no place for {' and '.join(lost)}", file=sys.stderr)
    return target


def keep(record: Record, leads: str) -> Record:
    """The recording with those of its leads that are wanted, also such as no model knows (V7, X).

    Raises:
        LeadError: an unknown lead, or none of them is there.
    """
    names = LEAD_SETS.get(leads.strip()) or tuple(map(lead_name, filter(None, leads.split(","))))
    rows = [i for i, name in enumerate(record.leads) if name in names]
    if not rows:
        raise LeadError(f"{leads}: none of them is there; it has {', '.join(record.leads)}")
    return with_rows(record, rows)
