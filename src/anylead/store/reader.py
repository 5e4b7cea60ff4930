"""Read a store: everything about the recordings as columns, signals by crops."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from anylead.errors import StoreError
from anylead.leads import NUM_LEADS
from anylead.signals import PreprocessConfig, differences
from anylead.store.location import Folder, Location, Remote, file_sha256
from anylead.store.manifest import INDEX_FILE, MANIFEST, Manifest, parse_manifest
from anylead.store.schema import INDEX
from anylead.store.splits import split_rows


class Store:
    """Prepared recordings, memory-mapped; rows are numbered 0 ... num_records - 1.

    Made by `Store.open`. Columns are numpy arrays of length num_records, made at first use.

    Args:
        location: where its files are.
        manifest: what it holds.
        index: its `index.arrow`.
    """

    def __init__(self, location: Location, manifest: Manifest, index: pa.Table):
        self.location = location
        self.manifest = manifest
        self._index = index
        self._views: dict[int, NDArray[np.int16]] = {}
        self._rows_of_mask: dict[int, NDArray[np.intp]] = {}

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """Open a store in a folder or behind an fsspec URL such as "s3://bucket/store".

        Raises:
            StoreError: there is no finished store, of this version, whole.
        """
        location: Location = Remote(str(path)) if "://" in str(path) else Folder(Path(path))
        manifest = parse_manifest(location.text(MANIFEST), str(location))
        if isinstance(location, Folder):
            _check_sizes(location.folder, manifest)
        file = location.file(INDEX_FILE, manifest.index_sha256)
        with _damage_is_a_store_error(str(file)):
            index = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        if index.num_rows != manifest.num_records or index.schema != INDEX:
            raise StoreError(f"{location}: {INDEX_FILE} does not fit {MANIFEST}; prepare it again")
        return cls(location, manifest, index)

    def check_fits(self, wanted: PreprocessConfig, who: str) -> None:
        """Make sure that the signals are what a model was trained on.

        Args:
            wanted: the preprocessing of the model.
            who: wants it, for the message.

        Raises:
            StoreError: they were prepared in another way; the message holds both and the options
                that prepare them again.
        """
        differing = differences(self.manifest.preprocess, wanted)
        if not differing:
            return
        found = ", ".join(
            f"{name} {has} ({who} has {want})" for name, (has, want) in differing.items()
        )
        options = " ".join(
            f"--preprocess.{name} {_word(want)}" for name, (_, want) in differing.items()
        )
        raise StoreError(
            f"{self.location}: prepared with {found}; prepare the recordings again with {options}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Store.open, (str(self.location),)

    @property
    def num_records(self) -> int:
        """Recordings in the store."""
        return self.manifest.num_records

    @cached_property
    def record_id(self) -> NDArray[np.object_]:
        """(record,) str."""
        return np.asarray(self._column("record_id").to_numpy(zero_copy_only=False), dtype=object)

    @cached_property
    def patient_id(self) -> list[str | None]:
        """The patient of each recording; None where the source does not tell."""
        values: list[str | None] = self._column("patient_id").to_pylist()
        return values

    @cached_property
    def patient(self) -> NDArray[np.int64]:
        """(record,) equal numbers are one person; an unknown patient has a number of its own."""
        codes = self._column("patient_id").dictionary_encode().indices
        number = np.asarray(codes.fill_null(-1).to_numpy(zero_copy_only=False), np.int64).copy()
        is_unknown = number < 0
        number[is_unknown] = number.max(initial=-1) + 1 + np.arange(is_unknown.sum())
        return number

    @cached_property
    def split(self) -> NDArray[np.str_]:
        """(record,) the corpus's own: "train", "valid", "test", or "" where it has none."""
        return np.asarray(self._text("split"), dtype="U5")

    @cached_property
    def fold(self) -> NDArray[np.int64]:
        """(record,) the corpus's own fold; -1 where it has none."""
        return self._numbers("fold", -1).astype(np.int64)

    @cached_property
    def split_draw(self) -> NDArray[np.uint32]:
        """(record,) uniform over 32 bits, equal for the recordings of one patient."""
        return self._numbers("split_draw", 0).astype(np.uint32)

    @cached_property
    def num_samples(self) -> NDArray[np.int64]:
        """(record,) length in samples of `manifest.sample_rate`."""
        return self._numbers("num_samples", 0).astype(np.int64)

    @cached_property
    def has_lead(self) -> NDArray[np.bool_]:
        """(record, 12)."""
        return self._per_lead("has_lead").astype(np.bool_)

    @cached_property
    def scale(self) -> NDArray[np.float32]:
        """(record, 12) mV (or the unit of `unit`) per step of int16; 0 for missing leads."""
        return self._per_lead("scale").astype(np.float32)

    @cached_property
    def quality(self) -> NDArray[np.uint16]:
        """(record, 12) bits of `anylead.signals.Quality`."""
        return self._per_lead("quality").astype(np.uint16)

    @cached_property
    def age(self) -> NDArray[np.float32]:
        """(record,) years; NaN where unknown."""
        return self._numbers("age", float("nan")).astype(np.float32)

    @cached_property
    def sex(self) -> NDArray[np.str_]:
        """(record,) "female", "male", or "" where unknown."""
        return np.asarray(self._text("sex"), dtype="U6")

    @cached_property
    def unit(self) -> NDArray[np.str_]:
        """(record,) "mV" or "NU"."""
        return np.asarray(self._text("unit"), dtype="U2")

    def labels(self, task: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The labels of a task.

        Returns:
            (record, class) multi-hot in the order of `manifest.label_names[task]`, and (record,)
            whether the recording is labelled for the task at all.

        Raises:
            StoreError: the store has no such task.
        """
        names = self.manifest.label_names.get(task)
        if names is None:
            known = ", ".join(self.manifest.label_names) or "none: it is not labelled"
            raise StoreError(f"{self.location}: no label task {task!r}; known are {known}")
        column = self._column("labels")
        entry_row = np.repeat(np.arange(len(column)), _lengths(column.offsets))
        chosen = np.flatnonzero(
            pc.equal(_entries(column, column.keys), task).to_numpy(zero_copy_only=False)
        )
        is_labelled = np.zeros(len(column), dtype=bool)
        is_labelled[entry_row[chosen]] = True
        lists = _entries(column, column.items).take(pa.array(chosen))
        codes = pc.index_in(lists.flatten(), value_set=pa.array(names, pa.string()))
        rows = np.repeat(entry_row[chosen], _lengths(lists.offsets))
        hot = np.zeros((len(column), len(names)), dtype=np.uint8)
        hot[rows, codes.to_numpy(zero_copy_only=False)] = 1
        return hot, is_labelled

    def split_rows(
        self, task: str | None = None, scheme: str = "auto"
    ) -> dict[str, NDArray[np.int64]]:
        """Rows of "train", "valid" and "test"; patients are never in two of them.

        Args:
            task: only recordings labelled for it; None takes all.
            scheme: "official" (the corpus's own; recordings without one are left out), "hash"
                (8:1:1 by patient, or by recording where no patient is known; stable when
                recordings are added), "auto" (official where there is one), "folds:9:10"
                (validation and test by the corpus's folds, training on the others).
        """
        is_wanted = np.ones(self.num_records, dtype=bool)
        if task is not None:
            is_wanted = self.labels(task)[1]
        return split_rows(self.split, self.split_draw, self.fold, is_wanted, scheme)

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.int16]:
        """Crops of recordings.

        Args:
            rows: (crop,) which recordings.
            starts: (crop,) first sample of each crop, 0 or more.
            num_samples: length of all crops.

        Returns:
            (crop, 12, num_samples) int16 in steps of `scale`; zero beyond the end of a recording
            and for missing leads.
        """
        rows, starts = np.asarray(rows), np.asarray(starts)
        if rows.shape != starts.shape or (starts < 0).any():
            raise ValueError(f"rows {rows.shape} and starts {starts.shape}; want starts >= 0")
        crops = np.empty((len(rows), NUM_LEADS, num_samples), dtype=np.int16)
        taken = np.clip(self.num_samples[rows] - starts, 0, num_samples)
        places = zip(
            crops,
            self._block[rows].tolist(),
            self._begin[rows].tolist(),
            self.num_samples[rows].tolist(),
            self._lead_mask[rows].tolist(),
            starts.tolist(),
            taken.tolist(),
            strict=True,
        )
        for crop, block, begin, length, mask, start, take in places:
            leads = self._rows_of_mask.get(mask)
            if leads is None:
                leads = self._rows_of_mask[mask] = np.flatnonzero(mask >> np.arange(12) & 1)
            view = self._views.get(block)
            if view is None:
                view = self._views[block] = self._map(block)
            signal = view[begin : begin + len(leads) * length].reshape(len(leads), length)
            if len(leads) == NUM_LEADS:
                crop[:, :take] = signal[:, start : start + take]
                crop[:, take:] = 0
            else:
                crop[:] = 0
                crop[leads, :take] = signal[:, start : start + take]
        return crops

    def verify(self) -> None:
        """Compare every file with its hash; StoreError names the first that differs."""
        expected = {shard.name: shard.sha256 for shard in self.manifest.shards}
        for name, digest in {INDEX_FILE: self.manifest.index_sha256, **expected}.items():
            if file_sha256(self.location.file(name, digest)) != digest:
                raise StoreError(f"{self.location}: {name} is damaged; prepare the store again")

    @cached_property
    def _begin(self) -> NDArray[np.int64]:
        return self._numbers("begin", 0).astype(np.int64)

    @cached_property
    def _block(self) -> NDArray[np.int64]:
        """(record,) shard and record batch in one number."""
        shard = self._numbers("shard", 0).astype(np.int64)
        return shard << 32 | self._numbers("batch", 0).astype(np.int64)

    @cached_property
    def _lead_mask(self) -> NDArray[np.int64]:
        return self.has_lead @ (1 << np.arange(NUM_LEADS, dtype=np.int64))

    def _map(self, block: int) -> NDArray[np.int16]:
        """The signals of one record batch, in place in the mapped file."""
        shard = self.manifest.shards[block >> 32]
        file = self.location.file(shard.name, shard.sha256)
        with _damage_is_a_store_error(str(file)):
            batch = pa.ipc.open_file(pa.memory_map(str(file))).get_batch(block & 0xFFFFFFFF)
        values: NDArray[np.int16] = batch.column("signal").values.to_numpy()
        return values

    def _column(self, name: str) -> pa.Array:
        return self._index.column(name).combine_chunks()

    def _numbers(self, name: str, missing: float) -> NDArray[Any]:
        column = self._column(name)
        if column.null_count:
            column = column.fill_null(missing)
        return np.asarray(column.to_numpy(zero_copy_only=False))

    def _text(self, name: str) -> NDArray[Any]:
        return np.asarray(self._column(name).fill_null("").to_numpy(zero_copy_only=False))

    def _per_lead(self, name: str) -> NDArray[Any]:
        values = self._column(name).flatten().to_numpy(zero_copy_only=False)
        return np.asarray(values).reshape(-1, NUM_LEADS)


def _entries(column: pa.Array, child: pa.Array) -> pa.Array:
    """The part of a nested array's child that belongs to it."""
    first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
    return child.slice(first, last - first)


def _lengths(offsets: pa.Array) -> NDArray[np.int64]:
    ends: NDArray[np.int64] = offsets.to_numpy().astype(np.int64)
    return ends[1:] - ends[:-1]


def _check_sizes(folder: Path, manifest: Manifest) -> None:
    for shard in manifest.shards:
        path = folder / shard.name
        found = path.stat().st_size if path.is_file() else None
        if found != shard.num_bytes:
            size = "missing" if found is None else f"{found} bytes, want {shard.num_bytes}"
            raise StoreError(f"{path}: {size}; copy the store again or prepare it again")


@contextmanager
def _damage_is_a_store_error(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read ({error}); prepare the store again") from None


def _word(value: Any) -> str:
    """A value as it is written on the command line."""
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
    )
