"""The report of `anylead evaluate`: scores by lead set and class, curves, one ECG; one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.pictures.curves import (
    precision_recall_curves,
    reliability_diagram,
    roc_curves,
    training_curves,
)
from anylead.pictures.ecg_page import ecg_page, record_header
from anylead.pictures.recording import Recording
from anylead.pictures.report import Report
from anylead.pictures.scores import (
    Interval,
    confusion_by_pair,
    score_by_lead_set,
    score_by_lead_set_narrow,
)

Triple = tuple[float, float, float]
Rows = Sequence[Mapping[str, object]]


class Judged(NamedTuple):
    """What the first run says with some leads.

    label: (record, class) 0 or 1, NaN where it is unknown.
    probability: (record, class).
    is_predicted: (record, class) bool.
    """

    label: NDArray[Any]
    probability: NDArray[np.float64]
    is_predicted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Facts:
    """What the report shows; in all tables a triple is a value with its interval.

    Attributes:
        command: that made it.
        about: one paragraph on data, split and intervals.
        score_by_run: run -> lead set -> macro AUROC (value, low, high).
        macro: one row a run and lead set.
        differences: paired, of the other runs to the first; empty for one run.
        classes: run -> one row a class, one column a lead set.
        lead_sets: name -> leads, of those that are more than a list.
        quality: flags of the recordings.
        label_names: classes, in full where known.
        judged: lead set -> the first run with it.
        example: a recording to draw.
        logs: run -> rows of its training log.
        is_exclusive: a recording has one class, and the most probable one is the answer.
    """

    command: str
    about: str
    score_by_run: Mapping[str, Mapping[str, Triple]]
    macro: Rows
    differences: Rows
    classes: Mapping[str, Rows]
    lead_sets: Mapping[str, Sequence[str]]
    quality: Rows
    label_names: Sequence[str]
    judged: Mapping[str, Judged]
    example: Recording
    logs: Mapping[str, Rows]
    is_exclusive: bool = False


def write(path: Path, facts: Facts) -> None:
    """Draw everything and write the file, whole or not at all."""
    report = Report("Scores by lead set").text(facts.about).code(facts.command)
    _add_scores(report, facts)
    _add_classes(report, facts)
    _add_curves(report, facts)
    report.section("Recordings").table(facts.quality, "Flags of signal quality.")
    report.figure(
        ecg_page(facts.example, header=record_header(facts.example)),
        "The first recording of the split, as on paper.",
    )
    if facts.logs:
        report.section("Training")
    for run, rows in facts.logs.items():
        report.figure(training_curves(rows), f"Log of {run}.")
    report.save(path)


def _add_scores(report: Report, facts: Facts) -> None:
    report.section("Score by lead set")
    report.figure(
        score_by_lead_set(facts.score_by_run, "macro AUROC", width=9.0),
        "Macro AUROC with the leads that the model may see; the others are zero.",
        narrow=score_by_lead_set_narrow(facts.score_by_run, "macro AUROC"),
    )
    if facts.lead_sets:
        named = [f"{name}: {', '.join(leads)}" for name, leads in facts.lead_sets.items()]
        report.text("Leads of the sets: " + "; ".join(named) + ".")
    report.section("Macro scores").table([_with_intervals(row) for row in facts.macro])
    if facts.differences:
        report.section("Differences between runs").table(
            [_with_intervals(row) for row in facts.differences],
            "Paired: both runs on the same recordings and the same resamples of patients; the"
            " difference is real where its interval is on one side of zero.",
        )


def _add_classes(report: Report, facts: Facts) -> None:
    decided = (
        "the answer is the most probable class."
        if facts.is_exclusive
        else "from the threshold on the model says yes (chosen on validation data, for the first"
        " lead set)."
    )
    report.section("Scores by class").text(
        "AUROC with its interval, one column a lead set. Positives and patients are those of the"
        f" split; {decided}"
    )
    for number, (run, rows) in enumerate(facts.classes.items()):
        with report.fold(run, is_open=number == 0):
            report.table(
                [_with_intervals(row) for row in rows],
                "A click on the head of a column sorts.",
                is_sortable=True,
            )


def _add_curves(report: Report, facts: Facts) -> None:
    name = next(iter(facts.score_by_run))
    report.section("Curves").text(f"Run {name}.")
    for number, (lead_set, (label, probability, is_predicted)) in enumerate(facts.judged.items()):
        shown = probability, label, facts.label_names
        with report.fold(f"Leads {lead_set}", is_open=number == 0):
            report.figure(roc_curves(*shown), "Receiver operating characteristic of each class.")
            report.figure(precision_recall_curves(*shown), "Precision and recall of each class.")
            report.figure(
                reliability_diagram(*shown), "Stated probability against observed frequency."
            )
            if number > 0:  # a matrix of many classes is the largest part of the file
                continue
            report.figure(
                confusion_by_pair(is_predicted, label, facts.label_names),
                "Which class is predicted where another one is true, in percent."
                if facts.is_exclusive
                else "Which class is predicted where another one is true, in percent. A recording"
                " may have several classes and be given several or none, so rows need not sum to"
                " 100.",
            )


def _with_intervals(row: Mapping[str, object]) -> dict[str, object]:
    return {
        name: Interval(*value) if isinstance(value, tuple) else value for name, value in row.items()
    }
