"""Chapman-Shaoxing-Ningbo, "ecg-arrhythmia" 1.0.0 (doi:10.13026/wgex-er52): 45,152 records, 500 Hz.

WFDBRecords/01/010/JS00001.hea ...; SNOMED CT codes in the headers. The corpus names no patients.
"""

from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers
from anylead.datasets.snomed import CLASSES_2021, challenge_labels
from anylead.formats import wfdb
from anylead.records import Record

_NOTE = "chapman names no patients: every recording counts as a person of its own."


def corpus(root: Path | None) -> Corpus:
    """List the records.

    Raises:
        DatasetError: there is no WFDBRecords/*/*/JS*.hea.
    """
    root = corpus_folder(root, "Chapman-Shaoxing-Ningbo")
    inside = root / "WFDBRecords" if (root / "WFDBRecords").is_dir() else root
    paths = headers(inside, "*/*/JS*.hea", "Chapman-Shaoxing-Ningbo")
    items = [(path.stem, path) for path in sorted(paths, key=lambda path: path.stem)]
    return Corpus("chapman", items, read, {"cinc2021": CLASSES_2021}, _NOTE)


def read(item: Item) -> Record:
    """One record with its scored classes and all its codes."""
    record_id, path = item
    record = wfdb.read(path)
    labels = challenge_labels(record.labels["dx"]) if "dx" in record.labels else {}
    return replace(record, record_id=record_id, labels=labels)
