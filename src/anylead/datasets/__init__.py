"""A public corpus (or a folder) -> Records with patients, labels and official splits.

A dataset is a module with one function, `corpus(root, **options) -> Corpus`. It lists the
recordings under `root` without reading signals, so that processes can share the work, and raises a
`DatasetError` with a remedy where `root` is not the corpus. Patient ids are unique in a corpus and
None where the source does not tell; official splits and folds are filled in.

To add one: write the module, add its line to `DATASETS`.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from anylead.datasets import (
    chapman,
    cinc2011,
    code15,
    ecgid,
    folder,
    incart,
    ludb,
    mimic_iv_ecg,
    mitdb,
    physionet2017,
    physionet2021,
    ptb,
    ptbxl,
    qtdb,
    sph,
    synthetic,
)
from anylead.datasets.corpus import Corpus, Item
from anylead.errors import DatasetError, did_you_mean, known_are
from anylead.records import Record

__all__ = ["DATASETS", "Corpus", "Dataset", "Item", "corpus", "records"]


class Dataset(Protocol):
    """What a module of this room offers; each has options of its own."""

    @property
    def corpus(self) -> Any:
        """`corpus(root, **options) -> Corpus`."""
        ...


DATASETS: dict[str, Dataset] = {
    "ptbxl": ptbxl,
    "physionet2021": physionet2021,
    "physionet2017": physionet2017,
    "mimic_iv_ecg": mimic_iv_ecg,
    "code15": code15,
    "chapman": chapman,
    "sph": sph,
    "ludb": ludb,
    "ptb": ptb,
    "incart": incart,
    "mitdb": mitdb,
    "qtdb": qtdb,
    "cinc2011": cinc2011,
    "ecgid": ecgid,
    "folder": folder,
    "synthetic": synthetic,
}


def corpus(name: str, root: str | Path | None = None, **options: Any) -> Corpus:
    """List a dataset.

    Args:
        name: a key of `DATASETS`.
        root: its folder; None only for generated data.
        options: arguments of the dataset's own `corpus` function.

    Raises:
        DatasetError: no such dataset, folder or option.
    """
    if name not in DATASETS:
        raise DatasetError(f"no dataset {name!r}{known_are(name, DATASETS)}")
    known = list(inspect.signature(DATASETS[name].corpus).parameters)[1:]
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            has = ", ".join(known) or "none"
            raise DatasetError(f"{name}: no option {option!r}; it has {has}{hint}")
    listed: Corpus = DATASETS[name].corpus(None if root is None else Path(root), **options)
    return listed


def records(name: str, root: str | Path | None = None, **options: Any) -> Iterator[Record]:
    """Every recording of a dataset; arguments as for `corpus`."""
    return corpus(name, root, **options).records()
