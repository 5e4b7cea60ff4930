"""Finished cells -> means over seeds, intervals over patients, differences to the best row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import RecipeError
from anylead.evaluation import EVALUATIONS, Evidence
from anylead.metrics.bootstrap import (
    Difference,
    Interval,
    Statistic,
    bootstrap_interval,
    paired_difference,
)
from anylead.tables.jobs import load_evidence
from anylead.tables.plan import Plan


@dataclass(frozen=True)
class Place:
    """Where in the tables a number stands; rows of one panel are compared with each other.

    Attributes:
        task, fraction, lead_set: the panel and its column.
        row, training: the line.
    """

    task: str
    fraction: float
    lead_set: str
    row: str
    training: str

    @property
    def column(self) -> tuple[str, float, str]:
        """What rows are compared within."""
        return self.task, self.fraction, self.lead_set


@dataclass(frozen=True)
class Result:
    """One number of the tables.

    Attributes:
        place: where it stands.
        score: which one.
        is_main: whether it is the score that rows are compared by.
        mean: over seeds, with its interval over patients.
        by_seed: (seed,) values.
        num_patients: behind it.
        to_best: this row minus the best one on the same patients; None for the best itself.
    """

    place: Place
    score: str
    is_main: bool
    mean: Interval
    by_seed: tuple[float, ...]
    num_patients: int
    to_best: Difference | None = None

    @property
    def is_best(self) -> bool:
        """Whether no other row of the column has a higher mean."""
        return self.is_main and self.to_best is None

    @property
    def is_beaten(self) -> bool:
        """Whether the best row is better beyond the paired 95 % interval."""
        return self.to_best is not None and self.to_best.high < 0


@dataclass(frozen=True)
class _Scored:
    """The seeds of one place."""

    patient: NDArray[np.generic]
    main: str
    by_seed: list[Mapping[str, Statistic]]

    def mean(self, score: str) -> Statistic:
        """The mean over seeds as a function of weights."""
        parts = [statistics[score] for statistics in self.by_seed]
        return lambda weights: np.mean([part(weights) for part in parts], axis=0)


def compare(
    plan: Plan, folder: Path, num_resamples: int, seed: int, main: Mapping[str, str]
) -> list[Result]:
    """All numbers of the finished cells.

    Args:
        plan: all runs and cells.
        folder: of the finished cells.
        num_resamples, seed: of the intervals.
        main: task -> the score that rows are compared by; else that of its kind of model.

    Raises:
        RecipeError: rows of one column were scored on different recordings, or without that score.
    """
    scored = _collect(plan, folder, main)
    by_column: dict[tuple[str, float, str], list[Place]] = {}
    for place in scored:
        by_column.setdefault(place.column, []).append(place)
    results: list[Result] = []
    for places in by_column.values():
        results += _column({place: scored[place] for place in places}, num_resamples, seed)
    return results


def _collect(plan: Plan, folder: Path, main: Mapping[str, str]) -> dict[Place, _Scored]:
    found: dict[Place, list[tuple[str, Evidence]]] = {}
    loaded: dict[str, tuple[str, dict[str, Evidence]] | None] = {}
    for cell in plan.cells:
        if cell.fit not in loaded:
            loaded[cell.fit] = load_evidence(folder, cell.fit)
        finished = loaded[cell.fit]
        if finished is None:
            continue
        kind, by_set = finished
        for lead_set in cell.lead_sets:
            place = Place(cell.task, cell.fraction, lead_set, cell.row, cell.training)
            if lead_set in by_set:
                found.setdefault(place, []).append((kind, by_set[lead_set]))
    return {place: _scored(place, seeds, main.get(place.task)) for place, seeds in found.items()}


def _scored(place: Place, seeds: Sequence[tuple[str, Evidence]], main: str | None) -> _Scored:
    patient = seeds[0][1].patient
    for _, evidence in seeds[1:]:
        _check_same(patient, evidence.patient, place)
    evaluation = EVALUATIONS[seeds[0][0]]
    by_seed = [evaluation.statistics(evidence) for _, evidence in seeds]
    chosen = main or evaluation.main_score
    if chosen not in by_seed[0]:
        raise RecipeError(
            f"scores: {place.task} has no score {chosen!r}; it has {', '.join(by_seed[0])}"
        )
    return _Scored(patient, chosen, by_seed)


def _column(scored: Mapping[Place, _Scored], num_resamples: int, seed: int) -> list[Result]:
    """Results of the rows of one column, each compared with the best."""
    results: list[Result] = []
    for place, each in scored.items():
        for score in each.by_seed[0]:
            one = np.ones((len(each.patient), 1), dtype=np.float32)
            results.append(
                Result(
                    place,
                    score,
                    score == each.main,
                    bootstrap_interval(each.mean(score), each.patient, num_resamples, seed),
                    tuple(float(part[score](one)[0]) for part in each.by_seed),
                    len(np.unique(each.patient)),
                )
            )
    main = [result for result in results if result.is_main]
    best = max(main, key=lambda result: np.nan_to_num(result.mean.value, nan=-np.inf))
    top = scored[best.place]
    compared = []
    for result in results:
        to_best = None
        if result.is_main and result is not best:
            own = scored[result.place]
            _check_same(top.patient, own.patient, result.place)
            to_best = paired_difference(
                own.mean(result.score), top.mean(best.score), own.patient, num_resamples, seed
            )
        compared.append(_with_difference(result, to_best))
    return compared


def _with_difference(result: Result, to_best: Difference | None) -> Result:
    return Result(
        result.place,
        result.score,
        result.is_main,
        result.mean,
        result.by_seed,
        result.num_patients,
        to_best,
    )


def _check_same(first: NDArray[np.generic], second: NDArray[np.generic], place: Place) -> None:
    if not np.array_equal(first, second):
        raise RecipeError(
            f"{place.row}, leads {place.lead_set}: scored on other recordings than the other rows;"
            " the store was changed: give another out"
        )
