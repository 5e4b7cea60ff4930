"""Time to an event by lead set: Harrell's concordance of the hazards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.checkpoint import Checkpoint
from anylead.evaluation.heads import Head, open_head
from anylead.evaluation.scores import (
    Evaluation,
    Evidence,
    LeadSetScores,
    Settings,
    about,
    command,
    read_log,
    triples,
)
from anylead.metrics.bootstrap import Interval, Statistic, bootstrap_interval
from anylead.pictures import score_report
from anylead.store import Store
from anylead.tasks import Predictions
from anylead.tasks.survival import follow_up

_EVENTS_AT_ONCE = 256


@dataclass
class SurvivalRun:
    """A fine-tuned run, its data, and what it said per lead set."""

    folder: Path
    head: Head
    predictions: dict[str, Predictions] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """Of the recordings."""
        return self.head.store

    @property
    def split(self) -> str:
        """What is scored."""
        return self.head.split

    def by_task(self) -> list["SurvivalRun"]:
        """There is one."""
        return [self]

    def evidence(self, lead_set: str) -> Evidence:
        """Time, whether the event ended it, and log hazard of those whose follow-up is known."""
        if lead_set not in self.predictions:
            self.predictions[lead_set] = self.head.predict(lead_set)
        said = self.predictions[lead_set]
        time, is_event = follow_up(self.store, self.head.task)
        known = np.isfinite(time[said.row])
        rows = said.row[known]
        arrays: dict[str, NDArray[Any]] = {
            "time": time[rows],
            "event": is_event[rows],
            "predicted": said.logits[known, 0].astype(np.float64),
        }
        return Evidence(self.store.patient[rows], arrays, self.head.names)

    def score(self, lead_set: str) -> LeadSetScores:
        """The concordance with its interval."""
        evidence, settings = self.evidence(lead_set), self.head.settings
        scores: dict[str, Interval] = {
            name: bootstrap_interval(each, evidence.patient, settings.num_resamples, settings.seed)
            for name, each in statistics(evidence).items()
        }
        num = len(evidence.patient)
        names = self.head.names
        return LeadSetScores(
            self.folder.name, lead_set, scores, {names[0]: scores}, num, len(self.head.rows) - num
        )


def open_run(folder: Path, checkpoint: Checkpoint, settings: Settings) -> SurvivalRun:
    """A run beside its data.

    Raises:
        StoreError: the store does not know the follow-up.
    """
    return SurvivalRun(folder, open_head(folder, checkpoint, settings))


def statistics(evidence: Evidence) -> dict[str, Statistic]:
    """The concordance as a function of weights; a pair weighs as both of its recordings."""
    time, is_event, hazard = (evidence.arrays[name] for name in ("time", "event", "predicted"))
    events = np.flatnonzero(is_event)

    def concordance(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        right = np.zeros(weights.shape[1])
        pairs = np.zeros(weights.shape[1])
        for first in range(0, len(events), _EVENTS_AT_ONCE):
            some = events[first : first + _EVENTS_AT_ONCE]
            is_later = (time > time[some, None]) | ((time == time[some, None]) & ~is_event)
            lower, equal = hazard < hazard[some, None], hazard == hazard[some, None]
            told = (is_later * (lower + 0.5 * equal)).astype(np.float32)
            pairs += (weights[some] * (is_later.astype(np.float32) @ weights)).sum(axis=0)
            right += (weights[some] * (told @ weights)).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0, right / pairs, np.nan)

    return {"concordance": concordance}


def score_names(label_names: Sequence[str]) -> list[str]:
    """What `statistics` tells."""
    return ["concordance"]


def report(path: Path, runs: Sequence[SurvivalRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores and logs in one HTML file."""
    main = runs[0]
    settings = main.head.settings
    lead_sets = list(dict.fromkeys(score.lead_set for score in scores))
    by_run: dict[str, dict[str, tuple[float, float, float]]] = {}
    for score in scores:
        by_run.setdefault(score.run, {})[score.lead_set] = triples(score.macro)["concordance"]
    score_report.write(
        path,
        score_report.Facts(
            title="Time to an event by lead set",
            command=command([run.folder for run in runs], lead_sets, settings),
            about=about(main.store, main.split, len(main.head.rows), settings.num_resamples),
            score_name="concordance",
            meaning="Share of pairs of recordings whose order in time the hazards tell; .5 is"
            " chance.",
            score_by_run=by_run,
            rows=[
                {"run": score.run, "leads": score.lead_set, **triples(score.macro),
                 "recordings": score.num_records}
                for score in scores
            ],
            columns="A pair counts where the earlier of the two times is that of an event"
            " (Harrell et al. 1982).",
            logs={run.folder.name: log for run in runs if (log := read_log(run.folder))},
        ),
    )  # fmt: skip


SURVIVAL = Evaluation(open_run, report, statistics, score_names)
