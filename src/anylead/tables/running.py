"""All runs of a plan, on all devices at once, told as they go.

A fine-tuning begins as soon as its own pre-training is finished, so that no device waits for the
slowest one.
"""

import csv
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import torch

from anylead.engines import threads
from anylead.engines.threads import physical_cores
from anylead.engines.workers import Cluster, Engine, Workers
from anylead.evaluation import Settings
from anylead.store.files import is_being_written
from anylead.tables.check import names_of
from anylead.tables.jobs import Job, Outcome, do_job, do_job_in, done_file, is_finished
from anylead.tables.plan import Fit, Plan
from anylead.training.tracking import LOG

SECONDS_BETWEEN_LINES = 30.0
_BYTES_OF_A_RUN = 4 * 2**30  # of base size, 8 segments a step


def make_jobs(
    plan: Plan, folder: Path, settings: Settings, keeps_runs: bool, num_steps: Mapping[str, int]
) -> list[Job]:
    """All runs in the order of the cells, each behind the pre-training it starts from."""
    jobs: dict[str, Job] = {}
    for cell in plan.cells:
        fit = plan.finetunings[cell.fit]
        before = plan.pretrainings.get(fit.after or "")
        if before is not None and before.key not in jobs:
            jobs[before.key] = _job("pretrain", plan, before, folder, settings, keeps_runs)
        if fit.key not in jobs:
            jobs[fit.key] = _job("finetune", plan, fit, folder, settings, keeps_runs)
    return [replace(job, num_steps=num_steps.get(key, 0)) for key, job in jobs.items()]


def _job(
    kind: str, plan: Plan, fit: Fit, folder: Path, settings: Settings, keeps_runs: bool
) -> Job:
    title = f"{kind} {names_of(plan, fit.key)}"
    if kind == "pretrain":
        return Job(kind, folder, fit, (), settings, keeps_runs, title)
    sets, scored = tuple(plan.lead_sets_of(fit.key)), replace(settings, **fit.evaluate)
    return Job(kind, folder, fit, sets, scored, keeps_runs, title)


def run_all(
    jobs: Sequence[Job],
    devices: Sequence[str],
    tell: Callable[[str], None],
    engine: Engine = "processes",
) -> dict[str, str]:
    """Do whatever is not finished yet.

    Args:
        jobs: in the order in which they are wanted.
        devices: one run at a time on each.
        tell: shows a line.
        engine: "ray" leaves to the cluster how many run at a time, and where; without devices on
            GPUs where it has any.

    Returns:
        Key of each run that failed -> what went wrong.
    """
    queue = Queue([job for job in jobs if not is_finished(job)])
    if engine == "ray":
        return _on_cluster(jobs, queue, devices, tell)
    clock = Clock(jobs, len(devices))
    tell(clock.summary())
    with _told(tell) as running:
        for outcome in _outcomes(queue, devices, running):
            tell(clock.tell(outcome))
    return queue.failed


