"""PhysioNet/CinC Challenge 2017, training data 1.0.0: 8,528 records of one lead, 300 Hz, 9-61 s.

https://doi.org/10.13026/d3hm-sf11. A00001.hea ... (also in training2017/) and the labels in
REFERENCE-v3.csv, the final ones, else REFERENCE.csv. Task "cinc2017": N normal, A atrial
fibrillation, O other rhythm, ~ too noisy to tell. Recorded between two hands: lead I. The
challenge says that some were held upside down. The corpus names no patients.
"""

import csv
from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers
from anylead.errors import DatasetError
from anylead.formats import wfdb
from anylead.records import Record

CLASSES = ("N", "A", "O", "~")
_NAME = "the PhysioNet/CinC Challenge 2017"
# From the final version to the first; the challenge published three.
_TABLES = ("REFERENCE-v3.csv", "REFERENCE.csv", "REFERENCE-original.csv")
# Records of the training set once more.
_COPIES = {"validation", "sample2017"}
_NOTE = "physionet2017 names no patients: every recording counts as a person of its own."


def corpus(root: Path | None) -> Corpus:
    """List the records that have a label.

    Raises:
        DatasetError: no A*.hea, no table of labels, or a label that is none of the four.
    """
    root = corpus_folder(root, _NAME)
    paths = {
        path.stem: path
        for path in headers(root, "**/A[0-9]*.hea", _NAME)
        if not set(path.relative_to(root).parts) & _COPIES
    }
    labels = _labels(root)
    items: list[Item] = [
        (name, (path, labels[name])) for name, path in sorted(paths.items()) if name in labels
    ]
    if not items:
        raise DatasetError(f"{root}: no record of its table of labels is here; unpack the records")
    num_without = len(paths) - len(items)
    note = f"{_NOTE} {num_without} records without a label are left out." if num_without else _NOTE
    return Corpus("physionet2017", items, read, {"cinc2017": CLASSES}, note)


def read(item: Item) -> Record:
    """One record with its label."""
    record_id, (path, label) = item
    record = wfdb.read(path, rename={"ECG": "I"})
    return replace(record, record_id=record_id, labels={"cinc2017": (label,)})


def _labels(root: Path) -> dict[str, str]:
    found = (path for name in _TABLES for path in sorted(root.rglob(name)))
    path = next((path for path in found if path.parent.name not in _COPIES), None)
    if path is None:
        raise DatasetError(f"{root}: no {' or '.join(_TABLES[:2])} in it; put it there")
    labels = {}
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in csv.reader(file):
            name, label = (cell.strip() for cell in row) if len(row) == 2 else ("", "")
            if label not in CLASSES:
                raise DatasetError(
                    f"{path}: line {','.join(row)[:80]!r}; want NAME,LABEL with one of"
                    f" {', '.join(CLASSES)}"
                )
            labels[name] = label
    return labels
