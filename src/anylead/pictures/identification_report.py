"""The report of `anylead evaluate` on identification, in one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.pictures.curves import training_curves
from anylead.pictures.report import Report
from anylead.pictures.scores import (
    Interval,
    identification_scores,
    score_by_lead_set,
    score_by_lead_set_narrow,
)

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Facts:
    """What the report shows.

    Attributes:
        command: that made it.
        about: one paragraph on data, split and intervals.
        score_by_run: run -> lead set -> rank-1 accuracy (value, low, high).
        rows: of the table; a triple is a value with its interval.
        pairs_of: run and leads of the pairs.
        genuine: (pair,) cosines of two segments of one person.
        impostor: (pair,) of two persons.
        cmc: (rank,) share of probes found among the first 1, 2, ...
        logs: run -> rows of its training log.
    """

    command: str
    about: str
    score_by_run: Mapping[str, Mapping[str, Triple]]
    rows: Sequence[Mapping[str, object]]
    pairs_of: str
    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]
    cmc: NDArray[np.float64]
    logs: Mapping[str, Sequence[Mapping[str, object]]]


def write(path: Path, facts: Facts) -> None:
    """Draw everything and write the file, whole or not at all."""
    report = Report("Identification by lead set").text(facts.about)
    report.code(facts.command)
    report.section("Score by lead set")
    report.figure(
        score_by_lead_set(facts.score_by_run, "rank-1 accuracy", width=9.0),
        "Share of probes whose person is the nearest of the gallery.",
        narrow=score_by_lead_set_narrow(facts.score_by_run, "rank-1 accuracy"),
    )
    report.table(
        [
            {name: Interval(*v) if isinstance(v, tuple) else v for name, v in row.items()}
            for row in facts.rows
        ]
    )
    report.section("Pairs").text(f"Run {facts.pairs_of}.")
    report.figure(
        identification_scores(facts.genuine, facts.impostor, facts.cmc, "cosine"),
        "Cosines of pairs, verification, and the share of persons found by rank.",
    )
    report.section("Training")
    for run, rows in facts.logs.items():
        report.figure(training_curves(rows), f"Log of {run}.")
    report.save(path)
