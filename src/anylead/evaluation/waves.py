"""Boundaries of waves by lead set: F1, sensitivity, predictive value and errors in ms.

Each lead of the set is scored against the marks of that lead (see `metrics/waves.py`); the model
sees the leads of the set and no others. Intervals are over patients. A model that tells beats is
scored by their classes (see `metrics/beats.py`).
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
    intervals,
    logs_of,
    main_by_run,
    open_store,
    triples,
)
from anylead.inference.delineator import Delineator, delineator_of
from anylead.inference.model import Model
from anylead.leads import LEADS, lead_mask
from anylead.metrics.beats import confusion, true_false_missed
from anylead.metrics.bootstrap import Statistic, mean_of
from anylead.metrics.waves import BOUNDARIES, Tally, by_lead, score_waves
from anylead.pictures import score_report
from anylead.records import Mark
from anylead.signals.beat_rules import CLASSES as BEATS
from anylead.store import Store
from anylead.store.marks import stored_marks

_AT_ONCE = 16  # recordings
_OF_WAVES = ["f1", "f1_with_ends", "se", "ppv"]
_MEANT = {*BEATS, *(" ".join(boundary) for boundary in BOUNDARIES)}
_MEANING = (
    "F1 of boundaries within 150 ms, the mean over six; found boundaries may lie beyond the first"
    " and last marked QRS.",
    "F1 of beats within 150 ms, the mean over the AAMI classes that were marked.",
)
_COLUMNS = (
    "se: sensitivity; ppv: positive predictive value; f1 as usual for LUDB, where the first QRS"
    " onset counts as missed as soon as it is found a sample early; f1 with ends lets it lie"
    " beyond; mean and sd of the error in ms.",
    "se: sensitivity; ppv: positive predictive value. Fusion and unknown beats that are called"
    " ventricular, and unknown ones that are called supraventricular, do not count as false.",
)
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
        by_class = {
            name: intervals(_of_class(evidence, n), evidence, self.settings)
            for n, name in enumerate(evidence.label_names)
        }
        absent = [name for n, name in enumerate(evidence.label_names) if not _occurs(evidence, n)]
        num = len(evidence.patient)
        return LeadSetScores(
            run=self.folder.name,
            lead_set=lead_set,
            macro=intervals(statistics(evidence), evidence, self.settings),
            by_class={name: each for name, each in by_class.items() if name not in absent},
            num_records=num,
            num_left_out=len(self.rows) - num,
            not_scored=dict.fromkeys(absent, "never marked"),
        )

    def _evidence(self, lead_set: str) -> Evidence:
        is_seen = lead_mask(lead_set)
        has_any = (self.store.has_lead[self.rows] & is_seen).any(axis=1)
        rows = [row for row in self.rows[has_any].tolist() if self.marks[row] is not None]
        if not rows:
            raise RecipeError(f"lead set {lead_set!r}: no recording with marks has these leads")
        patient = self.store.patient[rows]
        if self.delineator.classes == BEATS:
            table = [self._confusion(row, self.store.has_lead[row] & is_seen) for row in rows]
            counts = true_false_missed(np.array(table)).astype(np.float64)
            return Evidence(patient, {"beats": counts}, [*BEATS, "any beat"])
        usual, with_ends = [], []
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            present = [self.store.has_lead[row] & is_seen for row in some]
            signals = [self._signal(row, has) for row, has in zip(some, present, strict=True)]
            found = self.delineator.marks(signals, present)
            for row, has, waves in zip(some, present, found, strict=True):
                pairs = by_lead(self.marks[row] or (), waves, [LEADS[n] for n in has.nonzero()[0]])
                usual.append(_counts(score_waves(pairs)))
                with_ends.append(_counts(score_waves(pairs, beyond_ends=True)))
        names = [" ".join(boundary) for boundary in BOUNDARIES]
        arrays = {"usual": np.array(usual), "with_ends": np.array(with_ends)}
        return Evidence(patient, arrays, names)

    def _confusion(self, row: int, has_lead: NDArray[np.bool_]) -> NDArray[np.int64]:
        found = self.delineator.beats(self._signal(row, has_lead), has_lead)
        return confusion(self.marks[row] or (), found)

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
    """The means over boundaries, or over the classes of beats that were marked."""
    names = evidence.label_names
    numbers = [n for n in range(len(names)) if _occurs(evidence, n) and names[n] in _MEANT]
    each = [_of_class(evidence, n) for n in numbers]
    return {name: mean_of([of[name] for of in each]) for name in score_names(names)}


def score_names(label_names: Sequence[str]) -> list[str]:
    """What `statistics` tells; errors of several boundaries have no mean that says anything."""
    return ["f1", "se", "ppv"] if set(BEATS) <= set(label_names) else _OF_WAVES


def report(path: Path, runs: Sequence[WavesRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores and logs in one HTML file."""
    main = runs[0]
    lead_sets = list(dict.fromkeys(score.lead_set for score in scores))
    is_of_beats = "f1_with_ends" not in scores[0].macro
    main_score = "f1" if is_of_beats else "f1_with_ends"
    score_report.write(
        path,
        score_report.Facts(
            title=f"{'Beats' if is_of_beats else 'Waves'} by lead set",
            command=command([run.folder for run in runs], lead_sets, main.settings),
            about=about(main.store, main.split, len(main.rows), main.settings.num_resamples),
            score_name="F1",
            meaning=_MEANING[is_of_beats],
            score_by_run=main_by_run(scores, main_score),
            rows=[
                {"run": score.run, "leads": score.lead_set, "of": name, **triples(of_class),
                 "recordings": score.num_records}
                for score in scores
                for name, of_class in score.by_class.items()
            ],
            columns=_COLUMNS[is_of_beats],
            logs=logs_of(runs),
        ),
    )  # fmt: skip


