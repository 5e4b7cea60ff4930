"""`anylead predict`: what a model says of recordings, and how far to trust it with these leads.

One row per recording (or per window): probabilities, decisions by the threshold for the leads that
are there, signal quality, leads seen, model and version. Like `embed` it goes on where it stopped.
"""

import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from anylead.commands import screen
from anylead.commands.over_many import (
    make_job,
    open_many,
    run_job,
    say_model,
    source_and_model,
    tell,
)
from anylead.engines.workers import Engine
from anylead.errors import CheckpointError, RecipeError
from anylead.inference.about import About
from anylead.inference.answer import Answer, from_dict
from anylead.inference.many import Job
from anylead.inference.model import Model

# So many recordings are shown one by one on the screen; of more a table.
_IN_FULL = 4
OUTPUT = "answers"
FIRST = (
    "model",
    "out",
    "leads",
    "all_labels",
    "json",
    "windows",
    "force",
    "dataset",
    "num_workers",
)
EXAMPLES = (
    "anylead predict ecg.xml",
    "anylead predict DIR runs/diagnosis -o answers.csv",
    "anylead predict holter.edf --leads I,II --windows -o answers.jsonl",
)


@dataclass(frozen=True)
class Recipe:
    """What to predict.

    Attributes:
        source: a store, a folder of recordings, files divided by commas, or with `dataset` the
            folder of a corpus.
        model: a name (see `anylead models`), a folder, "hf://owner/name", or a foreign file; null
            takes the one in the box.
        out: .parquet, .csv, .json or .jsonl, by its ending; null shows the answers on the screen.
        dataset: a name in `anylead.datasets.DATASETS`, where `source` is a corpus.
        options: of the dataset.
        preset: of a foreign file ("ecg-fm").
        leads: what the model may see of the leads that are there; a named set or a list; null
            is all.
        rename: the lead behind a channel's name, such as "ECG=I"; where `source` is no store.
        all_labels: show every label on the screen, also those far below their thresholds.
        json: print the answers as JSON.
        windows: one row per window of a long recording, with its time; else they are joined.
        join: how windows become one answer: "mean", "max", "mean_probability"; null takes what the
            model says.
        force: answer for recordings that look like noise or a wrong unit, too.
        num_workers: processes; 0 takes one per GPU, or one per two cores.
        records_per_part: recordings between two points where a stopped run can go on.
        engine: "processes" on this machine, or "ray" on a cluster.
        precision: "fp32"; "bf16" is faster where the hardware has it.
    """

    source: str
    model: str | None = None
    out: Path | None = None
    dataset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    leads: str | None = None
    rename: str = ""
    all_labels: bool = False
    json: bool = False
    windows: bool = False
    join: str | None = None
    force: bool = False
    num_workers: int = 0
    records_per_part: int = 256
    engine: Engine = "processes"
    precision: Literal["fp32", "bf16"] = "fp32"


def run(recipe: Recipe, console: Console | None = None) -> Path | None:
    """Predict, or go on where a run was stopped; returns the file, None where it is the screen.

    Raises:
        AnyleadError: the source or the model cannot be used, or the file belongs to another run.
    """
    console = console or screen.console(stderr=True)
    if recipe.json and recipe.out is not None:
        raise RecipeError(
            "json: prints the answers; leave it or `out` out (-o FILE.json writes JSON)"
        )
    source, model = source_and_model(recipe.source, recipe.model)
    recipe = replace(recipe, source=source, model=model)
    if recipe.out is not None:
        job, _ = plan(recipe, recipe.out)
        say_model(console, recipe.model, job)
        lost = run_job(recipe, job, "predicting", console)
        tell(console, f"{job.out}: {job.plan.num_records - lost:,} recordings", job, lost)
        return job.out
    with tempfile.TemporaryDirectory(prefix="anylead-") as folder:
        job, about = plan(
            recipe, Path(folder) / ("answers.json" if recipe.json else "answers.jsonl")
        )
        say_model(console, recipe.model, job)
        lost = run_job(recipe, job, "predicting", console)
        written = job.out.read_text(encoding="utf-8")
        if recipe.json:
            screen.print_json(json.loads(written))
        else:
            answers = [from_dict(json.loads(line), about) for line in written.splitlines()]
            _show(answers, screen.console(), recipe.all_labels)
        if lost:
            tell(console, job.rejected_file.read_text(encoding="utf-8"), job, 0)
    return None


def plan(recipe: Recipe, out: Path) -> tuple[Job, About]:
    """What is to be done, and what the model says of itself.

    Raises:
        AnyleadError: the source or the model cannot be used.
    """
    opened = open_many(recipe, recipe.model, out)
    return make_job(recipe, OUTPUT, out, opened, settings_of(recipe, opened[1])), opened[1].about


def settings_of(recipe: Recipe, model: Model) -> dict[str, Any]:
    """What decides the answers.

    Raises:
        CheckpointError: the model has no head to predict with.
    """
    if model.outcome is None:
        raise CheckpointError(
            f"{model.about.name}: a model of kind {model.kind!r} has no head to predict with;"
            " use `anylead embed`, or `anylead finetune` it"
        )
    names = list(model.label_names)
    return {
        "windows": recipe.windows,
        "join": recipe.join,
        "force": recipe.force,
        "label_names": names if model.outcome.is_probability else [],
        "targets": [] if model.outcome.is_probability else names,
        "model": model.about.as_dict(),
        "use_leads": recipe.leads,
    }


def _show(answers: list[Answer], where: Console, every_label: bool) -> None:
    if len(answers) <= _IN_FULL:
        for answer in answers:
            screen.say(where, "\n".join(answer.lines(every_label)))
        return
    rows = []
    for answer in answers:
        said = [f"{label} {answer.probabilities[label]:.0%}" for label in answer.positive]
        said += [f"{name} {value:.4g}" for name, value in answer.values.items()]
        doubts = [*([answer.refusal] if answer.refusal else []), *answer.warnings]
        none = "nothing above its threshold" if answer.is_answered else "no answer"
        start = f"{answer.start:.0f}"
        rows.append((answer.record, start, str(len(answer.leads)), ", ".join(said) or none,
                     "\n".join(doubts)))  # fmt: skip
    screen.show_table(where, ("recording", "start s", "leads", "says", "doubts"), rows, 2)
    screen.say(where, "\n".join(answers[0].grounds()))
