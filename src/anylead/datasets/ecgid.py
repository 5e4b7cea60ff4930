"""ECG-ID 1.0.0 (doi:10.13026/C2J01F): 310 records of 90 persons, lead I, 20 s, 500 Hz.

Person_01/rec_1 ... Person_90/rec_2; also copies named rec_1m by wfdb2mat. Each file holds the lead
raw and filtered; the raw one is used.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers
from anylead.formats import wfdb
from anylead.formats.wfdb_header import read_header
from anylead.records import Record


def corpus(root: Path | None) -> Corpus:
    """List the records of all persons.

    Raises:
        DatasetError: there is no Person_*/rec_*.hea.
    """
    root = corpus_folder(root, "ECG-ID")
    paths = headers(root, "Person_*/rec_*.hea", "ECG-ID")
    items = [(f"{path.parent.name}/{path.stem}", path) for path in paths]
    return Corpus("ecgid", items, read)


def read(item: Item) -> Record:
    """One record; its patient is the person of its folder."""
    record_id, path = item
    record = wfdb.read(path)
    try:
        date = read_header(path).fields.get("ecg date", "")
        start_time = datetime.strptime(date, "%d.%m.%Y").date().isoformat()
    except ValueError:
        start_time = None
    return replace(record, record_id=record_id, patient_id=path.parent.name, start_time=start_time)
