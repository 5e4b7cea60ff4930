"""One model over many recordings, on all cores, in a run that goes on where it was stopped."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console

from anylead.commands import screen
from anylead.engines.threads import physical_cores
from anylead.engines.workers import Engine, run_pieces
from anylead.errors import RecipeError
from anylead.formats.search import absolute, divided
from anylead.inference import named
from anylead.inference.many import (
    Job,
    Plan,
    begin_or_go_on,
    do_part,
    finish,
    finished,
    unfinished,
)
from anylead.inference.model import Model, Precision, load
from anylead.inference.outputs import ending
from anylead.inference.sources import FILES, Source, kind_of, open_source


class Many(Protocol):
    """Fields that their recipes have."""

    @property
    def source(self) -> str: ...
    @property
    def dataset(self) -> str | None: ...
    @property
    def options(self) -> dict[str, Any]: ...
    @property
    def preset(self) -> str | None: ...
    @property
    def leads(self) -> str | None: ...
    @property
    def rename(self) -> str: ...
    @property
    def num_workers(self) -> int: ...
    @property
    def records_per_part(self) -> int: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def precision(self) -> Precision: ...


def source_and_model(source: str, model: str | None) -> tuple[str, str | None]:
    """The last of several values may be the model, where none is named."""
    *sources, last = divided(source)
    if model is None and sources and named.is_model(last):
        return ",".join(sources), last
    return source, model


def open_many(recipe: Many, model: str | None, out: Path) -> tuple[named.Found, Model, Source]:
    """The model (without a name that in the box) and the recordings, once both are usable.

    Raises:
        AnyleadError: they are not, or the result cannot be written in such a form.
    """
    ending(out)
    if recipe.records_per_part < 1:
        raise RecipeError(f"records_per_part {recipe.records_per_part}: want 1 or more")
    source = open_source(kind_of(recipe.source, recipe.dataset), recipe.source, options_of(recipe))
    found = named.find(model or named.default())
    loaded = load(
        found.path, preset=recipe.preset or found.preset, device="cpu", precision=recipe.precision
    )
    source.check(loaded)
    return found, loaded, source


def options_of(recipe: Many) -> dict[str, Any]:
    """Options of the dataset, the names of channels among them."""
    return {**recipe.options, **({"rename": recipe.rename} if recipe.rename else {})}


def make_job(
    recipe: Many,
    kind_of_output: str,
    out: Path,
    opened: tuple[named.Found, Model, Source],
    settings: Mapping[str, Any],
) -> Job:
    """What a worker needs to know, and what a run that goes on must agree with."""
    found, model, source = opened
    plan = Plan(
        num_records=len(source.record_ids),
        records_sha256=sha256("\n".join(source.record_ids).encode()).hexdigest(),
        records_per_part=recipe.records_per_part,
        model_sha256=model.fingerprint(),
        settings={
            "source": recipe.source,
            "options": {name: str(value) for name, value in sorted(options_of(recipe).items())},
            "precision": recipe.precision,
            "preprocess": asdict(model.preprocess_config),
            **settings,
        },
    )
    kind = kind_of(recipe.source, recipe.dataset)
    # Absolute, since the workers of a cluster start in folders of their own.
    several = divided(recipe.source) if kind in (FILES, "store") else [recipe.source]
    places = [each if "://" in each else absolute(each.strip()) for each in several]
    return Job(
        out=out.absolute(),
        kind_of_output=kind_of_output,
        kind=kind,
        source=",".join(places),
        options=options_of(recipe),
        model=str(found.path.resolve()),
        preset=recipe.preset or found.preset,
        plan=plan,
        num_threads=max(1, physical_cores() // _workers(recipe)[0]),
    )


def run_job(recipe: Many, job: Job, title: str, console: Console) -> int:
    """Do what is still to be done; returns how many recordings were left out."""
    is_there = finished(job)
    if not is_there:
        begin_or_go_on(job)
        todo = unfinished(job)
        workers, gpus = _workers(recipe)
        workers = max(1, min(workers, len(todo)))
        with _progress(console, title, job.plan, len(todo)) as advance:
            work = partial(do_part, job)
            for number in run_pieces(work, todo, workers, recipe.engine, gpus):
                advance(len(job.plan.items_of(number)))
    if not is_there or job.folder.is_dir():  # left by a run killed at the very end
        finish(job)
    rejected = job.rejected_file
    return len(rejected.read_text(encoding="utf-8").splitlines()) - 1 if rejected.is_file() else 0


def say_model(console: Console, model: str | None, job: Job) -> None:
    """Say which model was taken, where none was named."""
    if model is None:
        told = job.plan.settings["model"]
        screen.say_box(console, told["name"], told["version"])


def tell(console: Console, text: str, job: Job, lost: int) -> None:
    """Say a line, and where those that were left out are named."""
    note = f", {lost:,} left out (see {job.rejected_file})" if lost else ""
    screen.say(console, f"{text.rstrip()}{note}")


def _workers(recipe: Many) -> tuple[int, float]:
    """Processes, and GPUs for each."""
    gpus = torch.cuda.device_count()
    if recipe.num_workers < 0:
        raise RecipeError(f"num_workers {recipe.num_workers}: want 0 or more")
    workers = recipe.num_workers or gpus or max(1, physical_cores() // 2)
    return workers, 1.0 if gpus else 0.0


@contextmanager
def _progress(console: Console, title: str, plan: Plan, num_todo: int) -> Iterator[Any]:
    done = plan.num_records - min(num_todo * plan.records_per_part, plan.num_records)
    with screen.progress(console, title, plan.num_records, done) as bar:
        yield bar.by
