"""The report of `anylead evaluate`: scores by lead set, curves, one ECG, in one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.pictures.curves import (
    precision_recall_curves,
    reliability_diagram,
    roc_curves,
    training_curves,
)
from anylead.pictures.ecg_page import ecg_page, record_header
from anylead.pictures.report import Report
from anylead.pictures.scores import Interval, confusion_by_pair, score_by_lead_set
from anylead.records import Record

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Facts:
    """What the report shows.

    Attributes:
        about: one paragraph on data, split and intervals.
        score_by_run: run -> lead set -> macro AUROC (value, low, high).
        score_tables: title -> rows; a triple is a value with its interval.
        label_names: classes.
        label: (record, class) 0 or 1 of the first run, NaN where it is unknown.
        probability: (record, class) of the first run with its first lead set.
        is_predicted: (record, class) bool, likewise.
        example: a recording to draw.
        logs: run -> rows of its training log.
    """

    about: str
    score_by_run: Mapping[str, Mapping[str, Triple]]
    score_tables: Mapping[str, Sequence[Mapping[str, object]]]
    label_names: Sequence[str]
    label: NDArray[np.generic]
    probability: NDArray[np.float64]
    is_predicted: NDArray[np.bool_]
    example: Record
    logs: Mapping[str, Sequence[Mapping[str, object]]]


def write(path: Path, facts: Facts) -> None:
    """Draw everything and write the file, whole or not at all."""
    report = Report("Scores by lead set").text(facts.about)
    report.section("Score by lead set")
    report.figure(
        score_by_lead_set(facts.score_by_run, "macro AUROC"),
        "Macro AUROC with the leads that the model may see; the others are zero.",
    )
    for title, rows in facts.score_tables.items():
        report.section(title).table([_with_intervals(row) for row in rows])
    name = next(iter(facts.score_by_run))
    lead_set = next(iter(facts.score_by_run[name]))
    report.section("Curves").text(f"Run {name}, leads {lead_set}.")
    shown = facts.probability, facts.label, facts.label_names
    report.figure(roc_curves(*shown), "Receiver operating characteristic of each class.")
    report.figure(precision_recall_curves(*shown), "Precision and recall of each class.")
    report.figure(reliability_diagram(*shown), "Stated probability against observed frequency.")
    report.figure(
        confusion_by_pair(facts.is_predicted, facts.label, facts.label_names),
        "Which class is predicted where another one is true.",
    )
    report.section("One recording")
    report.figure(
        ecg_page(facts.example, header=record_header(facts.example)),
        "The first recording of the split, as on paper.",
    )
    report.section("Training")
    for run, rows in facts.logs.items():
        report.figure(training_curves(rows), f"Log of {run}.")
    report.save(path)


def _with_intervals(row: Mapping[str, object]) -> dict[str, object]:
    return {
        name: Interval(*value) if isinstance(value, tuple) else value for name, value in row.items()
    }
