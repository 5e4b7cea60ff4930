"""What an evaluation is asked for and what it answers, whatever the task."""

import csv
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from anylead import __version__
from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError, StoreError, known_are
from anylead.formats.search import divided, fitting
from anylead.inference.named import FOLDER
from anylead.metrics.bootstrap import Interval, Statistic, bootstrap_interval
from anylead.signals import PreprocessConfig, Quality
from anylead.store import Store
from anylead.store.manifest import MANIFEST


@dataclass(frozen=True)
class Settings:
    """How runs are scored; see `anylead.commands.evaluate.Recipe`."""

    store: str | None = None
    split: str | None = None
    num_resamples: int = 1000
    seed: int = 0
    batch_size: int = 128
    device: str = "auto"
    num_draws: int = 5
    sessions: Literal["recordings", "first_recordings", "halves"] = "recordings"
    level: Literal["recordings", "segments"] = "recordings"
    precision: Literal["auto", "bf16", "fp32"] = "fp32"

    def __post_init__(self) -> None:
        for name in ("num_resamples", "batch_size", "num_draws"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} {getattr(self, name)}; want 1 or more")


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
        not_scored: class -> why it has no score.
    """

    run: str
    lead_set: str
    macro: dict[str, Interval]
    by_class: dict[str, dict[str, Interval]]
    num_records: int
    num_left_out: int
    not_scored: dict[str, str] = field(default_factory=dict)


class Evidence(NamedTuple):
    """What scores are made from, to be kept and compared with other runs on the same patients.

    patient: (record,) equal numbers are one person.
    arrays: name -> (record, ...).
    label_names: of the classes, if there are any.
    """

    patient: NDArray[Any]
    arrays: dict[str, NDArray[Any]]
    label_names: list[str]


class OpenedRun(Protocol):
    """A fine-tuned run beside its data."""

    @property
    def folder(self) -> Path:
        """Of the run."""
        ...

    @property
    def split(self) -> str:
        """The split that is scored."""
        ...

    def by_task(self) -> "Sequence[OpenedRun]":
        """A run for each label task that was learned."""
        ...

    def score(self, lead_set: str) -> LeadSetScores:
        """Score the run with some leads."""
        ...

    def evidence(self, lead_set: str) -> Evidence:
        """What the scores with some leads are made from."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """How checkpoints of one kind are scored: a line of `EVALUATIONS`.

    Attributes:
        open: (folder, its checkpoint, settings) -> the run beside its data.
        report: (path, runs, scores) -> an HTML file.
        statistics: evidence -> score name -> score as a function of weights.
        score_names: names of the classes -> all scores there are, the main one first.
        ignores: settings that mean nothing to it.
    """

    open: Callable[[Path, Checkpoint, Settings], Any]
    report: Callable[[Path, Sequence[Any], Sequence[LeadSetScores]], None]
    statistics: Callable[[Evidence], Mapping[str, Statistic]]
    score_names: Callable[[Sequence[str]], Sequence[str]]
    ignores: Sequence[str] = ("num_draws", "sessions")


def find_runs(pattern: str) -> list[Path]:
    """Folders of fine-tuned runs named by a list of paths, patterns, or names of models in the box.

    Raises:
        RecipeError: nothing there.
    """
    found: list[Path] = []
    for part in divided(pattern):
        path = Path(part.strip())
        runs = [match for match in fitting(part.strip()) if (match / "model.safetensors").is_file()]
        if (
            not runs
            and (FOLDER / path.name / "model.safetensors").is_file()
            and len(path.parts) == 1
        ):
            runs = [FOLDER / path.name]
        if not runs:
            raise RecipeError(f"{part.strip()}: no run with a model.safetensors there")
        found += runs
    return found


def open_store(checkpoint: Checkpoint, settings: Settings, run: Path) -> tuple[Store, str]:
    """The store to score on, and the scheme of its splits; that of the training on its own.

    Raises:
        StoreError: there is no such store.
        RecipeError: none is named, and the model does not know that of its training.
    """
    fitted = checkpoint.description.get("provenance", {}).get("recipe", {}).get("data", {})
    own = fitted.get("store", "")
    scheme = fitted.get("scheme", "auto") if settings.store in (None, own) else "auto"
    if not settings.store and not own:
        raise RecipeError("this model knows no store to be scored on; name one: --store")
    found = settings.store or ",".join(_found(part.strip(), run) for part in own.split(","))
    store = Store.open(found)
    if "preprocess" in checkpoint.description:
        store.check_fits(PreprocessConfig(**checkpoint.description["preprocess"]), "the run")
    return store, scheme


def _found(own: str, run: Path) -> str:
    """The store of a run, from wherever the user stands: a path in a recipe may be relative.

    Raises:
        StoreError: it is neither below this folder nor below one that the run lies in.
    """
    places = [Path(own), *(parent / own for parent in run.absolute().parents)]
    for place in places:
        if "://" in own or (place / MANIFEST).is_file():
            return own if "://" in own else str(place)
    raise StoreError(f"{run}: its store {own or '(unknown)'} is not here; name it with --store")


def choose_split(
    store: Store, task: str | None, scheme: str, wanted: str | None
) -> tuple[str, NDArray[Any]]:
    """The name and the rows of the wanted split; null is "test", or "valid" without one.

    "all" is every split: for a store that no part of the model was trained on.

    Raises:
        RecipeError: nothing in it.
    """
    splits = store.split_rows(task, scheme)
    splits["all"] = np.sort(np.concatenate(list(splits.values())))
    split = wanted or ("test" if len(splits["test"]) else "valid")
    if split not in splits or not len(splits[split]):
        hint = "" if split in splits else known_are(split, splits)
        raise RecipeError(f"split {split!r} holds no labelled recording of {store.location}{hint}")
    return split, splits[split]


def about(store: Store, split: str, num_rows: int, num_resamples: int) -> str:
    """One paragraph on data, split and intervals."""
    has_patients = store.manifest.has_patients
    lines = [
        f"{num_rows} recordings of {store.manifest.name}, split {split!r};"
        f" intervals are 95 %, from {num_resamples} resamples of"
        f" {'patients' if has_patients else 'recordings (no patients are known)'}.",
    ]
    if split == "valid":
        lines.append(
            "This split also chose the best epoch and the thresholds, so all scores flatter;"
            " F1 and the challenge score most."
        )
    if store.manifest.note:
        lines.append(store.manifest.note)
    return " ".join(lines)


def command(folders: Sequence[Path], lead_sets: Sequence[str], settings: Settings) -> str:
    """The command that makes the report again, and when and by what it was made."""
    words = ["anylead", "evaluate", ",".join(dict.fromkeys(str(folder) for folder in folders))]
    words += ["--lead_sets", " ".join(lead_sets)]
    for each in fields(Settings):
        value = getattr(settings, each.name)
        if value not in (None, each.default):
            words += [f"--{each.name}", str(value)]
    return f"{shlex.join(words)}\n# {date.today().isoformat()}, anylead {__version__}"


def intervals(
    statistics: Mapping[str, Statistic], evidence: Evidence, settings: Settings
) -> dict[str, Interval]:
    """Each score with its interval over patients."""
    return {
        name: bootstrap_interval(each, evidence.patient, settings.num_resamples, settings.seed)
        for name, each in statistics.items()
    }


def main_by_run(
    scores: Sequence[LeadSetScores], name: str
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Run -> lead set -> one of the scores over all classes: value, low, high."""
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for score in scores:
        found.setdefault(score.run, {})[score.lead_set] = triples(score.macro)[name]
    return found


def logs_of(runs: Sequence[OpenedRun]) -> dict[str, list[dict[str, str]]]:
    """Run -> the rows of its training log, of those that have one."""
    return {run.folder.name: log for run in runs if (log := _read_log(run.folder))}


def _read_log(folder: Path) -> list[dict[str, str]]:
    path = folder / "log.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def quality_table(store: Store, rows: NDArray[Any]) -> list[dict[str, object]]:
    """How many of these recordings have each quality flag in at least one lead."""
    flags = np.bitwise_or.reduce(store.quality[rows], axis=1)
    counts = {flag.name: int((flags & flag.value != 0).sum()) for flag in Quality}
    found: list[dict[str, object]] = [
        {"flag": (name or "").lower().replace("_", " "), "recordings": count}
        for name, count in counts.items()
        if count
    ]
    return found or [{"flag": "none", "recordings": len(rows)}]


def triples(values: Mapping[str, Interval]) -> dict[str, tuple[float, float, float]]:
    """Intervals as the pictures want them."""
    return {name: (i.value, i.low, i.high) for name, i in values.items()}
