"""A store split by segment instead of by patient, to see how much such a split flatters.

The paper's own split was made so. Segments of one recording then stand in training and test, and a
model that remembers the recording scores without knowing the disease.
"""

import hashlib
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.commands import prepare
from anylead.datasets import Corpus, Item
from anylead.leads import LEADS
from anylead.records import Record, Split
from anylead.signals import PreprocessConfig
from anylead.store import Store
from anylead.store.persons import BY_SEGMENT

NOTE = "This store is split by segment: its scores leak."


def split_by_segment(store: Store, out: Path, segment_seconds: float) -> None:
    """Write a store in which every segment is a recording of its own, in a random split."""
    segment = round(segment_seconds * store.manifest.sample_rate)
    items: list[Item] = [
        (f"{store.record_id[row]}#{number}", (row, number))
        for row in range(store.num_records)
        for number in range(max(1, int(store.num_samples[row]) // segment))
    ]
    corpus = Corpus(
        f"{store.manifest.name}{BY_SEGMENT}",
        items,
        partial(_read, location=str(store.location), segment=segment),
        store.manifest.label_names,
        f"{NOTE} {store.manifest.note}".strip(),
    )
    recipe = prepare.Recipe(
        dataset=corpus.name,
        out=out,
        preprocess=PreprocessConfig(sample_rate=store.manifest.sample_rate),
        num_workers=1,
        allow_shared_patients=True,  # the protocol draws segments, whoever they are of
    )
    prepare.run(recipe, corpus=corpus)


@lru_cache(maxsize=2)
def _open(location: str) -> Store:
    return Store.open(location)


@lru_cache(maxsize=8)
def _label_table(location: str, task: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return _open(location).labels(task)


def _read(item: Item, location: str, segment: int) -> Record:
    record_id, (row, number) = item
    store = _open(location)
    length = min(segment, int(store.num_samples[row]))
    counts = store.read(np.array([row]), np.array([number * segment]), length)[0]
    has_lead = store.has_lead[row]
    labels, unknown = {}, {}
    for task, names in store.manifest.label_names.items():
        label, is_known = _label_table(location, task)
        if is_known[row].any():
            labels[task] = tuple(n for n, hot in zip(names, label[row], strict=True) if hot)
            unknown[task] = tuple(
                n for n, is_told in zip(names, is_known[row], strict=True) if not is_told
            )
    return Record(
        signal=(counts * store.scale[row][:, None]).astype(np.float32)[has_lead],
        leads=tuple(name for name, present in zip(LEADS, has_lead, strict=True) if present),
        sample_rate=store.manifest.sample_rate,
        record_id=record_id,
        patient_id=store.patient_id[row],
        labels=labels,
        unknown=unknown,
        split=_split(record_id),
        unit="mV" if store.unit[row] == "mV" else "NU",
    )


def _split(record_id: str) -> Split:
    """A draw of its own for each segment; 8:1:1, as the paper."""
    draw = int.from_bytes(hashlib.sha256(record_id.encode()).digest()[:8], "big") / 2**64
    if draw < 0.8:
        return "train"
    return "valid" if draw < 0.9 else "test"