def choose_devices(wanted: str, num_together: int = 1) -> list[str]:
    """One entry for each run at a time.

    Args:
        wanted: "auto" is every GPU, or else the CPU once for each physical core, as far as there
            are 4 GiB of memory for each.
        num_together: runs that may ever be at work at the same time; the CPU stands no oftener.
    """
    if wanted != "auto":
        return [name.strip() for name in wanted.split(",")]
    number = torch.cuda.device_count()
    most = min(physical_cores(), num_together, memory_bytes() // _BYTES_OF_A_RUN)
    return [f"cuda:{i}" for i in range(number)] or ["cpu"] * max(1, most)


def memory_bytes() -> int:
    """Of this machine; very many where it does not tell."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return 2**60
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def num_together(plan: Plan) -> int:
    """The most runs of a plan that can be at work at the same time."""
    return max(len(plan.pretrainings), len(plan.finetunings))


class Queue:
    """Jobs that wait; one is ready once what it starts from is finished."""

    def __init__(self, jobs: Sequence[Job]):
        self.waiting = list(jobs)
        self.unfinished = {job.fit.key for job in jobs}
        self.failed: dict[str, str] = {}

    def take(self) -> Job | None:
        """The first job that is ready, rather one that no other benchmark is at."""
        ready = [job for job in self.waiting if job.fit.after not in self.unfinished]
        free = (job for job in ready if not is_being_written(job.run_folder))
        job = next(free, ready[0] if ready else None)
        if job is not None:
            self.waiting.remove(job)
        return job

    def end(self, outcome: Outcome) -> None:
        """Note how a job ended; what starts from a failed one fails, too."""
        key = outcome.job.fit.key
        self.unfinished.discard(key)
        if not outcome.error:
            return
        self.failed[key] = outcome.error
        lost = [job for job in self.waiting if job.fit.after == key]
        self.failed |= {job.fit.key: f"its pre-training {key} failed" for job in lost}
        self.waiting = [job for job in self.waiting if job not in lost]


def _outcomes(queue: Queue, devices: Sequence[str], running: dict[str, Job]) -> Iterator[Outcome]:
    if len(devices) == 1 or len(queue.waiting) < 2:
        while (job := queue.take()) is not None:
            running[job.fit.key] = job
            outcome = do_job(job, devices[0])
            del running[job.fit.key]
            queue.end(outcome)
            yield outcome
        return
    each = max(1, torch.get_num_threads() // len(devices))
    with Workers(len(devices), threads.limit, (each,)) as workers:
        yield from _shared_out(queue, list(devices), running, workers, do_job)


def _on_cluster(
    jobs: Sequence[Job], queue: Queue, devices: Sequence[str], tell: Callable[[str], None]
) -> dict[str, str]:
    """On Ray, which begins each run where a core or a GPU is free."""
    with Cluster() as cluster:
        on_gpus = cluster.has_gpus and any(name != "cpu" for name in devices or ["auto"])
        cluster.gpus_per_task = 1.0 if on_gpus else 0.0
        clock = Clock(jobs, min(cluster.number, len(jobs)))
        tell(clock.summary())
        free = ["auto" if on_gpus else "cpu"] * len(jobs)
        work = partial(do_job_in, Path.cwd())
        with _told(tell) as running:
            for outcome in _shared_out(queue, free, running, cluster, work):
                tell(clock.tell(outcome))
    return queue.failed


def _shared_out(
    queue: Queue,
    free: list[str],
    running: dict[str, Job],
    workers: Workers | Cluster,
    work: Callable[[Job, str], Outcome],
) -> Iterator[Outcome]:
    """Runs that are ready, on places that are free, until none is left."""
    places: dict[Future[Outcome], str] = {}
    while queue.waiting or places:
        while free and (job := queue.take()) is not None:
            running[job.fit.key] = job
            device = free.pop(0)
            places[workers.submit(work, job, device)] = device
        done, _ = wait(places, return_when=FIRST_COMPLETED)
        for future in done:
            free.append(places.pop(future))
            outcome = future.result()
            del running[outcome.job.fit.key]
            queue.end(outcome)
            yield outcome


class Clock:
    """Counts jobs and guesses the time that is left from the steps of those that are finished."""

    def __init__(self, jobs: Sequence[Job], num_devices: int):
        self.num_devices = num_devices
        self.total = len(jobs)
        self.seconds: dict[str, list[float]] = {"pretrain": [], "finetune": []}  # for each step
        self.left = {job.fit.key: job for job in jobs}
        for job in jobs:
            if is_finished(job):
                done = json.loads(done_file(job).read_text())
                self._note(job, done["seconds"])

    def summary(self) -> str:
        """Before the first job."""
        done = self.total - len(self.left)
        return f"{self.total} runs, {done} finished already{self._expected()}"

    def tell(self, outcome: Outcome) -> str:
        """After a job."""
        job = outcome.job
        if outcome.error:
            self.left.pop(job.fit.key, None)
            end = f"FAILED: {outcome.error}"
        else:
            self._note(job, outcome.seconds)
            end = f"{outcome.seconds:.0f} s"
        place = f"[{self.total - len(self.left)}/{self.total}]"
        return f"{place} {job.title} {job.fit.key}: {end}{self._expected()}"

    def _note(self, job: Job, seconds: float) -> None:
        self.left.pop(job.fit.key, None)
        self.seconds[job.kind].append(seconds / max(job.num_steps, 1))

    def _expected(self) -> str:
        """What is left, shared by the devices; "" before it is known."""
        known = [value for values in self.seconds.values() for value in values]
        if not known or not self.left:
            return ""
        rest = 0.0
        for job in self.left.values():
            own = self.seconds[job.kind] or known
            rest += max(job.num_steps, 1) * sum(own) / len(own)
        return f"; about {rest / self.num_devices / 60:.1f} min left"


@contextmanager
def _told(tell: Callable[[str], None]) -> Iterator[dict[str, Job]]:
    """Yields the jobs that run, to be filled; tells now and then how far each of them is."""
    running: dict[str, Job] = {}
    ended = threading.Event()
    begun: dict[str, tuple[float, int]] = {}

    def watch() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            for key, job in list(running.items()):
                tell(
                    progress(job, begun.setdefault(key, (monotonic(), last_step(job))), monotonic())
                )

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        ended.set()
        thread.join()


def progress(job: Job, begun: tuple[float, int], now: float) -> str:
    """How far a run is, and how long it will take at the pace since it was first looked at."""
    started, first = begun
    step = last_step(job)
    if job.num_steps and step >= job.num_steps:
        return f"  {job.title}: trained, being scored"
    left = ""
    if step > first and now > started:
        seconds = (job.num_steps - step) * (now - started) / (step - first)
        left = f", about {seconds / 60:.1f} min left"
    return f"  {job.title}: step {step:,} of {job.num_steps:,}{left}"


def last_step(job: Job) -> int:
    """Of the log of a run; 0 before it has one."""
    try:
        with (job.run_folder / LOG).open(newline="") as file:
            return max((int(float(row["step"])) for row in csv.DictReader(file)), default=0)
    except (OSError, ValueError, KeyError):
        return 0
