"""`anylead embed`: one vector per recording of a store, a corpus or a folder, as a Parquet file.

The work is cut into parts, each a small file beside the result until all are done: a run that was
stopped goes on, and any number of processes, GPUs or machines can share it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console

from anylead import datasets
from anylead.commands import screen
from anylead.engines.workers import Engine, run_pieces, usable_cores
from anylead.errors import RecipeError
from anylead.inference.embedding import (
    Job,
    Plan,
    begin_or_go_on,
    embed_part,
    finish,
    finished,
    open_source,
    unfinished,
)
from anylead.inference.model import load
from anylead.interop import hub
from anylead.store.manifest import MANIFEST

FIRST = (
    "out",
    "dataset",
    "leads",
    "layer",
    "pool",
    "num_workers",
    "precision",
)
EXAMPLES = (
    "anylead embed store/ runs/diagnosis -o vectors.parquet",
    "anylead embed DIR runs/diagnosis --leads I,II",
    "anylead embed ptbxl/ runs/diagnosis --dataset ptbxl",
)


@dataclass(frozen=True)
class Recipe:
    """What to embed.

    Attributes:
        source: a store, a folder of recordings, or with `dataset` the folder of a corpus.
        model: what `anylead.load` takes: a folder, "hf://owner/name", a foreign file.
        out: the Parquet file: record_id, patient_id, vector.
        dataset: a name in `anylead.datasets.DATASETS`, where `source` is a corpus.
        options: of the dataset.
        preset: of a foreign file ("ecg-fm").
        layer: whose output; None takes the last.
        pool: "mean" or "max" over the frames.
        leads: what the model may see of the leads that are there; a named set or a list; null
            is all.
        rename: the lead behind a channel's name, such as "ECG=I"; where `source` is a folder.
        num_workers: processes; 0 takes one per GPU, or one per two cores.
        records_per_part: recordings between two points where a stopped run can go on.
        engine: "processes" on this machine, or "ray" on a cluster.
        precision: "fp32"; "bf16" is faster where the hardware has it, and its vectors differ by
            about 1 % of their length.
    """

    source: str
    model: str
    out: Path = Path("embeddings.parquet")
    dataset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    layer: int | None = None
    pool: str = "mean"
    leads: str | None = None
    rename: str = ""
    num_workers: int = 0
    records_per_part: int = 256
    engine: Engine = "processes"
    precision: Literal["fp32", "bf16"] = "fp32"


def run(recipe: Recipe, console: Console | None = None) -> Path:
    """Embed, or go on where a run was stopped; returns the Parquet file.

    Raises:
        AnyleadError: the source or the model cannot be used, or the file belongs to another run.
    """
    console = console or screen.console(stderr=True)
    job = make_job(recipe)
    if not finished(job):
        begin_or_go_on(job)
        todo = unfinished(job)
        workers, gpus = _workers(recipe)
        with _progress(console, job.plan, len(todo)) as advance:
            work = partial(embed_part, job)
            for number in run_pieces(work, todo, workers, recipe.engine, gpus):
                advance(len(job.plan.items_of(number)))
        finish(job)
    _tell(job, console)
    return job.out


def make_job(recipe: Recipe) -> Job:
    """What a worker needs to know, and what a run that goes on must agree with."""
    if recipe.records_per_part < 1:
        raise RecipeError(f"records_per_part {recipe.records_per_part}: want 1 or more")
    if recipe.pool not in ("mean", "max"):
        raise RecipeError(f"pool {recipe.pool!r}: want 'mean' or 'max'")
    source = source_of(recipe.source, recipe.dataset)
    if recipe.rename:
        recipe = replace(recipe, options={**recipe.options, "rename": recipe.rename})
    location = hub.pull(recipe.model) if hub.is_remote(recipe.model) else Path(recipe.model)
    model = load(location, preset=recipe.preset, device="cpu", precision=recipe.precision)
    listed = open_source(source, recipe.source, recipe.options)
    listed.check(model)
    plan = Plan(
        num_records=len(listed.record_ids),
        records_sha256=sha256("\n".join(listed.record_ids).encode()).hexdigest(),
        records_per_part=recipe.records_per_part,
        dim=model.dim,
        model_sha256=model.fingerprint(),
        settings={
            "source": recipe.source,
            "options": {name: str(value) for name, value in sorted(recipe.options.items())},
            "layer": recipe.layer,
            "pool": recipe.pool,
            "use_leads": recipe.leads,
            "precision": recipe.precision,
            "preprocess": asdict(model.preprocess_config),
        },
    )
    return Job(
        # Absolute, since the workers of a cluster start in folders of their own.
        out=recipe.out.absolute(),
        kind=source,
        source=recipe.source if "://" in recipe.source else str(Path(recipe.source).absolute()),
        options=recipe.options,
        model=str(location.resolve()),
        preset=recipe.preset,
        plan=plan,
        num_threads=max(1, usable_cores() // _workers(recipe)[0]),
    )


def source_of(source: str, dataset: str | None) -> str:
    """What reads a source: "store", or the name of a dataset.

    Raises:
        RecipeError: there is no such folder or dataset.
    """
    if dataset is not None:
        if dataset not in datasets.DATASETS:
            known = ", ".join(datasets.DATASETS)
            raise RecipeError(f"dataset {dataset!r}; known are {known}")
        return dataset
    if "://" in source or (Path(source) / MANIFEST).is_file():
        return "store"
    if not Path(source).is_dir():
        raise RecipeError(f"{source}: no such store or folder of recordings")
    return "folder"


def _workers(recipe: Recipe) -> tuple[int, float]:
    """Processes, and GPUs for each."""
    gpus = torch.cuda.device_count()
    if recipe.num_workers < 0:
        raise RecipeError(f"num_workers {recipe.num_workers}: want 0 or more")
    workers = recipe.num_workers or gpus or max(1, usable_cores() // 2)
    return workers, 1.0 if gpus else 0.0


@contextmanager
def _progress(console: Console, plan: Plan, num_todo: int) -> Iterator[Any]:
    left = min(num_todo * plan.records_per_part, plan.num_records)
    done = plan.num_records - left
    with screen.progress(console, "embedding", plan.num_records, done) as bar:
        yield bar.by


def _tell(job: Job, console: Console) -> None:
    rejected = job.rejected_file
    lost = sum(1 for _ in rejected.open()) - 1 if rejected.is_file() else 0
    screen.say(
        console,
        f"{job.out}: {job.plan.num_records - lost:,} vectors of length {job.plan.dim}"
        + (f", {lost:,} recordings left out (see {rejected})" if lost else ""),
    )
