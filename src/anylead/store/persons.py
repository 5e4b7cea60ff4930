"""Who a recording is of, also across stores: so that nobody is learned from and tested on.

The same recordings are published under several names: HR00001 of the PhysioNet/CinC Challenge 2021
is ecg_id 1 of PTB-XL, whose tables alone name its patient; JS00001 is also in the corpus of
Chapman, Shaoxing and Ningbo. A recording is known here by its corpus and its id there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anylead.errors import StoreError, known_are
from anylead.store.manifest import PARTS
from anylead.store.reader import Store
from anylead.store.splits import SPLITS

BY_SEGMENT = "-by-segment"  # ends the name of a store whose recordings are segments, named ID#0
Only = Literal["everyone", "pairs"]


@dataclass(frozen=True)
class Exclusion:
    """Persons that a run must not learn from.

    Attributes:
        store: of their recordings.
        splits: those in these splits of the store.
        scheme: of the splits.
        only: "everyone", or "pairs": who has two recordings or more.
    """

    store: str
    splits: tuple[str, ...] = SPLITS
    scheme: str = "auto"
    only: Only = "everyone"

    def __post_init__(self) -> None:
        unknown = set(self.splits) - set(SPLITS)
        if unknown:
            raise StoreError(
                f"exclude: no split {', '.join(sorted(unknown))}; known are {', '.join(SPLITS)}"
            )
        known = get_args(Only)
        if self.only not in known:
            raise StoreError(f"exclude: only {self.only!r}; want one of {', '.join(known)}")


@dataclass(frozen=True)
class Persons:
    """Known by their recordings and, where the corpus tells, by their ids.

    Attributes:
        records: keys of all their recordings.
        patients: keys of themselves.
    """

    records: frozenset[str]
    patients: frozenset[str]

    def among(self, store: Store) -> NDArray[np.bool_]:
        """(record,) whether a recording of the store is of one of them."""
        patients = patient_keys(store)
        own = {key for key in patients if key is not None} & self.patients
        is_theirs = np.array([key in self.records for key in record_keys(store)], dtype=bool)
        own |= {patients[row] for row in np.flatnonzero(is_theirs)} - {None}  # type: ignore[arg-type]
        return np.asarray(is_theirs | np.array([key in own for key in patients], dtype=bool))


def persons_of(store: Store, rows: NDArray[np.int64]) -> Persons:
    """The persons of some rows, with all recordings that the store has of them."""
    is_theirs = np.isin(store.patient, store.patient[rows])
    records, patients = record_keys(store), patient_keys(store)
    chosen = np.flatnonzero(is_theirs).tolist()
    known = frozenset(key for row in chosen if (key := patients[row]) is not None)
    return Persons(frozenset(records[row] for row in chosen), known)


def excluded(store: Store, wanted: str | Sequence[str | dict[str, Any]]) -> NDArray[np.bool_]:
    """(record,) whether a recording of the store must not be learned from.

    Args:
        store: of the training.
        wanted: stores, tables of fields of `Exclusion`, or text files with an id of a patient or a
            recording on each line.

    Raises:
        StoreError: something that is neither, or of which nothing is known by name.
    """
    is_out = np.zeros(store.num_records, dtype=bool)
    for item in [wanted] if isinstance(wanted, str) else wanted:
        if isinstance(item, str) and Path(item).is_file():
            is_out |= _listed(store, Path(item))
        else:
            exclusion = _parse(item)
            other = Store.open(exclusion.store)
            _check_comparable(store, other)
            is_out |= _chosen(exclusion, other).among(store)
    return is_out


def record_keys(store: Store) -> list[str]:
    """(record,) corpus and id, the same for the same recording in any store that holds ids."""
    if _has_hashed_ids(store):
        return [f"{store.manifest.content_hash}/{record}" for record in store.record_id]
    pairs = zip(store.corpus.tolist(), store.record_id.tolist(), strict=True)
    return [_record_key(corpus, record) for corpus, record in pairs]


def patient_keys(store: Store) -> list[str | None]:
    """(record,) corpus and patient, None where the corpus names none."""
    if PARTS in store.manifest.settings:
        return store.patient_id  # with the corpus in it
    corpus = store.manifest.name.removesuffix(BY_SEGMENT)
    if _has_hashed_ids(store):
        corpus = store.manifest.content_hash
    return [None if patient is None else f"{corpus}/{patient}" for patient in store.patient_id]


def _record_key(corpus: str, record: str) -> str:
    if corpus.endswith(BY_SEGMENT):
        corpus, record = corpus.removesuffix(BY_SEGMENT), record.rpartition("#")[0]
    if corpus == "physionet2021":
        name = record.rpartition("/")[2]
        if number := re.fullmatch(r"HR0*(\d+)", name):
            return f"ptbxl/{number[1]}"
        if name.startswith("JS"):
            return f"chapman/{name}"
    return f"{corpus}/{record}"


def _parse(item: str | dict[str, Any]) -> Exclusion:
    fields: dict[str, Any] = {"store": item} if isinstance(item, str) else dict(item)
    for name in fields.keys() - Exclusion.__dataclass_fields__.keys():
        raise StoreError(f"exclude: {name!r}{known_are(name, Exclusion.__dataclass_fields__)}")
    if "store" not in fields:
        raise StoreError(f"exclude: no store in {item}")
    splits = fields.get("splits", SPLITS)
    return Exclusion(**fields | {"splits": (splits,) if isinstance(splits, str) else tuple(splits)})


def _has_hashed_ids(store: Store) -> bool:
    return bool(store.manifest.settings.get("no_identifiers"))


def _check_comparable(store: Store, other: Store) -> None:
    for one in (store, other):
        if _has_hashed_ids(one) and store.manifest.content_hash != other.manifest.content_hash:
            raise StoreError(
                f"exclude: {one.location} was prepared without identifiers, so that nobody of"
                " another store can be found in it; prepare it with them"
            )


def _chosen(exclusion: Exclusion, store: Store) -> Persons:
    splits = store.split_rows(scheme=exclusion.scheme)
    rows = np.concatenate([splits[name] for name in exclusion.splits])
    if exclusion.only == "pairs":
        _, index, count = np.unique(store.patient, return_inverse=True, return_counts=True)
        rows = rows[count[index[rows]] >= 2]
    if not len(rows):
        raise StoreError(f"exclude: {exclusion.store}: nobody in {', '.join(exclusion.splits)}")
    return persons_of(store, rows)


def _listed(store: Store, path: Path) -> NDArray[np.bool_]:
    """Recordings whose own id, or whose patient's, stands in a file; with all of that patient."""
    names = {line.strip() for line in path.read_text().splitlines() if line.strip()}
    patients = [None if key is None else key.partition("/")[2] for key in patient_keys(store)]
    pairs = zip(store.record_id.tolist(), patients, strict=True)
    is_named = np.array([record in names or patient in names for record, patient in pairs])
    if not is_named.any():
        raise StoreError(f"exclude: {path}: none of its {len(names)} ids is in {store.location}")
    return np.isin(store.patient, store.patient[is_named])