def _counts(tallies: dict[tuple[str, str], Tally]) -> list[list[float]]:
    made = []
    for boundary in BOUNDARIES:
        tally = tallies[boundary]
        errors = 1000 * np.array(tally.errors)
        sums = (float(errors.sum()), float(np.square(errors).sum()))
        made.append([float(len(errors)), float(tally.missed), float(tally.extra), *sums])
    return made


def _occurs(evidence: Evidence, number: int) -> bool:
    """Whether a boundary or class was marked at all."""
    if "beats" in evidence.arrays:
        return bool(evidence.arrays["beats"][:, number, [0, 2]].sum())
    return bool(evidence.arrays["usual"][:, number, :2].sum())


def _of_class(evidence: Evidence, number: int) -> dict[str, Statistic]:
    """Scores of one boundary or class as functions of weights."""
    if "beats" in evidence.arrays:
        right, wrong, missed = evidence.arrays["beats"][:, number].T
        return _rates(right, wrong, missed)
    usual, with_ends = (evidence.arrays[name][:, number] for name in ("usual", "with_ends"))
    hit, missed, extra = usual[:, :3].T
    ends_hit, ends_missed, ends_extra = with_ends[:, :3].T

    def mean(weights: NDArray[np.float32]) -> Counts:
        return _divided(usual[:, 3] @ weights, usual[:, 0] @ weights)

    def spread(weights: NDArray[np.float32]) -> Counts:
        square = _divided(usual[:, 4] @ weights, usual[:, 0] @ weights)
        made: Counts = np.sqrt(np.maximum(square - np.square(mean(weights)), 0.0))
        return made

    return {
        **_rates(hit, extra, missed),
        "f1_with_ends": _rates(ends_hit, ends_extra, ends_missed)["f1"],
        "mean_ms": mean,
        "sd_ms": spread,
    }


def _rates(right: Counts, wrong: Counts, missed: Counts) -> dict[str, Statistic]:
    """Sensitivity, positive predictive value and F1 from counts by recording."""

    def ratio(above: Counts, below: Counts) -> Statistic:
        return lambda weights: _divided(above @ weights, below @ weights)

    return {
        "se": ratio(right, right + missed),
        "ppv": ratio(right, right + wrong),
        "f1": ratio(2 * right, 2 * right + wrong + missed),
    }


def _divided(above: Counts, below: Counts) -> Counts:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


WAVES = Evaluation(open_run, report, statistics, score_names, ("num_draws", "sessions", "level"))
