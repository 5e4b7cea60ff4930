"""`anylead prepare`: a dataset -> a store of prepared recordings, on all cores, resumable."""

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from threadpoolctl import threadpool_limits

from anylead import datasets
from anylead.commands import screen
from anylead.commands.prepare_shard import Job, prepare_item
from anylead.engines.threads import usable_cores
from anylead.engines.workers import SPAWN, Engine, Workers, run_pieces
from anylead.errors import DatasetError, RecipeError, known_are
from anylead.leads import parse_leads
from anylead.records import Record
from anylead.signals import (
    Prepared,
    PreprocessConfig,
    Quality,
)
from anylead.store import Manifest, Store, build
from anylead.store.build import Plan, Rejected
from anylead.store.manifest import REJECTED_FILE, SHARED
from anylead.store.warnings import store_warnings

_LARGEST_SHARD = 4096
_MOST_WARNINGS = 20

FIRST = (
    "out",
    "options",
    "leads",
    "preprocess.sample_rate",
    "num_workers",
    "no_identifiers",
    "drop_leads_with",
)
EXAMPLES = (
    "anylead prepare ptbxl ptbxl/ -o store/",
    'anylead prepare folder DIR -o store/ --options \'{"labels": "labels.csv"}\'',
    "anylead prepare synthetic -o store/ --options.num_patients 200",
)


