"""PhysioNet/CinC Challenge 2011, set A 1.0.0: 1,000 records of 12 leads, 10 s, 500 Hz, of phones.

https://physionet.org/content/challenge-2011. 1002603.hea ... (also in set-a/) and the lists
RECORDS-acceptable and RECORDS-unacceptable; task "quality". Two records are in neither list and are
not labelled. The corpus names no patients.
"""

from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers, required_file
from anylead.formats import wfdb
from anylead.records import Record

CLASSES = ("acceptable", "unacceptable")
_NAME = "the PhysioNet/CinC Challenge 2011"
_NOTE = "cinc2011 names no patients: every recording counts as a person of its own."


def corpus(root: Path | None) -> Corpus:
    """List the records.

    Raises:
        DatasetError: no record or no list of the acceptable ones.
    """
    root = corpus_folder(root, _NAME)
    inside = root / "set-a" if (root / "set-a").is_dir() else root
    labels = {
        name: label
        for label in CLASSES
        for name in required_file(inside, f"RECORDS-{label}", _NAME).read_text().split()
    }
    items: list[Item] = [
        (path.stem, (path, labels.get(path.stem))) for path in headers(inside, "[0-9]*.hea", _NAME)
    ]
    return Corpus("cinc2011", items, read, {"quality": CLASSES}, _NOTE)


def read(item: Item) -> Record:
    """One record with what its readers thought of it."""
    record_id, (path, label) = item
    labels = {} if label is None else {"quality": (label,)}
    return replace(wfdb.read(path), record_id=record_id, labels=labels)
