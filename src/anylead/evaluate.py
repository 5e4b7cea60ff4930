"""anylead evaluate: every score of fine-tuned runs for every lead set, and a report."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import Checkpoint, load_checkpoint, write_atomically
from anylead.errors import CheckpointError, RecipeError
from anylead.leads import LEAD_SETS, LEADS
from anylead.loading import evaluation_batches
from anylead.metrics import cinc_score, weighted
from anylead.metrics.bootstrap import Interval, Statistic, bootstrap_interval
from anylead.metrics.classification import classification_scores
from anylead.models import build_encoder, load_weights
from anylead.pictures import evaluation_report
from anylead.records import Record
from anylead.store import Store
from anylead.tasks import Classification, Predictions, predict
from anylead.training.distributed import choose_device, choose_precision

SCORES, REPORT = "scores.json", "report.html"


@dataclass(frozen=True)
class Recipe:
    """Which runs are scored, and how.

    Attributes:
        runs: folders of `anylead finetune`, separated by commas; a pattern such as runs/x-* too.
        out: where scores and report go; null takes the folder of the first run.
        store: null takes the store of the run.
        split: "test", or "valid" where the corpus has no test split; null takes the test split
            where there is one.
        lead_sets: named sets, or lists such as "I,V2", separated by spaces.
        num_resamples: of patients, for the intervals.
        seed: of the resampling.
        batch_size: windows at once.
        device: "auto", "cpu", "cuda".
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


@dataclass(frozen=True)
class LeadSetScores:
    """Scores of one run with some leads; intervals are 95 % over patients.

    Attributes:
        run: name of the run.
        lead_set: as asked for.
        macro: score name -> interval.
        by_class: class -> score name -> interval.
        num_records: recordings scored.
        num_left_out: recordings without any of these leads.
    """

    run: str
    lead_set: str
    macro: dict[str, Interval]
    by_class: dict[str, dict[str, Interval]]
    num_records: int
    num_left_out: int


@dataclass
class _Run:
    """A fine-tuned run, its data, and what it predicted per lead set."""

    folder: Path
    checkpoint: Checkpoint
    store: Store
    split: str
    rows: NDArray[np.int64]
    label: NDArray[np.uint8]
    names: list[str]
    thresholds: NDArray[np.float64]
    predictions: dict[str, Predictions] = field(default_factory=dict)


def run(recipe: Recipe) -> list[LeadSetScores]:
    """Score all runs; writes `scores.json` and `report.html` and prints a table."""
    folders = find_runs(recipe.runs)
    lead_sets = recipe.lead_sets.split()
    out = Path(recipe.out) if recipe.out else folders[0]
    runs, scores = [], []
    for folder in folders:
        opened = _open(folder, recipe)
        task = _load_task(opened)
        for lead_set in lead_sets:
            opened.predictions[lead_set] = _predict(task, opened, lead_set, recipe)
            scores.append(score_lead_set(opened, lead_set, recipe.num_resamples, recipe.seed))
        runs.append(opened)
    _write_scores(out / SCORES, recipe, runs, scores)
    _report(out / REPORT, recipe, runs, scores)
    print_scores(scores, Console())
    print(f"scores: {out / SCORES}\nreport: {out / REPORT}")
    return scores


def find_runs(pattern: str) -> list[Path]:
    """Folders of fine-tuned runs named by a list of paths or patterns.

    Raises:
        RecipeError: nothing there.
    """
    found: list[Path] = []
    for part in pattern.split(","):
        path = Path(part.strip())
        matches = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
        runs = [match for match in matches if (match / "model.safetensors").is_file()]
        if not runs:
            raise RecipeError(f"{part.strip()}: no run with a model.safetensors there")
        found += runs
    return found


def score_lead_set(opened: _Run, lead_set: str, num_resamples: int, seed: int) -> LeadSetScores:
    """All scores of one run and lead set."""
    predictions = opened.predictions[lead_set]
    patient = opened.store.patient[predictions.row]
    label, probability = opened.label[predictions.row], predictions.probability
    is_predicted = probability >= opened.thresholds

    def interval(statistic: Statistic) -> Interval:
        return bootstrap_interval(statistic, patient, num_resamples, seed)

    def all_scores(columns: slice) -> dict[str, Interval]:
        part, chosen = label[:, columns], probability[:, columns]
        return {
            "auroc": interval(weighted.macro_auroc(part, chosen)),
            "auprc": interval(weighted.macro_auprc(part, chosen)),
            "f1": interval(weighted.macro_f1(part, is_predicted[:, columns])),
        }

    macro = all_scores(slice(None))
    if is_challenge(opened.names):
        macro["cinc"] = interval(weighted.cinc(label, is_predicted, opened.names))
    is_scored = classification_scores(label, probability).is_scored
    by_class = {
        name: all_scores(slice(i, i + 1)) for i, name in enumerate(opened.names) if is_scored[i]
    }
    return LeadSetScores(
        opened.folder.name,
        lead_set,
        macro,
        by_class,
        len(predictions.row),
        len(opened.rows) - len(predictions.row),
    )


def is_challenge(names: Iterable[str]) -> bool:
    """Whether these are classes of the CinC 2021 score."""
    try:
        cinc_score.weights(list(names))
    except ValueError:
        return False
    return True


