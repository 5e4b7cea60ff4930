"""Diagnosis by lead set: AUROC, AUPRC, F1 and the CinC 2021 score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.checkpoint import Checkpoint
from anylead.errors import CheckpointError
from anylead.evaluation.heads import HeadRun, open_head
from anylead.evaluation.scores import Evidence, LeadSetScores, Settings
from anylead.loading import Labels
from anylead.metrics import cinc_score, weighted
from anylead.metrics.bootstrap import Interval, Statistic
from anylead.metrics.classification import classification_scores
from anylead.metrics.thresholds import thresholds_for
from anylead.tasks import columns_by_task
from anylead.tasks.multiclass import exclusive_labels

# The score of the challenge -> which decisions it is of.
_CINC = {
    "cinc": "is_predicted_half",
    "cinc_f1": "is_predicted",
    "cinc_best": "is_predicted_best",
}


@dataclass
class ClassificationRun(HeadRun):
    """A fine-tuned run, its data, and what it predicted per lead set.

    `columns` are those of `task` among the outputs; with label tasks that were learned together
    there is a run for each, and all of them share `predictions`. Where classes are exclusive, the
    most probable one is the answer; else thresholds decide.
    """

    task: str
    columns: slice
    labels: Labels
    thresholds: Mapping[str, Any]
    is_exclusive: bool = False

    def by_task(self) -> list["ClassificationRun"]:
        """A run for each label task that was learned."""
        columns = columns_by_task(self.task, self.names)
        return [replace(self, task=task, columns=part) for task, part in columns.items()]

    def evidence(self, lead_set: str) -> Evidence:
        """Labels, probabilities and decisions by thresholds that validation chose for the leads.

        Of recordings that are labelled for the task.
        """
        predictions = self.predict(lead_set)
        label = self.labels.of(predictions.row)[:, self.columns]
        is_told = np.isfinite(label).any(axis=1)
        own = predictions.softmax if self.is_exclusive else predictions.probability
        probability = own[is_told]
        arrays: dict[str, NDArray[Any]] = {
            "label": label[is_told],
            "probability": probability[:, self.columns],
        }
        if self.is_exclusive:
            chosen = probability.argmax(axis=1)
            arrays["is_predicted"] = chosen[:, None] == np.arange(probability.shape[1])
            arrays["is_right"] = label[is_told].argmax(axis=1) == chosen
        else:
            arrays |= self._decided(probability, lead_set)
        names = [name.removeprefix(f"{self.task}/") for name in self.names[self.columns]]
        return Evidence(self.store.patient[predictions.row[is_told]], arrays, names)

    def _decided(self, probability: NDArray[np.float64], lead_set: str) -> dict[str, NDArray[Any]]:
        """By thresholds; (record, class) each."""
        arrays: dict[str, NDArray[Any]] = {}
        decided = {"is_predicted": "thresholds"}
        if cinc_score.is_challenge(self.names):
            arrays["is_predicted_half"] = probability >= 0.5
            decided["is_predicted_best"] = "cinc_thresholds"
        for name, fact in decided.items():
            is_predicted = probability >= self.thresholds_of(fact, lead_set)
            arrays[name] = is_predicted[:, self.columns]
        return arrays

    def thresholds_of(self, fact: str, lead_set: str) -> NDArray[np.float64]:
        """(class,) thresholds of the checkpoint for a lead set; .5 where it has none."""
        return thresholds_for(self.thresholds.get(fact), self.names, lead_set)

    def score(self, lead_set: str) -> LeadSetScores:
        """All scores with their intervals."""
        evidence = self.evidence(lead_set)
        num_scored = len(evidence.patient)
        is_scored = classification_scores(
            evidence.arrays["label"], evidence.arrays["probability"]
        ).is_scored
        by_class = {
            name: self._scores(one_class(evidence, i))
            for i, name in enumerate(evidence.label_names)
            if is_scored[i]
        }
        label = evidence.arrays["label"]
        not_scored = {
            name: f"no {'negative' if (label[:, i] == 1).any() else 'positive'} recording"
            for i, name in enumerate(evidence.label_names)
            if not is_scored[i]
        }
        return LeadSetScores(
            self.name,
            lead_set,
            self._scores(evidence),
            by_class,
            num_scored,
            self._num_labelled() - num_scored,
            not_scored,
        )

    @property
    def names(self) -> list[str]:
        """All classes of the head."""
        return self.head.names

    @property
    def name(self) -> str:
        """Of the run, and of the task where several were learned."""
        is_all = self.columns == slice(0, len(self.names))
        return self.folder.name if is_all else f"{self.folder.name}, {self.task}"

    def _scores(self, evidence: Evidence) -> dict[str, Interval]:
        return self.intervals(statistics(evidence), evidence)

    def _num_labelled(self) -> int:
        label = self.labels.of(self.head.rows)[:, self.columns]
        return int(np.isfinite(label).any(axis=1).sum())


def open_run(folder: Path, checkpoint: Checkpoint, settings: Settings) -> ClassificationRun:
    """A run beside its data.

    Raises:
        CheckpointError: its labels are not those of the store.
    """
    described = checkpoint.description
    head = open_head(folder, checkpoint, settings)
    if list(head.store.label_names(head.task)) != head.names:
        raise CheckpointError(f"{folder}: its labels are {head.names}, those of the store differ")
    label, is_known = head.store.labels(head.task)
    return ClassificationRun(
        folder=folder,
        task=head.task,
        columns=slice(0, len(head.names)),
        head=head,
        labels=Labels(label, tuple(head.names), is_known),
        thresholds={
            fact: described[fact]
            for fact in ("thresholds", "cinc_thresholds")
            if described.get(fact)
        },
    )


def open_multiclass(folder: Path, checkpoint: Checkpoint, settings: Settings) -> ClassificationRun:
    """Likewise where classes exclude each other.

    Raises:
        CheckpointError: its labels are not those of the store.
    """
    opened = open_run(folder, checkpoint, settings)
    labels = exclusive_labels(opened.store, opened.task)
    return replace(opened, labels=labels, is_exclusive=True)


def statistics(evidence: Evidence) -> dict[str, Statistic]:
    """Macro scores as functions of weights.

    The score of the challenge is told at .5, as the official code and the paper have it (`cinc`),
    at the thresholds with the best F1 (`cinc_f1`) and at those chosen for it (`cinc_best`). Classes
    that exclude each other have an accuracy.
    """
    label, probability, is_predicted = (
        evidence.arrays[name] for name in ("label", "probability", "is_predicted")
    )
    scores = {
        "auroc": weighted.macro_auroc(label, probability),
        "auprc": weighted.macro_auprc(label, probability),
        "f1": weighted.macro_f1(label, is_predicted),
    }
    is_whole = not np.isnan(label.astype(np.float64)).any()
    if is_whole and "is_predicted_half" in evidence.arrays and evidence.label_names:
        for name, key in _CINC.items():
            scores[name] = weighted.cinc(label, evidence.arrays[key], evidence.label_names)
    if "is_right" in evidence.arrays:
        scores["accuracy"] = weighted.mean(evidence.arrays["is_right"])
    return scores


def one_class(evidence: Evidence, index: int) -> Evidence:
    """The evidence of one class alone."""
    arrays = {
        name: array[:, index : index + 1]
        for name, array in evidence.arrays.items()
        if array.ndim == 2
    }
    return Evidence(evidence.patient, arrays, [])


def score_names(label_names: Sequence[str]) -> list[str]:
    """What `statistics` tells of classes of these names."""
    return ["auroc", "auprc", "f1", *(_CINC if cinc_score.is_challenge(label_names) else ())]


def multiclass_score_names(label_names: Sequence[str]) -> list[str]:
    """Likewise of classes that exclude each other."""
    return [*score_names(label_names), "accuracy"]