@dataclass(frozen=True)
class Recipe:
    """What to prepare.

    Attributes:
        dataset: a corpus by its name, "folder" for files of any format, or "synthetic".
        out: folder of the store.
        root: folder of the dataset; None only for generated data.
        options: of the dataset, such as the label table of `folder`.
        preprocess: how signals are made ready for a model.
        leads: keep these of the leads that are there; a named set or a list; null is all.
        num_workers: processes; 0 takes all cores.
        records_per_shard: 0 chooses by the size of the dataset.
        no_identifiers: replace ids of patients and recordings by salted hashes.
        drop_leads_with: names of `anylead.signals.Quality`; a lead that has one counts as missing.
        rename: the lead behind a channel's name, such as "ECG=I,ECG 2=V5"; of the dataset `folder`.
        engine: "processes" on this machine, or "ray" on a cluster that shares the folders.
        allow_shared_patients: take a split of the dataset's own that has patients on several
            sides; scores then flatter.
        skip_unreadable: leave out recordings that could not be read for a fault of disk, network
            or machine; else the run ends unfinished, and goes on with them when started again.
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
    rename: str = ""
    engine: Engine = "processes"
    allow_shared_patients: bool = False
    skip_unreadable: bool = False


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
    console = console or screen.console(stderr=True)
    _flags(recipe.drop_leads_with)  # a mistake shows before any work
    if recipe.num_workers < 0:
        raise RecipeError(f"num_workers {recipe.num_workers}: want 0 or more")
    recipe = _settled(recipe)
    if corpus is None:
        with screen.doing(console, "listing recordings"):
            corpus = datasets.corpus(recipe.dataset, recipe.root, **recipe.options)
    if corpus.shared_patients and not recipe.allow_shared_patients:
        raise DatasetError(
            f"{corpus.shared_patients}; mend it, leave its split column out, or"
            " --allow_shared_patients true"
        )
    plan = _plan(recipe, corpus)
    manifest = build.finished_manifest(recipe.out, plan)
    if manifest is not None:
        _tell_changes(console, recipe.out, plan, manifest)
    else:
        if corpus.summary:
            screen.say(console, corpus.summary)
        with build.building(recipe.out, plan):
            jobs = _jobs(recipe, corpus, plan)
            with _progress(console, plan.num_items, build.num_done(recipe.out, plan)) as advance:
                if recipe.engine == "ray":
                    _run_on_cluster(jobs, recipe.num_workers, advance)
                else:
                    _run_jobs(jobs, _num_workers(recipe, plan), advance)
            manifest = build.finish(recipe.out, plan, corpus.label_names, corpus.note)
    build.clean_up(recipe.out)
    _tell(console, recipe.out, manifest)
    for warning in store_warnings(Store.open(recipe.out))[:_MOST_WARNINGS]:
        screen.say(console, f"warning: {warning}")
    return manifest


def _jobs(recipe: Recipe, corpus: datasets.Corpus, plan: Plan) -> Iterator[Job]:
    """What is left to do, a shard each."""
    salt = _salt(recipe)
    flags = _flags(recipe.drop_leads_with)
    leads = None if recipe.leads is None else parse_leads(recipe.leads)
    for number in build.unfinished_shards(recipe.out, plan):
        items = [corpus.items[i] for i in plan.items_of(number)]
        yield Job(
            recipe.out,
            number,
            items,
            corpus.read,
            recipe.preprocess,
            flags,
            salt,
            leads,
            recipe.skip_unreadable,
        )


def _settled(recipe: Recipe) -> Recipe:
    if recipe.engine == "ray":  # workers start in folders of their own
        root = None if recipe.root is None else recipe.root.absolute()
        recipe = replace(recipe, out=recipe.out.absolute(), root=root)
    if recipe.rename:
        recipe = replace(recipe, options={**recipe.options, "rename": recipe.rename})
    return recipe


def _plan(recipe: Recipe, corpus: datasets.Corpus) -> Plan:
    items = corpus.items
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
            **({SHARED: True} if recipe.allow_shared_patients else {}),
            **({} if corpus.sources is None else {build.SOURCES: dict(corpus.sources)}),
        },
        num_items=len(items),
        items_sha256=build.items_sha256(record_id for record_id, _ in items),
        records_per_shard=per_shard,
    )


def _tell_changes(console: Console, out: Path, plan: Plan, manifest: Manifest) -> None:
    """Say when the files are not those that a finished store was made from."""
    then, now = manifest.settings.get(build.SOURCES), plan.settings.get(build.SOURCES)
    if then is None or now is None or then == now:
        return
    what = (
        f"{then['bytes']:,} bytes then, {now['bytes']:,} now"
        if then["bytes"] != now["bytes"]
        else "some were written since"
    )
    screen.say(
        console,
        f"warning: {out}: its files have changed since it was made ({what}); to take that in,"
        " delete it and prepare it again",
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
                f"drop_leads_with: no flag {name!r}{known_are(name, Quality.__members__)}"
            )
        flags |= Quality[name]
    return flags


def _salt(recipe: Recipe) -> str | None:
    """The salt lives in the journal alone: once the store is finished nobody has it."""
    if not recipe.no_identifiers:
        return None
    return build.private_value(recipe.out, "salt", secrets.token_hex(16))


def _num_workers(recipe: Recipe, plan: Plan) -> int:
    return max(1, min(recipe.num_workers or usable_cores(), plan.num_shards))


@contextmanager
def _progress(console: Console, total: int, done: int) -> Iterator[Callable[[int], None]]:
    begin = time.monotonic()
    with screen.progress(console, "preparing", total, done) as bar:

        def advance(finished: int) -> None:
            speed = finished / max(time.monotonic() - begin, 1e-9)
            bar.to(done + finished, f"{speed:,.0f} records/s")

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
    shared = SPAWN.Value("q", 0)
    waiting: set[Future[None]] = set()
    with Workers(num_workers, _begin_worker, (shared, os.getpid())) as workers:
        for job in jobs:
            waiting.add(workers.submit(_work, job))
            # Few jobs wait at a time: the list of recordings of a corpus may be long.
            while len(waiting) >= 2 * num_workers:
                waiting = _collect(waiting)
                advance(shared.value)
        while waiting:
            waiting = _collect(waiting)
            advance(shared.value)


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
            yield prepare_item(item, job)
            counter.value += 1
            tell()

    # Small products: more BLAS threads than workers only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        build.write_shard(job.folder, job.number, results())


def _tell(console: Console, out: Path, manifest: Manifest) -> None:
    screen.say(
        console,
        f"{out}: {manifest.num_records:,} recordings of {manifest.name} stored,"
        f" {manifest.num_rejected:,} left out"
        + (f" (see {out / REJECTED_FILE})" if manifest.num_rejected else ""),
    )
    if manifest.note:
        screen.say(console, manifest.note)
