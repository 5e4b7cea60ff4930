"""Independent pieces of work on the cores and GPUs of this machine, or on a Ray cluster.

A piece writes its result to a disk that all workers share and may be done again at any time, so a
worker that is lost costs its piece only.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal, TypeVar

from anylead.errors import AnyleadError, MissingPackageError

Engine = Literal["processes", "ray"]
Piece = TypeVar("Piece")
Result = TypeVar("Result")

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
    context = get_context("spawn")  # forked processes would inherit locks and a used GPU
    ranks = context.Queue()
    for rank in range(num_workers):
        ranks.put(rank)
    pool = ProcessPoolExecutor(num_workers, context, _begin, (ranks,))
    source = iter(pieces)
    try:
        waiting: set[Future[Result]] = {
            pool.submit(work, piece) for piece in islice(source, 2 * num_workers)
        }
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                waiting |= {pool.submit(work, piece) for piece in islice(source, 1)}
                yield future.result()
    except BrokenProcessPool:
        raise AnyleadError(
            "a worker process was killed, most likely for want of memory; run the same command"
            " again with a smaller --num_workers: it goes on where it stopped"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(ranks: Any) -> None:
    global _rank
    _rank = ranks.get()


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
        raise MissingPackageError('--engine ray needs Ray; pip install "anylead[ray]"') from None
    return ray


def work_on(work: Callable[[Piece], Result], piece: Piece) -> Result:
    """One piece; a function of a module, so that workers find it by its name."""
    return work(piece)
