"""anylead evaluate: every score of fine-tuned runs for every lead set, and a report."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from anylead.checkpoint import Checkpoint, load_checkpoint, write_atomically
from anylead.commands import screen
from anylead.commands.options import refuse_ignored
from anylead.errors import CheckpointError, RecipeError
from anylead.evaluation import EVALUATIONS, LeadSetScores, Settings
from anylead.evaluation.scores import OpenedRun, find_runs
from anylead.inference.named import FOLDER
from anylead.leads import LEAD_SETS
from anylead.store.files import alone

SCORES, REPORT = "scores.json", "report.html"

FIRST = (
    "out",
    "store",
    "split",
    "lead_sets",
    "num_resamples",
    "device",
    "json",
)
EXAMPLES = (
    "anylead evaluate runs/diagnosis",
    "anylead evaluate runs/one runs/two --lead_sets '12 2 I,V2'",
    "anylead evaluate runs/diagnosis --json > scores.json",
)


@dataclass(frozen=True)
class Recipe:
    """Which runs are scored, and how.

    Attributes:
        runs: folders of `anylead finetune`, separated by commas; a pattern such as runs/x-* too,
            or the name of a model that came with the package.
        out: where scores and report go; null takes the folder of the first run, and runs/NAME for
            a model that came with the package.
        store: null takes the store of the run.
        split: "test", or "valid" where the corpus has no test split; null takes the test split
            where there is one; "all" for a store that the model never saw.
        lead_sets: named sets, or lists such as "I,V2", separated by spaces.
        num_resamples: of patients, for the intervals.
        seed: of the resampling.
        batch_size: windows at once.
        device: "auto", "cpu", "cuda".
        num_draws: identification: how often random segments are drawn.
        sessions: identification: what is compared, two "recordings" of a patient at random, the
            "first_recordings" in the order of the corpus (the paper's code), or the "halves" of
            one recording, which is much easier.
        level: what is scored: "recordings", the mean over their windows, or all whole "segments"
            from their start, each by itself (the paper, for diagnosis).
        precision: of the forward pass: "bf16" takes half the time where the hardware has it, and
            moves an AUROC by about .0001; "auto" is bf16 there.
        json: print the scores as JSON.
    """

    runs: str = "runs/finetune"
    out: str | None = None
    store: str | None = None
    split: str | None = None
    lead_sets: str = " ".join(LEAD_SETS)
    num_resamples: int = 1000
    seed: int = 0
    batch_size: int = 128
    device: str = "auto"
    num_draws: int = 5
    sessions: Literal["recordings", "first_recordings", "halves"] = "recordings"
    level: Literal["recordings", "segments"] = "recordings"
    precision: Literal["auto", "bf16", "fp32"] = "fp32"
    json: bool = False


def run(recipe: Recipe) -> list[LeadSetScores]:
    """Score all runs; writes `scores.json` and `report.html` and prints a table.

    Raises:
        RecipeError: no run there, or runs of several tasks.
        CheckpointError: a run that was not fine-tuned.
    """
    folders = find_runs(recipe.runs)
    checkpoints = [load_checkpoint(folder) for folder in folders]
    kinds = sorted({_kind(*pair) for pair in zip(folders, checkpoints, strict=True)})
    if len(kinds) > 1:
        raise RecipeError(f"the runs are of several kinds ({', '.join(kinds)}); score each alone")
    evaluation = EVALUATIONS[kinds[0]]
    refuse_ignored(recipe, f"a {kinds[0]} model", evaluation.ignores)
    settings = _settings(recipe)
    own = Path("runs", folders[0].name) if folders[0].parent == FOLDER else folders[0]
    out = Path(recipe.out) if recipe.out else own
    runs, scores = [], []
    lead_sets = recipe.lead_sets.split()
    total = len(folders) * len(lead_sets)
    with screen.progress(screen.console(stderr=True), "scoring", total) as bar:
        for folder, checkpoint in zip(folders, checkpoints, strict=True):
            opened: OpenedRun = evaluation.open(folder, checkpoint, settings)
            of_tasks = opened.by_task()
            for of_task in of_tasks:
                for lead_set in lead_sets:
                    scores.append(of_task.score(lead_set))
                    bar.to(len(scores) // len(of_tasks), f"{folder.name}, {lead_set} leads")
                runs.append(of_task)
    with alone(out / SCORES):  # both files by one of several processes
        _write_scores(out / SCORES, recipe, runs, scores)
        evaluation.report(out / REPORT, runs, scores)
    if recipe.json:
        screen.print_json([asdict(score) for score in scores])
    else:
        print_scores(scores)
        print(f"scores: {out / SCORES}\nreport: {out / REPORT}")
    return scores


def print_scores(scores: Sequence[LeadSetScores]) -> None:
    """One row per run and lead set, each interval below its score."""
    header = ("run", "leads", *(name.replace("_", " ") for name in scores[0].macro))
    rows = [
        (
            row.run,
            row.lead_set,
            *(f"{i.value:.3f}\n{i.low:.3f}-{i.high:.3f}" for i in row.macro.values()),
        )
        for row in scores
    ]
    console = screen.console()
    screen.show_table(console, header, rows, num_keys=2)
    for name, reason in scores[0].not_scored.items():
        screen.say(console, f"no score of {name}: {reason} in this split")


def _kind(folder: Path, checkpoint: Checkpoint) -> str:
    kind = str(checkpoint.description.get("kind"))
    if kind not in EVALUATIONS:
        raise CheckpointError(f"{folder}: a {kind} model has nothing to score; fine-tune it first")
    return kind


def _settings(recipe: Recipe) -> Settings:
    values = asdict(recipe)
    return Settings(**{name: values[name] for name in Settings.__dataclass_fields__})


def _write_scores(
    path: Path, recipe: Recipe, runs: Sequence[OpenedRun], scores: Sequence[LeadSetScores]
) -> None:
    record = {
        "recipe": asdict(recipe),
        "split": {opened.folder.name: opened.split for opened in runs},
        "scores": [asdict(score) for score in scores],
    }
    write_atomically(path, json.dumps(record, indent=1).encode())
