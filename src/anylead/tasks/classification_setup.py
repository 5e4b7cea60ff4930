"""Diagnosis made ready for a store: labels, validation by macro AUROC, thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from anylead.errors import RecipeError
from anylead.loading import Labels, evaluation_batches
from anylead.metrics.cinc_score import choose_thresholds, is_challenge
from anylead.metrics.classification import classification_scores
from anylead.metrics.thresholds import best_f1_thresholds
from anylead.store import Store
from anylead.tasks.classification import Classification
from anylead.tasks.prediction import predict
from anylead.tasks.setup import Run, Task, TaskParts, Verdict


def choose_label_task(store: Store, wanted: str | None) -> str:
    """The label task asked for, or the only one.

    Raises:
        RecipeError: none is named and the store has several, or none at all.
    """
    known = list(store.manifest.label_names)
    if wanted is not None:
        store.label_names(wanted)  # raises
        return wanted
    if len(known) != 1:
        raise RecipeError(f"labels.task: name one of the store's label tasks {known}")
    return known[0]


def columns_by_task(task: str, names: Sequence[str]) -> dict[str, slice]:
    """Task -> its columns among the classes of a task, or of several joined by "+"."""
    if "+" not in task:
        return {task: slice(0, len(names))}
    owner = [name.partition("/")[0] for name in names]  # classes are named "task/class"
    return {
        part: slice(owner.index(part), owner.index(part) + owner.count(part))
        for part in task.split("+")
    }


class ClassificationSetup:
    """See `TaskSetup`.

    Raises:
        RecipeError: no labelled recording to validate with.
    """

    score_name = "valid_auroc"

    def __init__(self, parts: TaskParts):
        self.parts = parts
        self.label_task = choose_label_task(parts.store, parts.labels.task)
        if not len(parts.valid_rows):
            raise RecipeError(
                f"no recording in the validation split has labels of {self.label_task!r}"
            )
        label, is_known = parts.store.labels(self.label_task)
        names = parts.store.label_names(self.label_task)
        self.labels = Labels(label, names, is_known)
        self.module = Classification(
            parts.encoder, len(names), parts.augment, parts.average, parts.head
        )

    def validate(self, run: Run) -> Verdict:
        """Macro AUROC, the mean over joined tasks; thresholds with the best F1 and CinC score."""
        parts, rows = self.parts, self.parts.valid_rows
        rows = rows[run.restrict.is_kept(parts.store.has_lead[rows]).any(axis=1)]
        if not len(rows):
            raise RecipeError("no recording in the validation split has any of the leads")
        batches = evaluation_batches(parts.store, rows, parts.segment_seconds, run.batch_size)
        predictions = predict(self.module, batches, run.device, run.precision, run.restrict)
        label = self.labels.of(predictions.row)
        scores = [
            classification_scores(
                label[:, columns], predictions.probability[:, columns]
            ).macro_auroc
            for columns in columns_by_task(self.label_task, self.labels.names).values()
        ]
        thresholds = best_f1_thresholds(label, predictions.probability)
        facts = {"thresholds": thresholds.tolist()}
        if is_challenge(self.labels.names) and np.isfinite(label).all():
            own = choose_thresholds(label, predictions.probability, self.labels.names)
            facts["cinc_thresholds"] = own.tolist()
        return Verdict(float(np.mean(scores)), facts)

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training."""
        return self.module.weights()

    def describe(self) -> dict[str, Any]:
        """The keys of a classification checkpoint."""
        return {
            "kind": "classification",
            "task": self.label_task,
            "label_names": list(self.labels.names),
            "head": self.parts.head,
        }


CLASSIFICATION = Task(choose_label_task, ClassificationSetup)
