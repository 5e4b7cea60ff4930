"""The report of `anylead evaluate` on waves, beats or survival, in one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anylead.pictures.curves import training_curves
from anylead.pictures.report import Report
from anylead.pictures.scores import Interval, score_by_lead_set, score_by_lead_set_narrow

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Facts:
    """What the report shows.

    Attributes:
        title: of the page.
        command: that made it.
        about: one paragraph on data, split and intervals.
        score_name, meaning: of the main score.
        score_by_run: run -> lead set -> main score (value, low, high).
        rows: of the table; a triple is a value with its interval.
        columns: what its columns mean.
        logs: run -> rows of its training log.
    """

    title: str
    command: str
    about: str
    score_name: str
    meaning: str
    score_by_run: Mapping[str, Mapping[str, Triple]]
    rows: Sequence[Mapping[str, object]]
    columns: str
    logs: Mapping[str, Sequence[Mapping[str, object]]]


def write(path: Path, facts: Facts) -> None:
    """Draw everything and write the file, whole or not at all."""
    report = Report(facts.title).text(facts.about).code(facts.command)
    report.section("Score by lead set")
    report.figure(
        score_by_lead_set(facts.score_by_run, facts.score_name, width=9.0),
        facts.meaning,
        narrow=score_by_lead_set_narrow(facts.score_by_run, facts.score_name),
    )
    report.table(
        [
            {name: Interval(*v) if isinstance(v, tuple) else v for name, v in row.items()}
            for row in facts.rows
        ],
        facts.columns,
    )
    if facts.logs:
        report.section("Training")
    for run, log in facts.logs.items():
        report.figure(training_curves(log), f"Log of {run}.")
    report.save(path)
