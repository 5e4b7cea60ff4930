"""Time to an event by lead set: Harrell's concordance of the hazards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.checkpoint import Checkpoint
from anylead.evaluation.heads import HeadRun, open_head
from anylead.evaluation.scores import (
    Evaluation,
    Evidence,
    LeadSetScores,
    Settings,
    about,
    command,
    logs_of,
    main_by_run,
    triples,
)
from anylead.metrics.bootstrap import Statistic
from anylead.metrics.survival import concordance
from anylead.pictures import score_report
from anylead.tasks.survival import follow_up


@dataclass
class SurvivalRun(HeadRun):
    """A fine-tuned run, its data, and what it said per lead set."""

    def by_task(self) -> list["SurvivalRun"]:
        """There is one."""
        return [self]

    def evidence(self, lead_set: str) -> Evidence:
        """Time, whether the event ended it, and log hazard of those whose follow-up is known."""
        said = self.predict(lead_set)
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
        evidence = self.evidence(lead_set)
        scores = self.intervals(statistics(evidence), evidence)
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
    """The concordance as a function of weights."""
    time, is_event, hazard = (evidence.arrays[name] for name in ("time", "event", "predicted"))
    return {"concordance": concordance(time, is_event, hazard)}


def score_names(label_names: Sequence[str]) -> list[str]:
    """What `statistics` tells."""
    return ["concordance"]


def report(path: Path, runs: Sequence[SurvivalRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores and logs in one HTML file."""
    main = runs[0]
    settings = main.head.settings
    lead_sets = list(dict.fromkeys(score.lead_set for score in scores))
    score_report.write(
        path,
        score_report.Facts(
            title="Time to an event by lead set",
            command=command([run.folder for run in runs], lead_sets, settings),
            about=about(main.store, main.split, len(main.head.rows), settings.num_resamples),
            score_name="concordance",
            meaning="Share of pairs of recordings whose order in time the hazards tell; .5 is"
            " chance.",
            score_by_run=main_by_run(scores, "concordance"),
            rows=[
                {"run": score.run, "leads": score.lead_set, **triples(score.macro),
                 "recordings": score.num_records}
                for score in scores
            ],
            columns="A pair counts where the earlier of the two times is that of an event"
            " (Harrell et al. 1982).",
            logs=logs_of(runs),
        ),
    )  # fmt: skip


SURVIVAL = Evaluation(open_run, report, statistics, score_names)
