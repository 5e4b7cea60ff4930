"""Store -> `Batch`: crops are read as int16 and scaled to millivolts on the device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.errors import StoreError
from anylead.leads import NUM_LEADS
from anylead.loading.crops import (
    SHORTEST,
    TAILS,
    Crops,
    adjacent_pairs,
    every_pair,
    every_segment,
    random_crops,
)
from anylead.loading.sampler import Sampler, record_seeds
from anylead.objective import Batch
from anylead.store import Store

Crop = Literal["pair", "random", "every_pair", "every_segment"]
# Where in a recording a draw between 0 and 1 puts its segments.
CROPS = {"pair": adjacent_pairs, "random": random_crops}
# All segments of recordings, or all pairs of them.
PIECES = {"every_pair": every_pair, "every_segment": every_segment}
_MOST_PADDING = 10  # times the longest recording: a segment beyond that is a mistake


@dataclass(frozen=True)
class Labels:
    """Targets of all rows of a store.

    label: (record, class) multi-hot, or numbers.
    names: of the classes.
    known: (record, class) False where nobody looked for the class; None where all are known.
    """

    label: NDArray[np.uint8] | NDArray[np.float32]
    names: tuple[str, ...]
    known: NDArray[np.bool_] | None = None

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """(row, class) of these rows; as float32 with NaN where some are unknown."""
        label = self.label[rows]
        if self.known is None or self.known[rows].all():
            return label
        return np.where(self.known[rows], label, np.nan).astype(np.float32)


def chosen_rows(store: Store, rows: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers of recordings, from numbers or (record,) bool; StoreError if they do not fit."""
    try:
        return np.arange(store.num_records)[np.asarray(rows)]
    except IndexError as error:
        raise StoreError(f"{store.location}: rows: {error}") from None


class TrainingLoader:
    """The batch of any step, for one rank.

    Args:
        store: prepared recordings.
        rows: which of them, numbers or (record,) bool.
        batch_size: recordings of one step, all ranks and micro-batches together.
        segment_seconds: length of a segment.
        crop: of each recording once an epoch: "pair" = two adjacent segments, "random" = one, at a
            random place. "every_pair" and "every_segment" = all there are, from its start on.
        seed: of order, crops and everything drawn from `Batch.seed`.
        labels: targets, or None.
    """

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.int64] | NDArray[np.bool_],
        batch_size: int,
        segment_seconds: float,
        crop: Crop,
        seed: int,
        labels: Labels | None = None,
    ):
        rows = chosen_rows(store, rows)
        if not len(rows):
            raise StoreError(
                "no recording is left to train on; check split, labels, leads, exclude"
            )
        self.store, self.rows, self.labels = store, rows, labels
        self.segment = round(segment_seconds * store.manifest.sample_rate)
        if self.segment < SHORTEST:
            least = SHORTEST / store.manifest.sample_rate
            raise StoreError(f"data.segment_seconds {segment_seconds:g}: want {least:g} s or more")
        longest = int(store.num_samples[rows].max())
        if self.segment > _MOST_PADDING * longest:
            raise StoreError(
                f"segments of {segment_seconds:g} s, but the longest recording has"
                f" {longest / store.manifest.sample_rate:g} s; take shorter ones"
                " (data.segment_seconds)"
            )
        self.pieces = None
        self.num_left_out = 0
        if crop in PIECES:
            self.pieces = PIECES[crop](store.num_samples[rows], self.segment)
            self.num_left_out = len(rows) - len(np.unique(self.pieces.recording))
            self.rows = rows[self.pieces.recording]
            if not len(self.rows):
                raise StoreError(
                    f"every recording is shorter than two segments of {segment_seconds:g} s; take"
                    " shorter ones (data.segment_seconds) or data.samples random"
                )
        else:
            self.crop = CROPS[crop]
        self.sampler = Sampler(len(self.rows), batch_size, seed)
        self.seed = seed
        self._num_begun = 0

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.sampler.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        """The batches of an epoch, each time those of the next one."""
        first = self._num_begun * len(self)
        self._num_begun += 1
        return map(self.batch, range(first, first + len(self)))

    def batch(self, step: int, part: int = 0, num_parts: int = 1) -> Batch:
        """The batch of a step; `part` of `num_parts` equal shares of it (ranks, micro-batches)."""
        number = np.array_split(self.sampler.rows(step), num_parts)[part]
        rows = self.rows[number]
        if self.pieces is not None:
            seeds = record_seeds(self.seed, step, number)  # two pieces of one recording differ
            crops = Crops(*(values[number] for values in self.pieces.crops))
        else:
            seeds = record_seeds(self.seed, step, rows)
            uniform = (seeds >> 11).astype(np.float64) * 2.0**-52
            crops = self.crop(self.store.num_samples[rows], self.segment, uniform)
        return make_batch(self.store, rows, crops, self.segment, seeds, step, self.labels)


