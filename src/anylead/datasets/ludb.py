"""LUDB 1.0.1 (doi:10.13026/eegm-h675): 200 records of 200 persons, 12 leads, 10 s, 500 Hz.

data/1.hea ... data/200.hea (or beside each other); rhythm and diagnoses stand in the comments of
the headers. Label tasks: "rhythm" and "diagnosis". Beside each, 1.i ... 1.v6 hold the waves that
cardiologists marked in each lead; the first and the last ones often have no marks. The corpus names
no folds: here they are 1 to 5, in turn.
"""

from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers
from anylead.formats import wave_marks, wfdb
from anylead.formats.wfdb_header import read_header
from anylead.records import Mark, Record

FOLDS = 5


def corpus(root: Path | None) -> Corpus:
    """List the records.

    Raises:
        DatasetError: there is no data/NUMBER.hea.
    """
    root = corpus_folder(root, "LUDB")
    inside = root / "data" if (root / "data").is_dir() else root
    paths = headers(inside, "[0-9]*.hea", "LUDB")
    ordered = sorted(paths, key=lambda path: (len(path.stem), path))
    items = [(path.stem, (path, n % FOLDS + 1)) for n, path in enumerate(ordered)]
    return Corpus("ludb", items, read)


def read(item: Item) -> Record:
    """One record; each is of another person."""
    record_id, (path, fold) = item
    record = wfdb.read(path)
    statements = [text.strip().rstrip(".") for text in read_header(path).comments]
    prefix = "rhythm:"
    rhythms = [text[len(prefix) :] for text in statements if text.lower().startswith(prefix)]
    # The diagnoses follow the line "<diagnoses>:", one on a line.
    first = next((n for n, text in enumerate(statements) if "diagnoses" in text.lower()), None)
    diagnoses = () if first is None else tuple(filter(None, statements[first + 1 :]))
    labels = {"rhythm": tuple(text.strip() for text in rhythms)} if rhythms else {}
    if diagnoses:
        labels["diagnosis"] = diagnoses
    return replace(
        record,
        record_id=record_id,
        patient_id=record_id,
        labels=labels,
        fold=fold,
        marks=_marks(path, record),
    )


def _marks(path: Path, record: Record) -> tuple[Mark, ...] | None:
    """The waves of all leads that have a file of marks; None where none has."""
    files = {lead: path.with_suffix(f".{lead.lower()}") for lead in record.leads}
    found = {lead: file for lead, file in files.items() if file.is_file()}
    if not found:
        return None
    each = [wave_marks.read_wfdb(file, lead, record.sample_rate) for lead, file in found.items()]
    return tuple(mark for marks in each for mark in marks)
