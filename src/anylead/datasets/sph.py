"""SPH, Shandong Provincial Hospital (doi:10.6084/m9.figshare.17912441): 25,770 records, 500 Hz.

metadata.csv and records/A00001.h5 ... with `ecg` (12, time) in mV; 10 to 60 s, 24,666 patients.
Label task "aha": primary statements of the AHA standard as numbers (code.csv names them); modifiers
after "+" are left out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anylead.datasets.cells import number, split_labels
from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, required_file, table
from anylead.errors import DatasetError, FormatError
from anylead.extras import missing
from anylead.formats.assemble import parse_sex
from anylead.leads import LEADS
from anylead.records import Record


@dataclass(frozen=True)
class Row:
    """What metadata.csv says about a record."""

    path: Path
    patient_id: str | None
    labels: tuple[str, ...]
    age: float | None
    sex: str
    start_time: str


def corpus(root: Path | None) -> Corpus:
    """List the records of metadata.csv.

    Raises:
        DatasetError: it is missing, or has other columns.
    """
    root = corpus_folder(root, "SPH")
    path = required_file(root, "metadata.csv", "SPH")
    items: list[Item] = []
    for row in table(path, ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex")):
        statements = (each.partition("+")[0] for each in split_labels(row["AHA_Code"], ";"))
        details = Row(
            path=root / "records" / f"{row['ECG_ID']}.h5",
            patient_id=row["Patient_ID"] or None,
            labels=tuple(dict.fromkeys(statements)),
            age=number(row["Age"]),
            sex=row["Sex"],
            start_time=row.get("Date", ""),
        )
        items.append((row["ECG_ID"], details))
    if items and not any(details.labels for _, details in items):
        raise DatasetError(f"{path}: column AHA_Code is empty in every row; get the table again")
    return Corpus("sph", items, read)


def read(item: Item) -> Record:
    """One record with its statements."""
    record_id, row = item
    try:
        import h5py
    except ImportError:
        raise missing("h5py", "formats") from None
    try:
        with h5py.File(row.path, "r") as file:
            signal = np.asarray(file["ecg"], dtype=np.float32)
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"{row.path}: cannot be read ({error})") from None
    return Record(
        signal=signal,
        leads=LEADS,
        sample_rate=500.0,
        record_id=record_id,
        patient_id=row.patient_id,
        labels={"aha": row.labels} if row.labels else {},
        age=row.age,
        sex=parse_sex(row.sex),
        start_time=row.start_time or None,
    )
