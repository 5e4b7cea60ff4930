"""The report of `anylead evaluate` on numbers, in one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.pictures.agreement import agreement
from anylead.pictures.curves import training_curves
from anylead.pictures.report import Report
from anylead.pictures.scores import Interval, score_by_lead_set, score_by_lead_set_narrow

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Facts:
    """What the report shows.

    Attributes:
        command: that made it.
        about: one paragraph on data, split and intervals.
        score_by_run: run -> lead set -> R2 (value, low, high).
        rows: of the table; a triple is a value with its interval.
        names: of the targets.
        judged: lead set -> targets (NaN where unknown) and what the first run said, both
            (record, target).
        logs: run -> rows of its training log.
    """

    command: str
    about: str
    score_by_run: Mapping[str, Mapping[str, Triple]]
    rows: Sequence[Mapping[str, object]]
    names: Sequence[str]
    judged: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    logs: Mapping[str, Sequence[Mapping[str, object]]]


def write(path: Path, facts: Facts) -> None:
    """Draw everything and write the file, whole or not at all."""
    report = Report("Measurements by lead set").text(facts.about).code(facts.command)
    report.section("Score by lead set")
    report.figure(
        score_by_lead_set(facts.score_by_run, "R2", width=9.0),
        "Share of the variance that is explained, the mean over targets; 0 is no better than always"
        " saying the mean.",
        narrow=score_by_lead_set_narrow(facts.score_by_run, "R2"),
    )
    report.table(
        [
            {name: Interval(*v) if isinstance(v, tuple) else v for name, v in row.items()}
            for row in facts.rows
        ],
        "mae: mean absolute error in the unit of the target; pearson: correlation.",
    )
    report.section("Said and measured").text(f"Run {next(iter(facts.score_by_run))}.")
    for number, (lead_set, (target, predicted)) in enumerate(facts.judged.items()):
        with report.fold(f"Leads {lead_set}", is_open=number == 0):
            for column, name in enumerate(facts.names):
                report.figure(
                    agreement(target[:, column], predicted[:, column], name),
                    f"{name}: what was said against what was measured, and their difference.",
                )
    if facts.logs:
        report.section("Training")
    for run, rows in facts.logs.items():
        report.figure(training_curves(rows), f"Log of {run}.")
    report.save(path)
