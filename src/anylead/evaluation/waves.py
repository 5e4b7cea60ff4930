"""Boundaries of waves by lead set: F1, sensitivity, predictive value and errors in ms.

Each lead of the set is scored against the marks of that lead (see `metrics/waves.py`); the model
sees the leads of the set and no others. Intervals are over patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError
from anylead.evaluation.scores import (
    Evaluation,
    Evidence,
    LeadSetScores,
    Settings,
    about,
    choose_split,
    command,
    open_store,
    read_log,
    triples,
)
from anylead.inference.delineator import Delineator, delineator_of
from anylead.inference.model import Model
from anylead.leads import LEADS, lead_mask
from anylead.metrics.bootstrap import Statistic, bootstrap_interval
from anylead.metrics.waves import BOUNDARIES, Tally, score_waves
from anylead.pictures import waves_report
from anylead.records import Mark
from anylead.store import Store
from anylead.store.marks import stored_marks

_AT_ONCE = 16  # recordings
Counts = NDArray[np.float64]


@dataclass
class WavesRun:
    """A fine-tuned run, its data, and what it found per lead set."""

    folder: Path
    store: Store
    split: str
    rows: NDArray[Any]
    marks: Sequence[Sequence[Mark] | None]
    delineator: Delineator
    settings: Settings
    found: dict[str, Evidence] = field(default_factory=dict)

    def by_task(self) -> list["WavesRun"]:
        """All boundaries are scored together."""
        return [self]

    def evidence(self, lead_set: str) -> Evidence:
        """`usual` and `with_ends`: (record, boundary, 5) of hits, missed, extra, errors (ms, sum)
        and their squares.

        Raises:
            RecipeError: no recording with marks has any of these leads.
        """
        if lead_set not in self.found:
            self.found[lead_set] = self._evidence(lead_set)
        return self.found[lead_set]

    def score(self, lead_set: str) -> LeadSetScores:
        """All scores with their intervals."""
        evidence = self.evidence(lead_set)
        arrays, settings = evidence.arrays, self.settings

        def interval(statistic: Statistic) -> Any:
            return bootstrap_interval(
                statistic, evidence.patient, settings.num_resamples, settings.seed
            )

        by_boundary = {
            name: {
                score: interval(statistic)
                for score, statistic in _of_boundary(
                    arrays["usual"][:, n], arrays["with_ends"][:, n]
                ).items()
            }
            for n, name in enumerate(evidence.label_names)
        }
        num = len(evidence.patient)
        macro = {name: interval(each) for name, each in statistics(evidence).items()}
        return LeadSetScores(
            self.folder.name, lead_set, macro, by_boundary, num, len(self.rows) - num
        )

    def _evidence(self, lead_set: str) -> Evidence:
        is_seen = lead_mask(lead_set)
        has_any = (self.store.has_lead[self.rows] & is_seen).any(axis=1)
        rows = [row for row in self.rows[has_any].tolist() if self.marks[row] is not None]
        if not rows:
            raise RecipeError(f"lead set {lead_set!r}: no recording with marks has these leads")
        usual, with_ends = [], []
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            present = [self.store.has_lead[row] & is_seen for row in some]
            signals = [self._signal(row, has) for row, has in zip(some, present, strict=True)]
            found = self.delineator.marks(signals, present)
            for row, has, waves in zip(some, present, found, strict=True):
                pairs = _pairs(self.marks[row] or (), waves, has)
                usual.append(_counts(score_waves(pairs)))
                with_ends.append(_counts(score_waves(pairs, beyond_ends=True)))
        names = [" ".join(boundary) for boundary in BOUNDARIES]
        arrays = {"usual": np.array(usual), "with_ends": np.array(with_ends)}
        return Evidence(self.store.patient[rows], arrays, names)

    def _signal(self, row: int, has_lead: NDArray[np.bool_]) -> NDArray[np.float32]:
        length = int(self.store.num_samples[row])
        stored = self.store.read(np.array([row]), np.array([0]), length)[0]
        made: NDArray[np.float32] = stored.astype(np.float32)
        made *= (self.store.scale[row] * has_lead)[:, None]
        return made


def open_run(folder: Path, checkpoint: Checkpoint, settings: Settings) -> WavesRun:
    """A run beside its data.

    Raises:
        StoreError: there is no such store.
        RecipeError: nothing in the split.
    """
    store, scheme = open_store(checkpoint, settings, folder)
    split, rows = choose_split(store, None, scheme, settings.split)
    device = None if settings.device == "auto" else settings.device
    delineator = delineator_of(Model(checkpoint, device, source=folder))
    return WavesRun(folder, store, split, rows, stored_marks(store), delineator, settings)


def statistics(evidence: Evidence) -> dict[str, Statistic]:
    """The means over boundaries."""
    arrays = evidence.arrays
    each = [
        _of_boundary(arrays["usual"][:, n], arrays["with_ends"][:, n])
        for n in range(len(evidence.label_names))
    ]
    return {name: _mean([of[name] for of in each]) for name in score_names(())}


def score_names(label_names: Sequence[str]) -> list[str]:
    """What `statistics` tells; errors of several boundaries have no mean that says anything."""
    return ["f1", "f1_with_ends", "se", "ppv"]


def report(path: Path, runs: Sequence[WavesRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores and logs in one HTML file."""
    main = runs[0]
    lead_sets = list(dict.fromkeys(score.lead_set for score in scores))
    by_run: dict[str, dict[str, tuple[float, float, float]]] = {}
    for score in scores:
        by_run.setdefault(score.run, {})[score.lead_set] = triples(score.macro)["f1_with_ends"]
    waves_report.write(
        path,
        command([run.folder for run in runs], lead_sets, main.settings),
        about(main.store, main.split, len(main.rows), main.settings.num_resamples),
        by_run,
        [
            {"run": score.run, "leads": score.lead_set, "boundary": name, **triples(of_boundary),
             "recordings": score.num_records}
            for score in scores
            for name, of_boundary in score.by_class.items()
        ],
        {run.folder.name: log for run in runs if (log := read_log(run.folder))},
    )  # fmt: skip


