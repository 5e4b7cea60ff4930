"""`anylead delineate`: where P, QRS and T begin and end, and PR, QRS, QT and QTc of recordings.

A file of waves has a row for each of them, a file of intervals one for each lead and one for all
together. Like `predict` it goes on where it stopped.
"""

import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from anylead.commands import screen
from anylead.commands.beat_list import Asked, write
from anylead.commands.over_many import (
    make_job,
    open_many,
    run_job,
    say_model,
    source_and_model,
    tell,
)
from anylead.engines.workers import Engine
from anylead.errors import RecipeError
from anylead.inference import named
from anylead.inference.delineation import Delineation, from_dict
from anylead.inference.delineator import delineator_of
from anylead.inference.many import Job
from anylead.inference.model import load
from anylead.inference.sources import kind_of
from anylead.signals.intervals import GLOBAL, MEASURES

OUTPUT = "waves"
FIRST = ("model", "out", "rows", "leads", "alone", "json", "annotations", "tachogram")
EXAMPLES = (
    "anylead delineate ecg.xml",
    "anylead delineate DIR -o waves.csv",
    "anylead delineate DIR -o intervals.parquet --rows intervals --leads II",
    "anylead delineate holter.hea -o beats.csv --rows beats --tachogram rr.png",
)


@dataclass(frozen=True)
class Recipe:
    """What to delineate.

    Attributes:
        source: a store, a folder of recordings, files divided by commas, or with `dataset` the
            folder of a corpus.
        model: a name (see `anylead models`) or a folder; null takes the one in the box.
        out: .parquet, .csv, .json or .jsonl, by its ending; null shows intervals on the screen.
        rows: of .csv and .parquet: "waves" (record, lead, wave, onset, offset in seconds) or
            "intervals" (a row for each lead and one for all together); JSON has both. "beats" is a
            .csv of all beats (record, time, RR, PR, QRS, QT), for files of any length.
        dataset: a name in `anylead.datasets.DATASETS`, where `source` is a corpus.
        options: of the dataset.
        preset: of a foreign file.
        leads: what the model may see of the leads that are there; a named set or a list; null
            is all.
        alone: the model sees one lead at a time.
        json: print waves and intervals as JSON.
        tachogram: picture of RR over time (.svg, .pdf or .png), with rows beats.
        annotations: folder for WFDB annotation files, one for each lead; null writes none.
        rename: the lead behind a channel's name, such as "ECG=I"; where `source` is no store.
        num_workers: processes; 0 takes one per GPU, or one per two cores.
        records_per_part: recordings between two points where a stopped run can go on.
        engine: "processes" on this machine, or "ray" on a cluster.
        precision: "fp32"; "bf16" is faster where the hardware has it.
    """

    source: str
    model: str | None = None
    out: Path | None = None
    rows: Literal["waves", "intervals", "beats"] = "waves"
    dataset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    leads: str | None = None
    alone: bool = False
    json: bool = False
    tachogram: Path | None = None
    annotations: Path | None = None
    rename: str = ""
    num_workers: int = 0
    records_per_part: int = 256
    engine: Engine = "processes"
    precision: Literal["fp32", "bf16"] = "fp32"


def run(recipe: Recipe, console: Console | None = None) -> Path | None:
    """Delineate, or go on where a run was stopped; returns the file, None where it is the screen.

    Raises:
        AnyleadError: the source or the model cannot be used, or the file belongs to another run.
    """
    console = console or screen.console(stderr=True)
    if recipe.json and recipe.out is not None:
        raise RecipeError(
            "json: prints the waves; leave it or `out` out (-o FILE.json writes JSON)"
        )
    source, model = source_and_model(recipe.source, recipe.model)
    recipe = replace(recipe, source=source, model=model)
    if recipe.rows == "beats" or recipe.tachogram is not None:
        return list_beats(recipe, console)
    if recipe.out is not None:
        job = plan(recipe, recipe.out)
        say_model(console, recipe.model, job)
        lost = run_job(recipe, job, "delineating", console)
        tell(console, f"{job.out}: {job.plan.num_records - lost:,} recordings", job, lost)
        return job.out
    with tempfile.TemporaryDirectory(prefix="anylead-") as folder:
        job = plan(recipe, Path(folder) / ("waves.json" if recipe.json else "waves.jsonl"))
        say_model(console, recipe.model, job)
        lost = run_job(recipe, job, "delineating", console)
        written = job.out.read_text(encoding="utf-8")
        if recipe.json:
            screen.print_json(json.loads(written))
        else:
            shown = screen.console()
            for line in written.splitlines():
                show(from_dict(json.loads(line)), shown)
        if lost:
            screen.say(console, job.rejected_file.read_text(encoding="utf-8"))
    return None


def plan(recipe: Recipe, out: Path) -> Job:
    """What is to be done.

    Raises:
        AnyleadError: the source or the model cannot be used.
    """
    if recipe.rows not in ("waves", "intervals"):
        raise RecipeError(f"rows {recipe.rows!r}: want waves, intervals or beats")
    opened = open_many(recipe, recipe.model, out)
    model = opened[1]
    delineator_of(model)  # raises
    settings = {
        "rows": recipe.rows,
        "alone": recipe.alone,
        "annotations": recipe.annotations and str(recipe.annotations.absolute()),
        "model": model.about.as_dict(),
        "use_leads": recipe.leads,
    }
    return make_job(recipe, OUTPUT, out, opened, settings)


def list_beats(recipe: Recipe, console: Console) -> Path:
    """All beats of files that may last hours.

    Raises:
        RecipeError: a store or a corpus, no .csv to write, or a tachogram of other rows.
        AnyleadError: as for `run`.
    """
    if recipe.rows != "beats":
        raise RecipeError("tachogram: goes with --rows beats")
    if recipe.out is None:
        raise RecipeError("rows beats: say where to write them, -o beats.csv")
    if recipe.dataset is not None or kind_of(recipe.source, None) == "store" or recipe.alone:
        raise RecipeError("rows beats: for files and folders, all leads together")
    found = named.find(recipe.model or named.default())
    model = load(found.path, preset=recipe.preset or found.preset, precision=recipe.precision)
    if recipe.model is None:
        screen.say_box(console, model.about.name, model.about.version)
    asked = Asked(recipe.source, recipe.out, recipe.leads, recipe.rename, recipe.tachogram)
    return write(asked, model, console)


def show(found: Delineation, where: Console) -> None:
    """The intervals of all leads together, one on a line."""
    where.print(f"{found.record}: {found.seconds:.1f} s, {', '.join(found.leads)}")
    if found.refusal is not None:
        where.print(f"  nothing measured: {found.refusal}")
    measured = found.measures[GLOBAL]
    for name in MEASURES:
        each = measured[name]
        number = "" if each.value is None else f"{each.value:6.0f}"
        rests = f" ({each.beats} beats)" if each.value is not None else ""
        where.print(f"  {name.replace('_', ' '):<20} {number:>6} {each.quality}{rests}")
