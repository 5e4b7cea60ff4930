"""`anylead prepare`: a dataset -> a store of prepared recordings, on all cores, resumable."""

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from threadpoolctl import threadpool_limits

from anylead import datasets
from anylead.datasets import Item
from anylead.engines.workers import Engine, run_pieces
from anylead.errors import AnyleadError, MissingPackageError, RecipeError, StoreError
from anylead.inference.inputs import restrict
from anylead.leads import LEADS, parse_leads
from anylead.records import Record
from anylead.signals import (
    Prepared,
    PreprocessConfig,
    Quality,
    preprocess,
    with_frank,
    without_leads,
)
from anylead.store import Manifest, build
from anylead.store.build import Plan, Rejected
from anylead.store.manifest import REJECTED_FILE

_LARGEST_SHARD = 4096


@dataclass(frozen=True)
class Recipe:
    """What to prepare.

    Attributes:
        dataset: a name in `anylead.datasets.DATASETS`.
        out: folder of the store.
        root: folder of the dataset; None only for generated data.
        options: of the dataset, such as the label table of `folder`.
        preprocess: how signals are made ready for a model.
        leads: keep these of the leads that are there; a named set or a list; null is all.
        num_workers: processes; 0 takes all cores.
        records_per_shard: 0 chooses by the size of the dataset.
        no_identifiers: replace ids of patients and recordings by salted hashes.
        drop_leads_with: names of `anylead.signals.Quality`; a lead that has one counts as missing.
        engine: "processes" on this machine, or "ray" on a cluster that shares the folders.
    """

    dataset: str
    out: Path
    root: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    num_workers: int = 0
    records_per_shard: int = 0
    no_identifiers: bool = False
    drop_leads_with: tuple[str, ...] = ()
    leads: str | None = None
    engine: Engine = "processes"


@dataclass(frozen=True)
class Job:
    """What a worker process needs for one shard."""

    folder: Path
    number: int
    items: Sequence[Item]
    read: Callable[[Item], Record]
    preprocess: PreprocessConfig
    dropped_flags: Quality
    salt: str | None
    leads: tuple[str, ...] | None = None


def run(
    recipe: Recipe, console: Console | None = None, corpus: datasets.Corpus | None = None
) -> Manifest:
    """Prepare a dataset, or go on with it where a run was stopped.

    Args:
        recipe: what to do.
        console: where progress and counts go; None takes the terminal (standard error).
        corpus: recordings from elsewhere; None takes those of the recipe's dataset.

    Returns:
        The manifest of the finished store.

    Raises:
        AnyleadError: the dataset or the store cannot be used, or nothing could be stored.
    """
    console = console or Console(stderr=True)
    flags = _flags(recipe.drop_leads_with)
    leads = None if recipe.leads is None else parse_leads(recipe.leads)
    if recipe.engine == "ray":  # workers start in folders of their own
        root = None if recipe.root is None else recipe.root.absolute()
        recipe = replace(recipe, out=recipe.out.absolute(), root=root)
    if corpus is None:
        corpus = datasets.corpus(recipe.dataset, recipe.root, **recipe.options)
    plan = _plan(recipe, corpus.items)
    manifest = build.finished_manifest(recipe.out, plan)
    if manifest is None:
        with build.building(recipe.out, plan):
            salt = _salt(recipe)
            jobs = (
                Job(
                    recipe.out,
                    number,
                    [corpus.items[i] for i in plan.items_of(number)],
                    corpus.read,
                    recipe.preprocess,
                    flags,
                    salt,
                    leads,
                )
                for number in build.unfinished_shards(recipe.out, plan)
            )
            with _progress(console, plan.num_items, build.num_done(recipe.out, plan)) as advance:
                if recipe.engine == "ray":
                    _run_on_cluster(jobs, recipe.num_workers, advance)
                else:
                    _run_jobs(jobs, _num_workers(recipe, plan), advance)
            manifest = build.finish(recipe.out, plan, corpus.label_names, corpus.note)
    build.clean_up(recipe.out)
    _tell(console, recipe.out, manifest)
    return manifest


