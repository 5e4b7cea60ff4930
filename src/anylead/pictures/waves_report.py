"""The report of `anylead evaluate` on boundaries of waves, in one HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from anylead.pictures.curves import training_curves
from anylead.pictures.report import Report
from anylead.pictures.scores import Interval, score_by_lead_set, score_by_lead_set_narrow

Triple = tuple[float, float, float]


def write(
    path: Path,
    command: str,
    about: str,
    score_by_run: Mapping[str, Mapping[str, Triple]],
    rows: Sequence[Mapping[str, object]],
    logs: Mapping[str, Sequence[Mapping[str, object]]],
) -> None:
    """Draw everything and write the file, whole or not at all.

    Args:
        path: of the file.
        command: that made it.
        about: one paragraph on data, split and intervals.
        score_by_run: run -> lead set -> F1 (value, low, high).
        rows: of the table; a triple is a value with its interval.
        logs: run -> rows of its training log.
    """
    report = Report("Waves by lead set").text(about).code(command)
    report.section("Score by lead set")
    report.figure(
        score_by_lead_set(score_by_run, "F1", width=9.0),
        "F1 of boundaries within 150 ms, the mean over six; found boundaries may lie beyond the"
        " first and last marked QRS.",
        narrow=score_by_lead_set_narrow(score_by_run, "F1"),
    )
    report.table(
        [
            {name: Interval(*v) if isinstance(v, tuple) else v for name, v in row.items()}
            for row in rows
        ],
        "se: sensitivity; ppv: positive predictive value; f1 as usual for LUDB, where the first QRS"
        " onset counts as missed as soon as it is found a sample early; f1 with ends lets it lie"
        " beyond; mean and sd of the error in ms.",
    )
    if logs:
        report.section("Training")
    for run, log in logs.items():
        report.figure(training_curves(log), f"Log of {run}.")
    report.save(path)
