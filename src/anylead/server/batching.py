"""Recordings of many requests through the model at once."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.inference.windows import Windows
from anylead.server.limits import Limits, RefusalError

Rows = NDArray[np.floating]
Run = Callable[[Sequence[Windows]], NDArray[Any]]


@dataclass(eq=False)
class _Job:
    windows: list[Windows]
    answer: "asyncio.Future[Rows]"


class Batcher:
    """Collects what arrives while the model is busy (or for a few milliseconds) and runs it once.

    Args:
        run: recordings -> (recording, ...), each row independent of the others.
        executor: where it runs; with one thread, several batchers take turns.
        limits: sizes and waits.
        observe: called with the number of recordings of each batch.
    """

    def __init__(
        self,
        run: Run,
        executor: Executor,
        limits: Limits,
        observe: Callable[[int], None] = lambda _: None,
    ):
        self.run, self.executor, self.limits, self.observe = run, executor, limits, observe
        self.waiting = 0  # recordings that have no answer yet
        self._jobs: list[_Job] = []
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, windows: Sequence[Windows]) -> Rows:
        """(recording, ...) of one request.

        Raises:
            RefusalError: too many are waiting.
        """
        if self.waiting + len(windows) > self.limits.waiting:
            raise RefusalError(503, f"{self.waiting} recordings are waiting already; try later")
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        job = _Job(list(windows), asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self.waiting += len(windows)
        self._arrived.set()
        try:
            return await job.answer
        finally:
            self.waiting -= len(windows)

    async def stop(self) -> None:
        """End the worker; what waits is cancelled."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None
        for job in self._jobs:
            job.answer.cancel()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            if self._num_windows() < self.limits.batch_windows:
                await asyncio.sleep(self.limits.batch_wait_ms / 1000)
            batch = self._take()
            if batch:
                await self._answer(batch)

    def _num_windows(self) -> int:
        return sum(len(each.start) for job in self._jobs for each in job.windows)

    def _take(self) -> list[_Job]:
        """Whole requests up to the size of a batch, at least one; those given up are left out."""
        taken: list[_Job] = []
        size = 0
        while self._jobs:
            job = self._jobs[0]
            if job.answer.done():
                self._jobs.pop(0)
                continue
            size += sum(len(each.start) for each in job.windows)
            if taken and size > self.limits.batch_windows:
                break
            taken.append(self._jobs.pop(0))
        if not self._jobs:
            self._arrived.clear()
        return taken

    async def _answer(self, batch: list[_Job]) -> None:
        together = [each for job in batch for each in job.windows]
        self.observe(len(together))
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self.executor, self.run, together)
        except Exception as error:
            if len(batch) > 1:  # one bad recording must not spoil the others
                for job in batch:
                    await self._answer([job])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        first = 0
        for job in batch:
            if not job.answer.done():
                job.answer.set_result(rows[first : first + len(job.windows)])
            first += len(job.windows)