def evaluation_batches(
    store: Store,
    rows: NDArray[np.int64] | NDArray[np.bool_],
    segment_seconds: float,
    batch_size: int,
    labels: Labels | None = None,
    tail: str = "overlap",
) -> Iterator[Batch]:
    """Every recording once, as windows; recordings of one batch have equally many.

    The windows are evenly spaced ("overlap"), or whole ones from the start, what is left at the
    end dropped ("drop").

    Yields batches of (batch, window, lead, time); `Batch.record` tells which rows of the store.
    """
    rows = chosen_rows(store, rows)
    segment = round(segment_seconds * store.manifest.sample_rate)
    length = store.num_samples[rows]
    num_windows = np.maximum(length // segment if tail == "drop" else -(-length // segment), 1)
    for count in np.unique(num_windows):
        group = rows[num_windows == count]
        size = max(1, batch_size // int(count))
        for start in range(0, len(group), size):
            chosen = group[start : start + size]
            each = [TAILS[tail](int(n), segment) for n in store.num_samples[chosen]]
            crops = Crops(
                np.concatenate([crop.start for crop in each]),
                np.concatenate([crop.num_samples for crop in each]),
            )
            yield make_batch(store, chosen, crops, segment, chosen, 0, labels)


def make_batch(
    store: Store,
    rows: NDArray[np.int64],
    crops: Crops,
    segment: int,
    seeds: NDArray[np.int64],
    step: int,
    labels: Labels | None,
) -> Batch:
    """Read segments; padding is zero and `num_samples` is None where there is none."""
    shape = crops.start.shape
    flat = store.read(np.repeat(rows, shape[1]), crops.start.ravel(), segment)
    for i in np.flatnonzero(crops.num_samples.ravel() < segment):
        flat[i, :, crops.num_samples.ravel()[i] :] = 0  # the other half is no part of this one
    signal = torch.from_numpy(flat).view(*shape, NUM_LEADS, segment)
    is_full = bool((crops.num_samples == segment).all())
    has_lead = torch.from_numpy(store.has_lead[rows])[:, None].expand(-1, shape[1], -1)
    return Batch(
        signal=signal,
        has_lead=has_lead,
        num_samples=None if is_full else torch.from_numpy(crops.num_samples),
        patient=torch.from_numpy(store.patient[rows]),
        record=torch.from_numpy(rows),
        seed=torch.from_numpy(seeds),
        step=torch.tensor(step),
        label=None if labels is None else torch.from_numpy(labels.of(rows)).float(),
        start=torch.from_numpy(crops.start),
        scale=torch.from_numpy(store.scale[rows]),
    )


class Prefetch:
    """Batches made ahead by one thread, so that the device does not wait for the disk.

    Args:
        make: number of the step -> what it needs.
        steps: which steps, in order.
        depth: how many to make ahead.
    """

    def __init__(self, make: Callable[[int], list[Batch]], steps: range, depth: int = 3):
        self.make, self.steps = make, steps
        self._queue: Queue[list[Batch] | BaseException] = Queue(maxsize=depth)
        self._stopped = Event()
        self._thread = Thread(target=self._fill, daemon=True)

    def __enter__(self) -> Iterator[list[Batch]]:
        self._thread.start()
        return self._drain()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get_nowait()
            self._thread.join(timeout=0.05)

    def _fill(self) -> None:
        for step in self.steps:
            if self._stopped.is_set():
                return
            try:
                made: list[Batch] | BaseException = self.make(step)
            except Exception as error:
                made = error
            self._queue.put(made)
            if isinstance(made, BaseException):
                return

    def _drain(self) -> Iterator[list[Batch]]:
        for _ in self.steps:
            made = self._queue.get()
            if isinstance(made, BaseException):
                raise made
            yield made
