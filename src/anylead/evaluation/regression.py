"""Numbers by lead set: mean absolute error, R2 and correlation, by target."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.checkpoint import Checkpoint
from anylead.evaluation.heads import HeadRun, open_head
from anylead.evaluation.scores import (
    Evaluation,
    Evidence,
    LeadSetScores,
    Settings,
    about,
    command,
    logs_of,
    main_by_run,
    triples,
)
from anylead.loading import Labels
from anylead.metrics import regression
from anylead.metrics.bootstrap import Statistic, mean_of
from anylead.pictures import regression_report
from anylead.tasks.regression import measured

# The errors of several targets have no unit in common, so they have no mean.
_MEANS = {"r2": regression.r2, "pearson": regression.pearson}
_ALL = {**_MEANS, "mae": regression.mae}


@dataclass
class RegressionRun(HeadRun):
    """A fine-tuned run, its data, and what it said per lead set."""

    targets: Labels

    def by_task(self) -> list["RegressionRun"]:
        """All targets are scored together."""
        return [self]

    def evidence(self, lead_set: str) -> Evidence:
        """Targets (NaN where unknown) and what was said, both (record, target)."""
        said = self.predict(lead_set)
        target = self.targets.of(said.row).astype(np.float64)
        arrays: dict[str, NDArray[Any]] = {
            "target": target, "predicted": said.logits.astype(np.float64)
        }  # fmt: skip
        return Evidence(self.store.patient[said.row], arrays, self.head.names)

    def score(self, lead_set: str) -> LeadSetScores:
        """All scores with their intervals."""
        evidence = self.evidence(lead_set)
        columns = list(
            zip(evidence.arrays["target"].T, evidence.arrays["predicted"].T, strict=True)
        )
        by_target = {
            name: self.intervals({score: make(*each) for score, make in _ALL.items()}, evidence)
            for name, each in zip(self.head.names, columns, strict=True)
        }
        num_scored = len(evidence.patient)
        return LeadSetScores(
            self.folder.name,
            lead_set,
            self.intervals(statistics(evidence), evidence),
            by_target,
            num_scored,
            len(self.head.rows) - num_scored,
        )


def open_run(folder: Path, checkpoint: Checkpoint, settings: Settings) -> RegressionRun:
    """A run beside its data.

    Raises:
        StoreError: the store does not know its targets.
    """
    head = open_head(folder, checkpoint, settings)
    return RegressionRun(folder, head, measured(head.store, head.task))


def statistics(evidence: Evidence) -> dict[str, Statistic]:
    """R2 and correlation, means over targets; of a single target the mean error, too."""
    target, predicted = evidence.arrays["target"], evidence.arrays["predicted"]
    columns = list(zip(target.T, predicted.T, strict=True))
    chosen = _ALL if len(columns) == 1 else _MEANS
    return {name: mean_of([make(*each) for each in columns]) for name, make in chosen.items()}


def score_names(label_names: Sequence[str]) -> list[str]:
    """What `statistics` tells of these targets."""
    return list(_ALL if len(label_names) == 1 else _MEANS)


def report(path: Path, runs: Sequence[RegressionRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores, what was said against what was measured, and the logs in one HTML file."""
    main = runs[0]
    settings = main.head.settings
    lead_sets = list(dict.fromkeys(score.lead_set for score in scores))
    evidence = {name: main.evidence(name).arrays for name in lead_sets}
    regression_report.write(
        path,
        regression_report.Facts(
            command=command([run.folder for run in runs], lead_sets, settings),
            about=about(main.store, main.split, len(main.head.rows), settings.num_resamples),
            score_by_run=main_by_run(scores, "r2"),
            rows=[
                {
                    "run": score.run,
                    "leads": score.lead_set,
                    "target": name,
                    **triples(of_target),
                    "recordings": score.num_records,
                }
                for score in scores
                for name, of_target in score.by_class.items()
            ],
            names=main.head.names,
            judged={
                name: (arrays["target"], arrays["predicted"]) for name, arrays in evidence.items()
            },
            logs=logs_of(runs),
        ),
    )


REGRESSION = Evaluation(open_run, report, statistics, score_names)
