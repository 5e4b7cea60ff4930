"""LUDB 1.0.1 (doi:10.13026/eegm-h675): 200 records of 200 persons, 12 leads, 10 s, 500 Hz.

data/1.hea ... data/200.hea (or beside each other); rhythm and diagnoses stand in the comments of
the headers. Label tasks: "rhythm" and "diagnosis".
"""

from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers
from anylead.formats import wfdb
from anylead.formats.wfdb_header import read_header
from anylead.records import Record


def corpus(root: Path | None) -> Corpus:
    """List the records.

    Raises:
        DatasetError: there is no data/NUMBER.hea.
    """
    root = corpus_folder(root, "LUDB")
    inside = root / "data" if (root / "data").is_dir() else root
    paths = headers(inside, "[0-9]*.hea", "LUDB")
    items = [(path.stem, path) for path in sorted(paths, key=lambda path: (len(path.stem), path))]
    return Corpus("ludb", items, read)


def read(item: Item) -> Record:
    """One record; each is of another person."""
    record_id, path = item
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
    return replace(record, record_id=record_id, patient_id=record_id, labels=labels)