def _open(folder: Path, recipe: Recipe) -> _Run:
    checkpoint = load_checkpoint(folder)
    described = checkpoint.description
    if described.get("kind") != "classification":
        raise CheckpointError(
            f"{folder}: a {described.get('kind')} model has no labels to score; fine-tune it first"
        )
    fitted = described["provenance"].get("recipe", {}).get("data", {})
    store = Store.open(recipe.store or fitted.get("store", ""))
    names = list(described["label_names"])
    label, _ = store.labels(described["task"])
    if list(store.manifest.label_names[described["task"]]) != names:
        raise CheckpointError(f"{folder}: its labels are {names}, those of the store differ")
    splits = store.split_rows(described["task"], fitted.get("scheme", "auto"))
    split = recipe.split or ("test" if len(splits["test"]) else "valid")
    if split not in splits or not len(splits[split]):
        raise RecipeError(f"split {split!r} holds no labelled recording of {store.location}")
    thresholds = np.array(described.get("thresholds") or [0.5] * len(names))
    return _Run(folder, checkpoint, store, split, splits[split], label, names, thresholds)


def _load_task(opened: _Run) -> Classification:
    encoder = build_encoder(opened.checkpoint.description["encoder"])
    task = Classification(encoder, len(opened.names), lambda batch: batch)
    load_weights(task, opened.checkpoint.tensors, str(opened.folder))
    return task


def _predict(task: Classification, opened: _Run, lead_set: str, recipe: Recipe) -> Predictions:
    device = choose_device(recipe.device)
    restrict = KeepLeads(lead_set.replace("+", ","))
    has_any = restrict.is_kept(opened.store.has_lead[opened.rows]).any(axis=1)
    if not has_any.any():
        raise RecipeError(f"lead set {lead_set!r}: no recording has any of these leads")
    batches = evaluation_batches(
        opened.store,
        opened.rows[has_any],
        opened.checkpoint.description["segment_seconds"],
        recipe.batch_size,
    )
    return predict(task.to(device), batches, device, choose_precision("fp32", device), restrict)


def print_scores(scores: list[LeadSetScores], console: Console) -> None:
    """One row per run and lead set."""
    names = list(scores[0].macro)
    table = Table("run", "leads", *names)
    for row in scores:
        table.add_row(
            row.run,
            row.lead_set,
            *(f"{i.value:.3f} [{i.low:.3f}, {i.high:.3f}]" for i in row.macro.values()),
        )
    console.print(table)


def _write_scores(
    path: Path, recipe: Recipe, runs: list[_Run], scores: list[LeadSetScores]
) -> None:
    record = {
        "recipe": asdict(recipe),
        "split": {opened.folder.name: opened.split for opened in runs},
        "scores": [asdict(score) for score in scores],
    }
    write_atomically(path, json.dumps(record, indent=1).encode())


def _report(path: Path, recipe: Recipe, runs: list[_Run], scores: list[LeadSetScores]) -> None:
    main = runs[0]
    first = next(iter(main.predictions.values()))
    by_run: dict[str, dict[str, tuple[float, float, float]]] = {}
    for score in scores:
        auroc = score.macro["auroc"]
        by_run.setdefault(score.run, {})[score.lead_set] = (auroc.value, auroc.low, auroc.high)
    evaluation_report.write(
        path,
        evaluation_report.Facts(
            about=_about(main, recipe),
            score_by_run=by_run,
            score_tables=_tables(scores),
            label_names=main.names,
            label=main.label[first.row].astype(bool),
            probability=first.probability,
            thresholds=main.thresholds,
            example=example_record(main.store, int(first.row[0])),
            logs={opened.folder.name: log for opened in runs if (log := _read_log(opened))},
        ),
    )


def _about(opened: _Run, recipe: Recipe) -> str:
    store = opened.store
    lines = [
        f"{len(opened.rows)} recordings of {store.manifest.name}, split {opened.split!r};"
        f" intervals are 95 %, from {recipe.num_resamples} resamples of"
        f" {'patients' if store.manifest.has_patients else 'recordings (no patients are known)'}.",
    ]
    if opened.split == "valid":
        lines.append(
            "This split also chose the best epoch and the thresholds, so all scores flatter;"
            " F1 and the challenge score most."
        )
    if store.manifest.note:
        lines.append(store.manifest.note)
    return " ".join(lines)


def _tables(scores: list[LeadSetScores]) -> dict[str, list[dict[str, Any]]]:
    macro = [
        {"run": row.run, "leads": row.lead_set, **_triples(row.macro), "records": row.num_records}
        for row in scores
    ]
    by_class = [
        {"run": row.run, "leads": row.lead_set, "class": name, **_triples(values)}
        for row in scores
        for name, values in row.by_class.items()
    ]
    return {"Macro scores": macro, "Scores by class": by_class}


def _triples(values: dict[str, Interval]) -> dict[str, tuple[float, float, float]]:
    return {name: (i.value, i.low, i.high) for name, i in values.items()}


def example_record(store: Store, row: int) -> Record:
    """One recording of a store as a `Record`, to be drawn."""
    num_samples = int(store.num_samples[row])
    counts = store.read(np.array([row]), np.array([0]), num_samples)[0]
    has_lead = store.has_lead[row]
    signal = (counts * store.scale[row][:, None]).astype(np.float32)[has_lead]
    return Record(
        signal=signal,
        leads=tuple(name for name, present in zip(LEADS, has_lead, strict=True) if present),
        sample_rate=store.manifest.sample_rate,
        record_id=str(store.record_id[row]),
        unit="mV" if store.unit[row] == "mV" else "NU",
    )


def _read_log(opened: _Run) -> list[dict[str, str]]:
    path = opened.folder / "log.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
