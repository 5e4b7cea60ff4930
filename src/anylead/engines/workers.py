"""Independent pieces of work on the cores and GPUs of this machine, or on a Ray cluster.

A piece writes its result to a disk that all workers share and may be done again at any time, so a
worker that is lost costs its piece only.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import active_children, connection, get_context, parent_process
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
    if engine == "processes" and num_workers == 1:
        yield from map(work, pieces)
        return
    source = iter(pieces)
    with _workers(engine, num_workers, gpus_per_worker) as workers:
        limit = 2 * max(num_workers, workers.number)  # few wait: the pieces may be many
        waiting = {workers.submit(work, piece) for piece in islice(source, limit)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                waiting |= {workers.submit(work, piece) for piece in islice(source, 1)}
                yield future.result()


def _workers(engine: Engine, number: int, gpus_per_worker: float) -> "Workers | Cluster":
    if engine == "ray":
        return Cluster(gpus_per_worker)
    ranks = SPAWN.Queue()
    for rank in range(number):
        ranks.put(rank)
    return Workers(number, _begin, (ranks,))


def worker_rank() -> int | None:
    """Number of this worker process on its machine; None where this is the user's own process."""
    return _rank


def _begin(ranks: Any) -> None:
    global _rank
    _rank = ranks.get()


def _begin_watched(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """In a worker: it ends with the process that started it, also within a piece of hours."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


class Workers:
    """Fresh worker processes, for the time of a `with` block.

    They start without the user's script, so that it needs no `if __name__ == "__main__"` and a
    prompt or a notebook will do; they do not hear Ctrl-C, which is the business of the process that
    started them, and they end at once when the block ends by an exception, or that process does.

    Args:
        number: of processes; also an attribute.
        begin: called in each before its first work.
        arguments: of `begin`.
    """

    def __init__(
        self, number: int, begin: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
    ):
        self.number = number
        self._pool = ProcessPoolExecutor(number, SPAWN, _begin_watched, (begin, arguments))
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


class Cluster:
    """Tasks on the Ray cluster of RAY_ADDRESS, or a local one, for the time of a `with` block.

    Each begins as soon as a core is free, and again, up to three times, where a machine is lost.

    Args:
        gpus_per_task: what Ray should set aside for each; may be changed.

    Attributes:
        number: of cores of the cluster.
        has_gpus: whether any of its machines has one.
    """

    def __init__(self, gpus_per_task: float = 0.0):
        self._ray = _import_ray()
        if not self._ray.is_initialized():
            self._ray.init(log_to_driver=False, include_dashboard=False)
        self._task = self._ray.remote(num_cpus=1, max_retries=3)(work_on)
        self._running: dict[Future[Any], Any] = {}
        self._work: Callable[..., Any] | None = None
        self._sent: Any = None
        resources = self._ray.cluster_resources()
        self.gpus_per_task = gpus_per_task
        self.number, self.has_gpus = int(resources.get("CPU", 1)), bool(resources.get("GPU", 0))

    def submit(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Begin a piece of work as soon as a core is free."""
        if work is not self._work:  # sent to the cluster once, however many pieces there are
            self._work, self._sent = work, self._ray.put(work)
        task = self._task.options(num_gpus=self.gpus_per_task)
        reference = task.remote(self._sent, *arguments)
        promised: Future[Result] = Future()
        self._running[promised] = reference
        reference.future().add_done_callback(partial(self._hand_on, promised))
        return promised

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        for reference in list(self._running.values()):
            self._ray.cancel(reference)

    def _hand_on(self, promised: "Future[Any]", done: "Future[Any]") -> None:
        """A result, or the error as it was raised over there."""
        self._running.pop(promised, None)
        error = done.exception()
        if error is None:
            promised.set_result(done.result())
        elif isinstance(error, self._ray.exceptions.RayTaskError):
            promised.set_exception(error.cause)
        else:
            reason = str(error).splitlines()[0]
            promised.set_exception(
                AnyleadError(
                    f"the cluster lost a piece of work ({reason}); run the same command again: it"
                    " goes on where it stopped"
                )
            )


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise missing("ray", "ray") from None
    return ray


def work_on(work: Callable[..., Result], *arguments: Any) -> Result:
    """A piece; a function of a module, so that workers find it by its name."""
    return work(*arguments)
