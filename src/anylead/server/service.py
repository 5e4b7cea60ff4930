"""What a server holds: the model, its batchers, a gallery, and threads to read and draw in."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from anyio import CapacityLimiter
from numpy.typing import NDArray

from anylead.explanations import Explanation, explain
from anylead.inference.answer import Answer, answer
from anylead.inference.delineation import Delineation
from anylead.inference.delineator import delineator_of
from anylead.inference.gallery import (
    UNKNOWN,
    Candidate,
    Entry,
    Gallery,
    check_model,
    load_gallery,
    search,
    threshold_for,
    weights_hash,
)
from anylead.inference.model import Model
from anylead.inference.windows import Windows, refusal
from anylead.leads import LEADS
from anylead.records import Record
from anylead.server.batching import Batcher
from anylead.server.limits import Limits, RefusalError
from anylead.server.metrics import Metrics

Result = TypeVar("Result")
_READERS = 4


@dataclass(frozen=True)
class Identified:
    """Who a recording may be of.

    Attributes:
        person: the nearest, or "unknown".
        persons: nearest first.
        nearest: enrolled recordings and their cosines, nearest first.
    """

    person: str
    persons: list[Candidate]
    nearest: list[tuple[Entry, float]]


class Service:
    """A model at work.

    Args:
        model: any model.
        limits: bounds of requests and batches.
        gallery: known persons, enrolled with this model; None leaves out /identify.
        threshold: cosine below which a person is unknown; None lets one pair in a hundred of two
            persons of the gallery pass.

    Raises:
        CheckpointError: the gallery was made by another model.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits | None = None,
        gallery: Path | None = None,
        threshold: float | None = None,
    ):
        self.model = model
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.gallery: Gallery | None = None
        self.threshold = threshold or 0.0
        if gallery is not None:
            self.gallery = load_gallery(gallery)
            check_model(self.gallery, weights_hash(model), str(gallery))
            if threshold is None:
                self.threshold = threshold_for(self.gallery, 0.01)
        model.batch_size = self.limits.batch_windows
        # One thread: passes one after another are faster than side by side on the same cores.
        self._model_thread = ThreadPoolExecutor(1, "anylead-model")
        self.processes = CapacityLimiter(_READERS)  # that read files
        self._threads = ThreadPoolExecutor(_READERS, "anylead-thread")
        self._explainer = ThreadPoolExecutor(1, "anylead-explainer")
        observe = self.metrics.batches.observe
        self._logits = Batcher(model.logits, self._model_thread, self.limits, observe)
        self._vectors = Batcher(model.vectors, self._model_thread, self.limits, observe)
        self.metrics.waiting.set_function(lambda: self._logits.waiting + self._vectors.waiting)

    async def stop(self) -> None:
        """Let go of threads; what is running is waited for."""
        await self._logits.stop()
        await self._vectors.stop()
        for executor in (self._model_thread, self._threads, self._explainer):
            executor.shutdown(cancel_futures=True)

    async def aside(self, work: Callable[[], Result]) -> Result:
        """Run what takes long beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def prepare(
        self, records: Sequence[Record], use_leads: str | None
    ) -> tuple[list[Windows], list[list[str]]]:
        """Windows of recordings, and which of their leads the model sees."""
        windows = await self.aside(lambda: self.model.windows(records, use_leads))
        seen = [list(each.leads) for each in windows]
        return windows, seen

    async def answers(
        self, records: Sequence[Record], windows: Sequence[Windows], force: bool = False
    ) -> list[Answer]:
        """What the model says of every recording; of noise nothing, unless it must."""
        model = self.model
        if model.outcome is None:
            raise RefusalError(409, f"a model of kind {model.kind!r} predicts no labels")
        is_asked = [force or refusal(each) is None for each in windows]
        asked = [each for each, is_so in zip(windows, is_asked, strict=True) if is_so]
        logits = iter(await self._logits(asked) if asked else ())
        rate = model.preprocess_config.sample_rate
        return [
            answer(model.about, record.record_id, each, next(logits) if is_so else None, rate)
            for record, each, is_so in zip(records, windows, is_asked, strict=True)
        ]

    async def vectors(self, windows: Sequence[Windows]) -> NDArray[np.float32]:
        """(recording, dim)."""
        return np.asarray(await self._vectors(windows), dtype=np.float32)

    async def delineate(
        self, records: Sequence[Record], windows: Sequence[Windows]
    ) -> list[Delineation]:
        """Waves and intervals of every recording; CheckpointError without a decoder of waves."""
        names = [record.record_id for record in records]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._model_thread, lambda: list(delineator_of(self.model).over(names, windows))
        )

    async def identify(self, windows: Sequence[Windows], top: int) -> list[Identified]:
        """The nearest persons and recordings of the gallery."""
        if self.gallery is None:
            raise RefusalError(404, "no gallery; start with --gallery to identify persons")
        vectors = await self.vectors(windows)
        gallery = self.gallery
        return await self.aside(lambda: self._search(gallery, vectors, top))

    async def explain(
        self, record: Record, method: str, label: str | None, use_leads: str | None
    ) -> Explanation:
        """One at a time; recordings that are too long are refused."""
        if record.seconds > self.limits.explained_seconds:
            raise RefusalError(
                413,
                f"{record.seconds:.0f} s; at most {self.limits.explained_seconds:.0f} s can be"
                " explained at once, cut the recording",
            )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._explainer, lambda: explain(self.model, record, method, label, use_leads)
        )

    def warm_up(self) -> None:
        """A recording from end to end, so that the first request does not wait for imports."""
        rate = 2 * self.model.preprocess_config.sample_rate  # has to be resampled
        length = 2 * self.model.segment_samples
        signal = np.random.default_rng(0).standard_normal((len(LEADS), length))
        record = Record(signal.astype(np.float32), LEADS, rate)
        windows = self.model.windows([record])
        run = self.model.logits if self.model.outcome is not None else self.model.vectors
        run(windows)

    def _search(self, gallery: Gallery, vectors: NDArray[np.float32], top: int) -> list[Identified]:
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found = []
        for vector, persons in zip(vectors, search(gallery, vectors, top, "exact"), strict=True):
            cosine = gallery.vectors @ vector
            nearest = [(gallery.entries[i], float(cosine[i])) for i in np.argsort(-cosine)[:top]]
            is_known = persons[0].cosine >= self.threshold
            found.append(Identified(persons[0].person if is_known else UNKNOWN, persons, nearest))
        return found
