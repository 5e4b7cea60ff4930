"""`anylead embed`: one vector per recording of a store, a corpus, a folder or files.

The work is cut into parts, each a small file beside the result until all are done: a run that was
stopped goes on, and any number of processes, GPUs or machines can share it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from anylead.commands.over_many import make_job, open_many, run_job
from anylead.engines.workers import Engine
from anylead.errors import RecipeError
from anylead.inference.many import Job


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
    console = console or Console(stderr=True)
    job = plan(recipe)
    lost = run_job(recipe, job, "embedding", console)
    console.print(
        f"{job.out}: {job.plan.num_records - lost:,} vectors of length"
        f" {job.plan.settings['dim']}"
        + (f", {lost:,} recordings left out (see {job.rejected_file})" if lost else ""),
        highlight=False,
        soft_wrap=True,
    )
    return job.out


def plan(recipe: Recipe) -> Job:
    """What is to be done.

    Raises:
        AnyleadError: the source or the model cannot be used.
    """
    if recipe.pool not in ("mean", "max"):
        raise RecipeError(f"pool {recipe.pool!r}: want 'mean' or 'max'")
    opened = open_many(recipe, recipe.model, recipe.out)
    settings = {"dim": opened[1].dim, "layer": recipe.layer, "pool": recipe.pool}
    return make_job(recipe, "vectors", recipe.out, opened, settings)