def _pairs(
    marked: Sequence[Mark], found: Sequence[Mark], has_lead: NDArray[np.bool_]
) -> list[tuple[list[Mark], list[Mark]]]:
    """Marked and found waves of each lead that is there; marks of no lead are of all."""
    return [
        ([m for m in marked if m.lead in (lead, "")], [m for m in found if m.lead == lead])
        for lead, is_there in zip(LEADS, has_lead, strict=True)
        if is_there
    ]


def _counts(tallies: dict[tuple[str, str], Tally]) -> list[list[float]]:
    made = []
    for boundary in BOUNDARIES:
        tally = tallies[boundary]
        errors = 1000 * np.array(tally.errors)
        sums = (float(errors.sum()), float(np.square(errors).sum()))
        made.append([float(len(errors)), float(tally.missed), float(tally.extra), *sums])
    return made


def _of_boundary(usual: Counts, with_ends: Counts) -> dict[str, Statistic]:
    """Scores of one boundary as functions of weights; both are (record, 5)."""

    def ratio(above: tuple[float, ...], below: tuple[float, ...], counts: Counts) -> Statistic:
        top, bottom = counts[:, :3] @ above, counts[:, :3] @ below
        return lambda weights: _divided(top @ weights, bottom @ weights)

    def mean(weights: NDArray[np.float32]) -> Counts:
        return _divided(usual[:, 3] @ weights, usual[:, 0] @ weights)

    def spread(weights: NDArray[np.float32]) -> Counts:
        square = _divided(usual[:, 4] @ weights, usual[:, 0] @ weights)
        made: Counts = np.sqrt(np.maximum(square - np.square(mean(weights)), 0.0))
        return made

    return {
        "se": ratio((1, 0, 0), (1, 1, 0), usual),
        "ppv": ratio((1, 0, 0), (1, 0, 1), usual),
        "f1": ratio((2, 0, 0), (2, 1, 1), usual),
        "f1_with_ends": ratio((2, 0, 0), (2, 1, 1), with_ends),
        "mean_ms": mean,
        "sd_ms": spread,
    }


def _divided(above: Counts, below: Counts) -> Counts:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    def mean(weights: NDArray[np.float32]) -> Counts:
        made: Counts = np.mean([each(weights) for each in statistics], axis=0)
        return made

    return mean


WAVES = Evaluation(open_run, report, statistics, score_names)
