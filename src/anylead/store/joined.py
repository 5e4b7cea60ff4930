"""Several stores as one: their indexes one after another, their shards under new numbers.

For pre-training on several corpora. Patients of different corpora are never one person, so their
ids get the name of the corpus; recordings without a split of their corpus's own are split by hash.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anylead.errors import StoreError
from anylead.store.location import Location
from anylead.store.manifest import PARTS, SHARED, Manifest
from anylead.store.schema import INDEX
from anylead.store.splits import by_draw

_log = logging.getLogger(__name__)


class Opened(Protocol):
    """A store that has been opened."""

    @property
    def location(self) -> Location:
        """Where its files are."""
        ...

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        ...

    @property
    def index(self) -> pa.Table:
        """One row for each recording."""
        ...


class JoinedLocation:
    """The files of several stores; those of the second are named "1/NAME"."""

    def __init__(self, parts: Sequence[Location]):
        self.parts = tuple(parts)

    def __str__(self) -> str:
        return ",".join(map(str, self.parts))

    def text(self, name: str) -> str:
        """The content of a small file."""
        number, own_name = name.split("/", 1)
        return self.parts[int(number)].text(own_name)

    def file(self, name: str, expected_sha256: str) -> Path:
        """A local path of a file."""
        number, own_name = name.split("/", 1)
        return self.parts[int(number)].file(own_name, expected_sha256)


def join(stores: Sequence[Opened]) -> tuple[JoinedLocation, Manifest, pa.Table]:
    """What one store of all recordings is made from.

    Raises:
        StoreError: the stores were prepared in different ways, or one stands twice.
    """
    first = stores[0]
    hashes = [store.manifest.content_hash for store in stores]
    for number, store in enumerate(stores[1:], start=1):
        own, wanted = (asdict(each.manifest.preprocess) for each in (store, first))
        if own != wanted:
            told = [
                f"{name} {own[name]}, not {wanted[name]}"
                for name in own
                if own[name] != wanted[name]
            ]
            raise StoreError(
                f"{store.location}: prepared in another way than {first.location}:"
                f" {'; '.join(told)}; prepare one of them again"
            )
        if hashes[number] in hashes[:number]:
            raise StoreError(f"{store.location}: stands twice among the stores to be joined")
    begins = np.cumsum([0, *(len(store.manifest.shards) for store in stores[:-1])])
    indexes = [
        _moved(store, int(begin)) for store, begin in zip(stores, begins.tolist(), strict=True)
    ]
    manifest = replace(
        first.manifest,
        name="+".join(dict.fromkeys(store.manifest.name for store in stores)),
        label_names=_same_tasks(stores),
        num_records=sum(store.manifest.num_records for store in stores),
        num_rejected=sum(store.manifest.num_rejected for store in stores),
        has_patients=all(store.manifest.has_patients for store in stores),
        shards=tuple(
            replace(shard, name=f"{number}/{shard.name}")
            for number, store in enumerate(stores)
            for shard in store.manifest.shards
        ),
        index_sha256=sha256("\n".join(hashes).encode()).hexdigest(),
        settings=_settings(stores),
        note=" ".join(dict.fromkeys(s.manifest.note for s in stores if s.manifest.note)),
    )
    index = pa.concat_tables(indexes)
    _tell_doubles(stores, index)
    return JoinedLocation([store.location for store in stores]), manifest, index


def _tell_doubles(stores: Sequence[Opened], index: pa.Table) -> None:
    """Warn of recordings that lie in several of the stores, known by their samples."""
    sums = index.column("crc32").cast(pa.int64()).fill_null(-1).to_numpy()
    keys = np.stack([sums, index.column("num_samples").to_numpy()], axis=1)
    _, group, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((count[group.ravel()] > 1) & (sums >= 0))
    store_of = np.repeat(range(len(stores)), [each.manifest.num_records for each in stores])
    found = index.select(["record_id", "split", "scale"]).take(pa.array(rows)).to_pylist()
    first: dict[Any, tuple[int, str]] = {}
    doubles, num_crossing = [], 0
    for row, told in zip(rows.tolist(), found, strict=True):
        key = (*keys[row].tolist(), *told["scale"])
        number, split = first.setdefault(key, (int(store_of[row]), told["split"]))
        if number != store_of[row]:
            doubles.append(f"{stores[store_of[row]].location} {told['record_id']}")
            num_crossing += split != told["split"]
    if doubles:
        shown = ", ".join(doubles[:3]) + (", ..." if len(doubles) > 3 else "")
        _log.warning(
            "%d recordings are in two of the joined stores (%s), %d of them on two sides of the"
            " split, where scores would flatter; leave them out of one of the stores",
            *(len(doubles), shown, num_crossing),
        )


def _settings(stores: Sequence[Opened]) -> dict[str, Any]:
    is_shared = any(store.manifest.settings.get(SHARED) for store in stores)
    parts = [[store.manifest.name, store.manifest.num_records] for store in stores]
    return {PARTS: parts, **({SHARED: True} if is_shared else {})}


def _moved(store: Opened, first_shard: int) -> pa.Table:
    """The index of one store as a part of all of them."""
    index = store.index
    name = store.manifest.name
    patient = pc.binary_join_element_wise(name, index.column("patient_id"), "/")
    split = np.asarray(index.column("split").fill_null("").to_numpy(), dtype=object)
    if not (split != "").any():
        split = by_draw(index.column("split_draw").to_numpy())
    columns = {
        "patient_id": patient,
        "split": pa.array(split.tolist(), pa.string()),
        "shard": pc.cast(pc.add(index.column("shard"), first_shard), pa.int32()),
    }
    for column, values in columns.items():
        index = index.set_column(index.schema.get_field_index(column), INDEX.field(column), values)
    return index


def _same_tasks(stores: Sequence[Opened]) -> dict[str, tuple[str, ...]]:
    """Label tasks whose classes are the same in all stores that have them."""
    tasks: dict[str, set[tuple[str, ...]]] = {}
    for store in stores:
        for task, names in store.manifest.label_names.items():
            tasks.setdefault(task, set()).add(tuple(names))
    return {task: next(iter(names)) for task, names in tasks.items() if len(names) == 1}