def _plan(recipe: Recipe, items: Sequence[Item]) -> Plan:
    per_shard = recipe.records_per_shard
    if per_shard <= 0:
        per_shard = min(_LARGEST_SHARD, max(32, -(-len(items) // 64)))
    options = {name: _told(value) for name, value in sorted(recipe.options.items())}
    return Plan(
        name=recipe.dataset,
        preprocess=recipe.preprocess,
        settings={
            "options": options,
            "no_identifiers": recipe.no_identifiers,
            "drop_leads_with": sorted(recipe.drop_leads_with),
            # Only where asked for, so that stores begun before go on.
            **({} if recipe.leads is None else {"leads": list(parse_leads(recipe.leads))}),
        },
        num_items=len(items),
        items_sha256=build.items_sha256(record_id for record_id, _ in items),
        records_per_shard=per_shard,
    )


def _told(value: Any) -> str:
    """An option as the manifest keeps it: of a table its content counts, not its place."""
    if isinstance(value, (str, Path)) and str(value) and Path(value).is_file():
        return f"file {hashlib.sha256(Path(value).read_bytes()).hexdigest()}"
    return str(value)


def _flags(names: Sequence[str]) -> Quality:
    flags = Quality(0)
    for name in names:
        if name not in Quality.__members__:
            raise RecipeError(
                f"drop_leads_with: no flag {name!r}; known are {', '.join(Quality.__members__)}"
            )
        flags |= Quality[name]
    return flags


def _salt(recipe: Recipe) -> str | None:
    """The salt lives in the journal alone: once the store is finished nobody has it."""
    if not recipe.no_identifiers:
        return None
    return build.private_value(recipe.out, "salt", secrets.token_hex(16))


def _num_workers(recipe: Recipe, plan: Plan) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(recipe.num_workers or cores or 1, plan.num_shards))


@contextmanager
def _progress(console: Console, total: int, done: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    begin = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("preparing", total=total, completed=done, speed="")

        def advance(finished: int) -> None:
            speed = finished / max(time.monotonic() - begin, 1e-9)
            bar.update(task, completed=done + finished, speed=f"{speed:,.0f} records/s")

        yield advance


def _run_on_cluster(jobs: Iterator[Job], num_workers: int, advance: Callable[[int], None]) -> None:
    done = 0
    for count in run_pieces(_whole_job, jobs, num_workers, "ray"):
        done += count
        advance(done)


def _whole_job(job: Job) -> int:
    _do_job(job, _Counter(), lambda: None)
    return len(job.items)


def _run_jobs(jobs: Iterator[Job], num_workers: int, advance: Callable[[int], None]) -> None:
    if num_workers == 1:
        counter = _Counter()
        for job in jobs:
            _do_job(job, counter, lambda: advance(counter.value))
        return
    # Fresh processes: forked ones would inherit the lock, and threads of libraries.
    context = get_context("spawn")
    shared = context.Value("q", 0)
    pool = ProcessPoolExecutor(num_workers, context, _begin_worker, (shared, os.getpid()))
    try:
        waiting: set[Future[None]] = set()
        for job in jobs:
            waiting.add(pool.submit(_work, job))
            # Few jobs wait at a time: the list of recordings of a corpus may be long.
            while len(waiting) >= 2 * num_workers:
                waiting = _collect(waiting)
                advance(shared.value)
        while waiting:
            waiting = _collect(waiting)
            advance(shared.value)
    except BrokenProcessPool:
        raise StoreError(
            "a worker process was killed, most likely for want of memory; run the same command"
            " again with a smaller --num_workers: it goes on where it stopped"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _collect(waiting: set[Future[None]]) -> set[Future[None]]:
    done, rest = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest


class _Counter:
    """Counts recordings in a process of its own."""

    value = 0


_shared: Any = _Counter()


def _begin_worker(shared: Any, parent: int) -> None:
    global _shared
    _shared = shared
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when the process that started it is gone, even if that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _work(job: Job) -> None:
    def count() -> None:
        if pending.value % 16 == 0:
            with _shared.get_lock():
                _shared.value += 16

    pending = _Counter()
    _do_job(job, pending, count)
    with _shared.get_lock():
        _shared.value += pending.value % 16


def _do_job(job: Job, counter: _Counter, tell: Callable[[], None]) -> None:
    def results() -> Iterator[tuple[Record, Prepared] | Rejected]:
        for item in job.items:
            yield _prepare_item(item, job)
            counter.value += 1
            tell()

    # Small products: more BLAS threads than workers only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        build.write_shard(job.folder, job.number, results())


def _prepare_item(item: Item, job: Job) -> tuple[Record, Prepared] | Rejected:
    record_id = item[0]
    try:
        record = replace(job.read(item), record_id=record_id)
        record, prepared = _prepared(record, job)
        if not prepared.has_lead.any():
            return _reject(item, f"{record_id}: every lead is missing or constant", job)
        if job.dropped_flags:
            flagged = (prepared.quality & np.uint16(job.dropped_flags)) != 0
            prepared = without_leads(prepared, flagged)
            if not prepared.has_lead.any():
                names = Quality(int(np.bitwise_or.reduce(prepared.quality)) & job.dropped_flags)
                return _reject(item, f"{record_id}: every lead is {names.name}", job)
    except MissingPackageError:
        raise
    except AnyleadError as error:
        return _reject(item, str(error), job)
    except OSError as error:
        return _reject(item, f"{record_id}: cannot be read ({error.strerror or error})", job)
    except (ValueError, KeyError, IndexError, TypeError, ArithmeticError) as error:
        # One odd file must not end a run over a million: it is listed with what happened.
        return _reject(item, f"{record_id}: unexpected {type(error).__name__}: {error}", job)
    if job.salt is not None:
        patient = None if record.patient_id is None else _hashed(record.patient_id, job.salt)
        record = replace(record, record_id=_hashed(record_id, job.salt), patient_id=patient)
    return record, prepared


def _prepared(record: Record, job: Job) -> tuple[Record, Prepared]:
    """A recording ready for a model, with the wanted ones of its leads."""
    if job.leads is None:
        return record, preprocess(record, job.preprocess)
    full = with_frank(record, job.preprocess)
    prepared = preprocess(restrict(full, job.leads), job.preprocess)
    estimated = [name in full.leads and name not in record.leads for name in LEADS]
    prepared.quality[estimated & prepared.has_lead] |= np.uint16(Quality.DERIVED)
    return record, prepared


def _reject(item: Item, reason: str, job: Job) -> Rejected:
    reason = " ".join(reason.split())
    if job.salt is None:
        return Rejected(item[0], reason)
    # Names of files may hold names of people: what comes before the colon goes.
    return Rejected(_hashed(item[0], job.salt), reason.rpartition(item[0])[2].lstrip(".: "))


def _hashed(identifier: str, salt: str) -> str:
    return hashlib.sha256(f"{salt} {identifier}".encode()).hexdigest()[:20]


def _tell(console: Console, out: Path, manifest: Manifest) -> None:
    console.print(
        f"{out}: {manifest.num_records:,} recordings of {manifest.name} stored,"
        f" {manifest.num_rejected:,} left out"
        + (f" (see {out / REJECTED_FILE})" if manifest.num_rejected else ""),
        highlight=False,
        soft_wrap=True,
    )
    if manifest.note:
        console.print(manifest.note, highlight=False, soft_wrap=True)
