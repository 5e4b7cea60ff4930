"""A score of the same model made with several seeds, beside other models made likewise.

    python benchmarks/over_seeds.py store/ptbxl100 \
        "pre-trained=runs/0/taught,runs/1/taught" "random weights=runs/0/random,runs/1/random" \
        --lead_sets "12 6 3 2 1 II V1,V2,V3,V4,V5,V6 V1"
    python benchmarks/over_seeds.py store/cinc2017 "pre-trained=runs/cinc" "ResNet=runs/resnet" \
        --split test --lead_sets 1 --score f1 --classes N A O

Prints a table for each label task: the mean over seeds with its interval over patients and, in
brackets, each seed; then the first row less each other one, on the same resamples of patients, with
intervals corrected for the number of lead sets. Models come by name, too; a+b is the mean of what
two say (of their logits).
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.evaluation import EVALUATIONS, Evidence, Settings
from anylead.evaluation.classification import ClassificationRun, statistics
from anylead.inference.opening import open_checkpoint
from anylead.metrics.bootstrap import Interval, Statistic, bootstrap_interval, mean_of
from anylead.metrics.bootstrap import paired_difference as paired
from anylead.tasks import Predictions


class Scored(NamedTuple):
    """A row with some leads: the score of each seed, as functions of weights of recordings."""

    seeds: list[Statistic]
    patient: NDArray[np.generic]

    def told(self, num_resamples: int) -> str:
        """The mean with its interval, and each seed."""
        mean = bootstrap_interval(mean_of(self.seeds), self.patient, num_resamples)
        if len(self.seeds) == 1:
            return told(mean)
        each = [bootstrap_interval(one, self.patient, 1).value for one in self.seeds]
        return f"{told(mean)} ({', '.join(map(decimals, each))})"

    def less(self, other: "Scored", num_resamples: int, level: float) -> str:
        """How far its mean is ahead of another's, and by seed where both have as many."""
        if not np.array_equal(self.patient, other.patient):
            raise SystemExit("models were scored on different recordings")
        means = mean_of(self.seeds), mean_of(other.seeds)
        gap = paired(*means, self.patient, num_resamples, level=level)
        if not 1 < len(self.seeds) == len(other.seeds):
            return told(gap, "+")
        pairs = zip(self.seeds, other.seeds, strict=True)
        each = [paired(*pair, self.patient, 1).value for pair in pairs]
        return f"{told(gap, '+')} ({', '.join(decimals(one, '+') for one in each)})"


@dataclass
class Together(ClassificationRun):
    """Several runs that answer with the mean of their logits."""

    others: Sequence[ClassificationRun] = ()

    def predict(self, lead_set: str) -> Predictions:
        """Of all recordings that have any of these leads."""
        if lead_set not in self.predictions:
            first, *rest = (
                super().predict(lead_set),
                *(one.predict(lead_set) for one in self.others),
            )
            logits = np.mean([first.logits, *(one.logits for one in rest)], axis=0)
            self.predictions[lead_set] = Predictions(first.row, logits)
        return self.predictions[lead_set]


def opened(models: Sequence[str], settings: Settings) -> dict[str, list[ClassificationRun]]:
    """Label task -> a run for each model."""
    found: dict[str, list[ClassificationRun]] = {}
    for name in models:
        run, *others = [run_of(part, settings) for part in name.split("+")]
        if others:
            facts = {each.name: getattr(run, each.name) for each in fields(run)}
            run = Together(**facts, others=others)
        for one in run.by_task():
            found.setdefault(one.task, []).append(one)
    return found


def run_of(name: str, settings: Settings) -> ClassificationRun:
    """A model beside its data."""
    checkpoint, folder = open_checkpoint(name)
    run: ClassificationRun = EVALUATIONS[checkpoint.description["kind"]].open(
        Path(folder), checkpoint, settings
    )
    return run


def scored(
    runs: Sequence[ClassificationRun],
    leads: str,
    score: str = "auroc",
    classes: Sequence[str] | None = None,
) -> Scored:
    """Of runs of one task with some leads: a macro score, of all classes or of some."""
    evidence = [of_classes(run.evidence(leads), classes) for run in runs]
    return Scored([statistics(each)[score] for each in evidence], evidence[0].patient)


def of_classes(evidence: Evidence, classes: Sequence[str] | None) -> Evidence:
    """The columns of these classes."""
    if classes is None:
        return evidence
    if unknown := set(classes) - set(evidence.label_names):
        raise SystemExit(f"no class {', '.join(unknown)}; known are {evidence.label_names}")
    columns = [evidence.label_names.index(name) for name in classes]
    arrays = {
        name: array[:, columns] if array.ndim == 2 else array
        for name, array in evidence.arrays.items()
    }
    return Evidence(evidence.patient, arrays, list(classes))


def tables(
    rows: Mapping[str, Sequence[str]],
    lead_sets: Sequence[str],
    settings: Settings,
    score: str = "auroc",
    classes: Sequence[str] | None = None,
) -> Iterator[str]:
    """Lines of Markdown, a table for each label task.

    Args:
        rows: name of a row -> run folders or names of models, one a seed.
        lead_sets: columns.
        settings: of the scoring.
        score: a macro score that `anylead evaluate` knows.
        classes: of which it is the mean; None takes all.
    """
    first, *others = rows
    opened_rows = {name: opened(models, settings) for name, models in rows.items()}
    level = 1 - 0.05 / len(lead_sets)
    for task in opened_rows[first]:
        if not all(task in by_task for by_task in opened_rows.values()):
            continue  # not learned by all
        yield f"| {task} | {' | '.join(lead_sets)} |"
        yield "| --- " * (1 + len(lead_sets)) + "|"
        found = {}
        for name, by_task in opened_rows.items():
            runs = by_task[task]
            found[name] = [scored(runs, leads, score, classes) for leads in lead_sets]
            yield line(name, [each.told(settings.num_resamples) for each in found[name]])
        for name in others:
            pairs = zip(found[first], found[name], strict=True)
            gaps = [one.less(other, settings.num_resamples, level) for one, other in pairs]
            yield line(f"{first} - {name}", gaps)
        yield ""


def line(name: str, cells: Sequence[str]) -> str:
    """A row of Markdown."""
    return f"| {name} | {' | '.join(cells)} |"


def decimals(value: float, sign: str = "") -> str:
    """Three of them, without a zero before the point."""
    return f"{value:{sign}.3f}".replace("0.", ".", 1)


def told(interval: Interval, sign: str = "") -> str:
    """A number with its interval."""
    low, high = (decimals(each, sign) for each in (interval.low, interval.high))
    return f"{decimals(interval.value, sign)} [{low}, {high}]"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("rows", nargs="+", metavar="NAME=MODEL,MODEL")
    parser.add_argument("--lead_sets", default="12 6 3 2 1")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--score", default="auroc", help="a macro score of anylead evaluate")
    parser.add_argument("--classes", nargs="+", help="the score is the mean of these")
    parser.add_argument("--num_resamples", type=int, default=1000)
    parser.add_argument("--precision", default="fp32", choices=["auto", "bf16", "fp32"])
    options = parser.parse_args()
    settings = Settings(
        store=str(options.store),
        split=options.split,
        num_resamples=options.num_resamples,
        precision=options.precision,
    )
    rows = {
        name: models.split(",") for name, _, models in (row.partition("=") for row in options.rows)
    }
    lead_sets = options.lead_sets.split()
    for text in tables(rows, lead_sets, settings, options.score, options.classes):
        print(text, flush=True)


if __name__ == "__main__":
    main()
