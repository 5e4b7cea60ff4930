"""PhysioNet/CinC Challenge 2021, training data 1.0.3: 88,253 records of eight sources.

https://doi.org/10.13026/34va-7q14. Rates, lengths and quality differ by source; folders may be
nested (training/georgia/g1/...). The corpus names no patients.
"""

from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder
from anylead.datasets.snomed import CLASSES_2021, challenge_labels
from anylead.errors import DatasetError
from anylead.formats import wfdb
from anylead.records import Record

SOURCES = (
    "cpsc_2018",
    "cpsc_2018_extra",
    "st_petersburg_incart",
    "ptb",
    "ptb-xl",
    "georgia",
    "chapman_shaoxing",
    "ningbo",
)
_SOURCE_OF_PREFIX = {
    "A": "cpsc_2018",
    "Q": "cpsc_2018_extra",
    "I": "st_petersburg_incart",
    "S": "ptb",
    "HR": "ptb-xl",
    "E": "georgia",
}
_LAST_OF_CHAPMAN = 10646  # JS00001 ... JS10646 are Chapman-Shaoxing, the rest Ningbo

_NOTE = (
    "physionet2021 names no patients: every recording counts as a person of its own, so two"
    " recordings of one person may be on both sides of a split."
)


def corpus(root: Path | None, sources: list[str] | None = None) -> Corpus:
    """List the records under a folder.

    Args:
        root: the training folder, one of its sources, or any folder with records of them.
        sources: of `SOURCES`; None takes all that are there.

    Raises:
        DatasetError: no such source, or no record of the challenge in the folder.
    """
    root = corpus_folder(root, "PhysioNet/CinC Challenge 2021")
    unknown = [name for name in sources or () if name not in SOURCES]
    if unknown:
        raise DatasetError(
            f"physionet2021: no source {', '.join(unknown)}; known are {', '.join(SOURCES)}"
        )
    # Samples without a header are listed too: they end in the list of rejected records.
    paths = {path.with_suffix("") for kind in ("hea", "mat") for path in root.rglob(f"*.{kind}")}
    items: list[Item] = []
    for path in sorted(paths):
        source = source_of(path)
        if source is not None and (sources is None or source in sources):
            items.append((f"{source}/{path.name}", path))
    if not items:
        raise DatasetError(
            f"{root}: no record of the challenge (A0001.hea, HR00001.hea, ...) in it; want its"
            " folder `training` or a part of it"
        )
    names = [name for name, _ in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"{root}: record {twice} is there more than once; remove the copies")
    return Corpus("physionet2021", items, read, {"cinc2021": CLASSES_2021}, _NOTE)


def source_of(path: Path) -> str | None:
    """The source of a record by its folder, else by its name; None if it is none of them."""
    for part in reversed(path.parts[:-1]):
        if part in SOURCES:
            return part
    prefix = path.name.rstrip("0123456789")
    digits = path.name[len(prefix) :]
    if prefix == "JS" and digits:
        return "chapman_shaoxing" if int(digits) <= _LAST_OF_CHAPMAN else "ningbo"
    return _SOURCE_OF_PREFIX.get(prefix) if digits else None


def read(item: Item) -> Record:
    """One record with its scored classes and all its codes."""
    record_id, path = item
    record = wfdb.read(path.with_name(f"{path.name}.hea"))
    labels = challenge_labels(record.labels["dx"]) if "dx" in record.labels else {}
    return replace(record, record_id=record_id, labels=labels)
