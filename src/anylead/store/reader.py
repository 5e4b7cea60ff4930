"""Read a store: everything about the recordings as columns, signals by crops."""

from functools import cached_property
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from anylead.errors import StoreError, known_are
from anylead.leads import NUM_LEADS
from anylead.preprocessing import PreprocessConfig
from anylead.store.integrity import REMEDY, check_sizes, damage_is_a_store_error, verify_files
from anylead.store.location import Folder, Location, file_sha256
from anylead.store.manifest import INDEX_FILE, MANIFEST, PARTS, SHARED, Manifest, parse_manifest
from anylead.store.schema import INDEX
from anylead.store.splits import shared_patients, split_rows, told_shared

_COLUMNS = "anylead.store.columns"  # by name: a pre-training has no labels


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
        self.index = index
        self._views: dict[int, NDArray[np.int16]] = {}
        self._is_checked = bytearray(manifest.num_records)
        self._whole: set[int] = set()  # shards of a store of version 1
        self._rows_of_mask: dict[int, NDArray[np.intp]] = {}

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """Open a store in a folder or behind an fsspec URL such as "s3://bucket/store".

        Several, separated by commas, are joined: see `anylead.store.joined`.

        Raises:
            StoreError: there is no finished store, of this version, whole.
        """
        parts = str(path).split(",")
        if len(parts) > 1 and not Path(path).exists():
            joined = import_module("anylead.store.joined")
            return cls(*joined.join([cls.open(part.strip()) for part in parts]))  # by name: rare
        location: Location = Folder(Path(path))
        if "://" in str(path):
            location = import_module("anylead.store.remote").Remote(str(path))
        manifest = parse_manifest(location.text(MANIFEST), str(location))
        if isinstance(location, Folder):
            check_sizes(location.folder, manifest)
        file = location.file(INDEX_FILE, manifest.index_sha256)
        with damage_is_a_store_error(str(file)):
            mapped = pa.memory_map(str(file))
            if sha256(mapped.read_buffer()).hexdigest() != manifest.index_sha256:
                raise StoreError(f"{location}: {INDEX_FILE} is damaged; {REMEDY}")
            index = pa.ipc.open_file(mapped).read_all()
        if index.schema != INDEX:
            index = import_module("anylead.store.earlier").of_this_version(index, manifest.version)
        if index.num_rows != manifest.num_records or index.schema != INDEX:
            raise StoreError(f"{location}: {INDEX_FILE} does not fit {MANIFEST}; prepare it again")
        return cls(location, manifest, index)

    def check_fits(self, wanted: PreprocessConfig, who: str) -> None:
        """Make sure that the signals are what a model was trained on.

        Args:
            wanted: the preprocessing of the model.
            who: wants it, for the message.

        Raises:
            StoreError: they are not; the message holds both and the options that mend it.
        """
        fitting = import_module("anylead.store.fitting")
        fitting.check_fits(self.manifest.preprocess, wanted, str(self.location), who)

    def __repr__(self) -> str:
        told = self.manifest
        return (
            f"Store({self.location}, {told.num_records:,} recordings of {told.name},"
            f" {told.sample_rate:g} Hz, labels: {', '.join(told.label_names) or 'none'})"
        )

    def _repr_html_(self) -> str:
        facts = str(self.location), self.manifest, self.measurement_names
        return str(import_module("anylead.store.told").as_html(*facts))

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
    def corpus(self) -> NDArray[np.str_]:
        """(record,) the name of the dataset that each recording is of."""
        parts = self.manifest.settings.get(PARTS, [[self.manifest.name, self.num_records]])
        return np.repeat([name for name, _ in parts], [number for _, number in parts])

    @cached_property
    def patient_id(self) -> list[str | None]:
        """The patient of each recording; None where the source does not tell."""
        return list(self._column("patient_id").to_pylist())

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

    @cached_property
    def measurement_names(self) -> tuple[str, ...]:
        """Numbers that are known of some recordings; "age" is one of them."""
        ages = ["age"] if np.isfinite(self.age).any() else []
        return (*ages, *import_module(_COLUMNS).keys(self._column("measurements")))

    def measurement(self, name: str) -> NDArray[np.float64]:
        """(record,) a number that was measured, of a class 0 or 1; NaN where unknown.

        Raises:
            StoreError: the store has neither.
        """
        if name == "age":
            return np.asarray(self.age.astype(np.float64))
        told = [self._column(each) for each in ("measurements", "labels", "unknown")]
        found = import_module(_COLUMNS).measurement(name, *told, self.manifest.label_names)
        if found is None:
            known = known_are(name, self.measurement_names)
            raise StoreError(f"{self.location}: no measurement {name!r}{known}")
        return np.asarray(found)

    def label_names(self, task: str) -> tuple[str, ...]:
        """The classes of a label task; of tasks joined by "+" as "task/class".

        Raises:
            StoreError: the store has no such task.
        """
        parts = task.split("+")
        unknown = [part for part in parts if part not in self.manifest.label_names]
        if unknown:
            known = ", ".join(self.manifest.label_names) or "none: it is not labelled"
            raise StoreError(f"{self.location}: no label task {unknown[0]!r}; known are {known}")
        if len(parts) == 1:
            return self.manifest.label_names[task]
        names = self.manifest.label_names
        return tuple(f"{part}/{name}" for part in parts for name in names[part])

    def labels(self, task: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The labels of a task, or of several joined by "+".

        Returns:
            (record, class) multi-hot in the order of `label_names(task)`, and (record, class)
            whether it is known: not where the task, or the class, was not looked for.

        Raises:
            StoreError: the store has no such task.
        """
        self.label_names(task)  # raises
        told = self._column("labels"), self._column("unknown"), self.manifest.label_names
        hot, is_known = import_module(_COLUMNS).multi_hot(task, *told)
        return hot, is_known

    def split_rows(
        self, task: str | None = None, scheme: str = "auto"
    ) -> dict[str, NDArray[np.int64]]:
        """Rows of "train", "valid" and "test"; patients are never in two of them.

        Args:
            task: only recordings labelled for it; or measurements joined by "+", of which one must
                be known; None takes all.
            scheme: "official" (the corpus's own; recordings without one are left out), "hash"
                (8:1:1 by patient, or by recording where no patient is known; stable when
                recordings are added), "auto" (official where there is one), "folds:9:10"
                (validation and test by the corpus's folds, the others train), "all" (all train).

        Raises:
            StoreError: no such scheme or folds, or patients on several sides.
        """
        is_wanted = np.ones(self.num_records, bool) if task is None else self._is_told(task)
        rows = split_rows(self.split, self.split_draw, self.fold, is_wanted, scheme)
        if not self.manifest.settings.get(SHARED):
            self._refuse_shared(rows)
        return rows

    def _is_told(self, task: str) -> NDArray[np.bool_]:
        """(record,) whether it is labelled for a task, or one of its measurements is known."""
        parts = task.split("+")
        if set(parts) & set(self.measurement_names) - {*self.manifest.label_names}:
            return np.asarray(np.isfinite([self.measurement(p) for p in parts]).any(axis=0))
        return np.asarray(self.labels(task)[1].any(axis=1))

    def _refuse_shared(self, rows: dict[str, NDArray[np.int64]]) -> None:
        shared = shared_patients(rows, self.patient)
        if len(shared):
            first = [int(np.argmax(self.patient == who)) for who in shared[:3]]
            names = [str(self.patient_id[row]) for row in first]
            raise StoreError(
                f"{self.location}: its own split has {told_shared(len(shared), names)}, so scores"
                " would flatter; mend it, use --data.scheme hash, or prepare it with"
                " --allow_shared_patients true"
            )

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

        Raises:
            StoreError: the samples of a recording are not those that were written.
        """
        rows, starts = np.asarray(rows), np.asarray(starts)
        if rows.shape != starts.shape or (starts < 0).any():
            raise ValueError(f"rows {rows.shape} and starts {starts.shape}; want starts >= 0")
        crops = np.empty((len(rows), NUM_LEADS, num_samples), dtype=np.int16)
        taken = np.clip(self.num_samples[rows] - starts, 0, num_samples)
        places = zip(
            rows.tolist(),
            crops,
            self._block[rows].tolist(),
            self._begin[rows].tolist(),
            self.num_samples[rows].tolist(),
            self._lead_mask[rows].tolist(),
            starts.tolist(),
            taken.tolist(),
            strict=True,
        )
        for row, crop, block, begin, length, mask, start, take in places:
            leads = self._rows_of_mask.get(mask)
            if leads is None:
                leads = self._rows_of_mask[mask] = np.flatnonzero(mask >> np.arange(12) & 1)
            view = self._views.get(block)
            if view is None:
                view = self._views[block] = self._map(block)
            values = view[begin : begin + len(leads) * length]
            if not self._is_checked[row]:
                self._check(row, block, values, len(leads) * length)
            signal = values.reshape(len(leads), length)
            if len(leads) == NUM_LEADS:
                crop[:, :take] = signal[:, start : start + take]
                crop[:, take:] = 0
            else:
                crop[:] = 0
                crop[leads, :take] = signal[:, start : start + take]
        return crops

    def verify(self) -> None:
        """Compare every file with its hash; StoreError names those that differ."""
        verify_files(self.location, self.manifest)

    def _check(self, row: int, block: int, values: NDArray[np.int16], num: int) -> None:
        """Refuse samples that are not those that were written, once for each recording."""
        expected = self._crc32[row]
        if expected < 0:
            self._check_shard(block >> 32)
        if len(values) != num or (expected >= 0 and crc32(values.data) != expected):
            name = self.manifest.shards[block >> 32].name
            raise StoreError(
                f"{self.location}: {name} is damaged (recording {self.record_id[row]}); {REMEDY}"
            )
        self._is_checked[row] = 1

    def _check_shard(self, number: int) -> None:
        """Compare a shard of a store of version 1 with its hash, once."""
        shard = self.manifest.shards[number]
        if number not in self._whole:
            if file_sha256(self.location.file(shard.name, shard.sha256)) != shard.sha256:
                raise StoreError(f"{self.location}: {shard.name} is damaged; {REMEDY}")
            self._whole.add(number)

    @cached_property
    def _crc32(self) -> NDArray[np.int64]:
        """Of each signal; -1 in stores of version 1, whose shards are hashed instead."""
        sums = self._column("crc32").cast(pa.int64()).fill_null(-1)
        return np.asarray(sums.to_numpy(zero_copy_only=False))

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
        with damage_is_a_store_error(str(file)):
            batch = pa.ipc.open_file(pa.memory_map(str(file))).get_batch(block & 0xFFFFFFFF)
        values: NDArray[np.int16] = batch.column("signal").values.to_numpy()
        return values

    def _column(self, name: str) -> pa.Array:
        return self.index.column(name).combine_chunks()

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
