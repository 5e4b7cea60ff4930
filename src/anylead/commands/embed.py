"""`anylead embed`: one vector per recording of a store, a corpus, a folder or files.

The work is cut into parts, each a small file beside the result until all are done: a run that was
stopped goes on, and any number of processes, GPUs or machines can share it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from anylead.commands import screen
from anylead.commands.over_many import make_job, open_many, run_job
from anylead.engines.workers import Engine
from anylead.errors import RecipeError
from anylead.inference.many import Job
from anylead.inference.model import Model
from anylead.inference.running import number_of

OUTPUT = "vectors"
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
        source: a store, a folder of recordings, files divided by commas, or with `dataset` the
            folder of a corpus.
        model: a name (see `anylead models`), a folder, "hf://owner/name", or a foreign file.
        out: .parquet (record_id, patient_id, vector), .csv, .json or .jsonl, by its ending.
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
    """Embed, or go on where a run was stopped; returns the file.

    Raises:
        AnyleadError: the source or the model cannot be used, or the file belongs to another run.
    """
    console = console or screen.console(stderr=True)
    with screen.doing(console, "loading the model, listing recordings"):
        job = plan(recipe)
    lost = run_job(recipe, job, "embedding", console)
    screen.say(
        console,
        f"{job.out}: {job.plan.num_records - lost:,} vectors of length"
        f" {job.plan.settings['dim']}"
        + (f", {lost:,} recordings left out (see {job.rejected_file})" if lost else ""),
    )
    return job.out


def plan(recipe: Recipe) -> Job:
    """What is to be done.

    Raises:
        AnyleadError: the source or the model cannot be used.
    """
    opened = open_many(recipe, recipe.model, recipe.out)
    return make_job(recipe, OUTPUT, recipe.out, opened, settings_of(recipe, opened[1]))


def settings_of(recipe: Recipe, model: Model) -> dict[str, Any]:
    """What decides the vectors.

    Raises:
        RecipeError: an unknown way of pooling, or no such layer.
    """
    if recipe.pool not in ("mean", "max"):
        raise RecipeError(f"pool {recipe.pool!r}: want 'mean' or 'max'")
    return {
        "dim": model.encoder.layer_dims[number_of(model.encoder, recipe.layer)],  # type: ignore[index]
        "layer": recipe.layer,
        "pool": recipe.pool,
        "use_leads": recipe.leads,
    }
