"""Finished cells -> means over seeds, intervals over patients and seeds, differences to one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import RecipeError
from anylead.evaluation import EVALUATIONS, Evidence
from anylead.metrics.bootstrap import Interval, Statistic
from anylead.metrics.many_rows import Draws, compare_all, draw, percentile_interval
from anylead.tables.cost import Cost
from anylead.tables.jobs import load_cost, load_evidence
from anylead.tables.plan import Plan

ALPHA = 0.05


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
class Against:
    """A row minus the reference, adjusted for all comparisons of its panel.

    Attributes:
        value, low, high: difference, simultaneous interval of 95 %.
        p_value: adjusted.
        is_equivalent: within the margin of the recipe, by two one-sided tests.
    """

    value: float
    low: float
    high: float
    p_value: float
    is_equivalent: bool


@dataclass(frozen=True)
class Result:
    """One number of the tables.

    Attributes:
        place: where it stands.
        score: which one.
        is_main: whether it is the score that rows are compared by.
        mean: over seeds, with its interval over patients and seeds.
        by_seed: (seed,) values.
        num_patients: behind it.
        is_reference: what the others of the column are compared with.
        against: the reference; None for itself, other scores, and columns without it.
        cost: of one recording; None where the cell does not tell.
    """

    place: Place
    score: str
    is_main: bool
    mean: Interval
    by_seed: tuple[float, ...]
    num_patients: int
    is_reference: bool = False
    against: Against | None = None
    cost: Cost | None = None

    @property
    def mark(self) -> str:
        """How it differs from the reference: "▲" better, "▼" worse, "≈" equivalent."""
        if self.against is None:
            return ""
        if self.against.p_value < ALPHA:
            return "▲" if self.against.value > 0 else "▼"
        return "≈" if self.against.is_equivalent else ""


@dataclass(frozen=True)
class Judging:
    """How numbers are compared.

    Attributes:
        num_resamples, seed: of the intervals.
        main: task -> the score that rows are compared by; else the first of its kind of model.
        reference: name of the row that others are compared with; null takes the first.
        margin: differences below it do not matter; null claims no equivalence.
    """

    num_resamples: int
    seed: int
    main: Mapping[str, str]
    reference: str | None = None
    margin: float | None = None


@dataclass(frozen=True)
class _Scored:
    """The seeds of one place."""

    patient: NDArray[np.generic]
    main: str
    by_seed: list[Mapping[str, Statistic]]

    def draws(self, score: str, judging: Judging) -> Draws:
        """The score on other patients and seeds."""
        parts = [statistics[score] for statistics in self.by_seed]
        return draw(parts, self.patient, judging.num_resamples, judging.seed)


def compare(plan: Plan, folder: Path, judging: Judging) -> list[Result]:
    """All numbers of the finished cells.

    Raises:
        RecipeError: rows of one column were scored on different recordings, or without that score;
            or there is no such reference.
    """
    rows = [cell.row for cell in plan.cells]
    if judging.reference is not None and judging.reference not in rows:
        raise RecipeError(
            f"reference: no row {judging.reference!r}; there are {', '.join(dict.fromkeys(rows))}"
        )
    scored = _collect(plan, folder, judging.main)
    by_panel: dict[tuple[str, float], dict[Place, _Scored]] = {}
    for place, each in scored.items():
        by_panel.setdefault((place.task, place.fraction), {})[place] = each
    costs = _costs(plan, folder)
    return [
        replace(result, cost=costs.get((result.place.row, result.place.training)))
        for panel in by_panel.values()
        for result in _panel(panel, judging)
    ]


def _costs(plan: Plan, folder: Path) -> dict[tuple[str, str], Cost]:
    """(row, training) -> its cost, the fastest of its cells."""
    found: dict[tuple[str, str], Cost] = {}
    for cell in plan.cells:
        line, cost = (cell.row, cell.training), load_cost(folder, cell.fit)
        if cost is not None and not found.get(line, cost).milliseconds < cost.milliseconds:
            found[line] = cost
    return found


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
    chosen = main or evaluation.score_names(seeds[0][1].label_names)[0]
    if chosen not in by_seed[0]:
        raise RecipeError(
            f"scores: {place.task} has no score {chosen!r}; it has {', '.join(by_seed[0])}"
        )
    return _Scored(patient, chosen, by_seed)


def _panel(scored: Mapping[Place, _Scored], judging: Judging) -> list[Result]:
    """Results of one panel, each main score compared with the reference of its column."""
    draws: dict[tuple[Place, str], Draws] = {
        (place, score): each.draws(score, judging)
        for place, each in scored.items()
        for score in each.by_seed[0]
    }
    references = _references(scored, judging.reference)
    compared = [
        place
        for place in scored
        if place.column in references and references[place.column] != place
    ]
    against: dict[Place, Against] = {}
    if compared:
        for place in compared:
            top = references[place.column]
            _check_same(scored[top].patient, scored[place].patient, place)
        found = compare_all(
            [draws[place, scored[place].main] for place in compared],
            [draws[references[p.column], scored[references[p.column]].main] for p in compared],
            judging.margin,
        )
        columns = (found.value, found.low, found.high, found.p_value, found.is_equivalent)
        against = {
            place: Against(*(column[i].item() for column in columns))
            for i, place in enumerate(compared)
        }
    results = []
    for (place, score), drawn in draws.items():
        is_main = score == scored[place].main
        low, high = percentile_interval(drawn)
        results.append(
            Result(
                place,
                score,
                is_main,
                Interval(drawn.value, low, high, int(np.isfinite(drawn.resampled).sum())),
                tuple(drawn.by_seed.tolist()),
                len(np.unique(scored[place].patient)),
                is_main and references.get(place.column) == place,
                against.get(place) if is_main else None,
            )
        )
    return results


def _references(
    scored: Mapping[Place, _Scored], row: str | None
) -> dict[tuple[str, float, str], Place]:
    """Column -> the reference in it: the first line of the row, else of the table."""
    first = row or next(iter(scored)).row
    found: dict[tuple[str, float, str], Place] = {}
    for place in scored:
        if place.row == first:
            found.setdefault(place.column, place)
    return found


def _check_same(first: NDArray[np.generic], second: NDArray[np.generic], place: Place) -> None:
    if not np.array_equal(first, second):
        raise RecipeError(
            f"{place.row}, leads {place.lead_set}: scored on other recordings than the other rows;"
            " the store was changed: give another out"
        )
