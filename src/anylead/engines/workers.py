"""Independent pieces of work on the cores and GPUs of this machine, or on a Ray cluster.

A piece writes its result to a disk that all workers share and may be done again at any time, so a
worker that is lost costs its piece only.
"""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import active_children, get_context
from types import ModuleType, TracebackType
from typing import Any, Literal, TypeVar

from anylead.errors import AnyleadError
from anylead.extras import missing

Engine = Literal["processes", "ray"]
Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Forked processes would inherit locks, threads of libraries and a used GPU.
SPAWN = get_context("spawn")

_rank: int | None = None


def run_pieces(
    work: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    num_workers: int = 1,
    engine: Engine = "processes",
    gpus_per_worker: float = 0.0,
) -> Iterator[Result]:
    """Results as they come, in any order.

    Args:
        work: a function of a module, or a `functools.partial` of one.
        pieces: what to call it with; taken from the iterator as workers become free.
        num_workers: processes on this machine, or tasks that wait at once on a cluster.
        engine: "processes" on this machine; "ray" on the cluster of RAY_ADDRESS, or a local one.
        gpus_per_worker: what Ray should set aside for each task.
    """
    if engine == "ray":
        yield from _on_ray(work, pieces, num_workers, gpus_per_worker)
    elif num_workers == 1:
        yield from map(work, pieces)
    else:
        yield from _in_processes(work, pieces, num_workers)


def worker_rank() -> int | None:
    """Number of this worker process on its machine; None where this is the user's own process."""
    return _rank


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_processes(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], num_workers: int
) -> Iterator[Result]:
    ranks = SPAWN.Queue()
    for rank in range(num_workers):
        ranks.put(rank)
    source = iter(pieces)
    with Workers(num_workers, _begin, (ranks,)) as workers:
        waiting = {workers.submit(work, piece) for piece in islice(source, 2 * num_workers)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                waiting |= {workers.submit(work, piece) for piece in islice(source, 1)}
                yield future.result()


def _begin(ranks: Any) -> None:
    global _rank
    _rank = ranks.get()


class Workers:
    """Fresh worker processes, for the time of a `with` block.

    They start without the user's script, so that it needs no `if __name__ == "__main__"` and a
    prompt or a notebook will do; they do not hear Ctrl-C, which is the business of the process that
    started them, and they end at once when the block ends by an exception.

    Args:
        number: of processes.
        begin: called in each before its first work.
        arguments: of `begin`.
    """

    def __init__(
        self, number: int, begin: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
    ):
        self._pool = ProcessPoolExecutor(number, SPAWN, begin, arguments)
        self._others = active_children()

    def submit(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Begin a piece of work as soon as a worker is free."""
        with _quiet_start(is_ours=not _is_of_the_script((work, arguments))):
            return self._pool.submit(work, *arguments)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for child in active_children():
                if child not in self._others:
                    child.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise AnyleadError(
                "a worker process ended, most likely for want of memory; run the same command again"
                " with a smaller --num_workers: it goes on where it stopped"
            ) from None


def _is_of_the_script(value: Any) -> bool:
    """Whether a value can only be had by running the user's script again."""
    return b"__main__" in pickle.dumps(value)


@contextmanager
def _quiet_start(is_ours: bool) -> Iterator[None]:
    """Processes started within the block do not hear Ctrl-C; ours do not run the user's script."""
    script = sys.modules["__main__"]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if is_ours:
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_ray(
    work: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    num_workers: int,
    gpus_per_worker: float,
) -> Iterator[Result]:
    ray = _import_ray()
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    task = ray.remote(num_cpus=1, num_gpus=gpus_per_worker, max_retries=3)(work_on)
    shared = ray.put(work)
    source = iter(pieces)
    limit = max(num_workers, int(2 * ray.cluster_resources().get("CPU", 1)))
    waiting = [task.remote(shared, piece) for piece in islice(source, limit)]
    try:
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1)
            waiting += [task.remote(shared, piece) for piece in islice(source, 1)]
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
    finally:
        for reference in waiting:
            ray.cancel(reference)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise missing("ray", "ray") from None
    return ray


def work_on(work: Callable[[Piece], Result], piece: Piece) -> Result:
    """One piece; a function of a module, so that workers find it by its name."""
    return work(piece)
