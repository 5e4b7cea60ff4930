"""Diagnosis made ready for a store: labels, validation by macro AUROC, thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from anylead.errors import RecipeError
from anylead.loading import Labels, evaluation_batches
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
        label, _ = parts.store.labels(self.label_task)
        self.labels = Labels(label, parts.store.label_names(self.label_task))
        self.module = Classification(
            parts.encoder, len(self.labels.names), parts.augment, parts.average
        )

    def validate(self, run: Run) -> Verdict:
        """Macro AUROC, the mean over joined tasks, and the thresholds with the best F1."""
        parts = self.parts
        batches = evaluation_batches(
            parts.store, parts.valid_rows, parts.segment_seconds, run.batch_size
        )
        predictions = predict(self.module, batches, run.device, run.precision, run.restrict)
        label = self.labels.label[predictions.row]
        scores, thresholds = [], []
        for columns in columns_by_task(self.label_task, self.labels.names).values():
            is_known = (label[:, columns] <= 1).all(axis=1)
            true, said = label[is_known][:, columns], predictions.probability[is_known][:, columns]
            scores.append(classification_scores(true, said).macro_auroc)
            thresholds += best_f1_thresholds(true, said).tolist()
        return Verdict(float(np.mean(scores)), {"thresholds": thresholds})

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training."""
        return self.module.weights()

    def describe(self) -> dict[str, Any]:
        """The keys of a classification checkpoint."""
        return {
            "kind": "classification",
            "task": self.label_task,
            "label_names": list(self.labels.names),
        }


CLASSIFICATION = Task(choose_label_task, ClassificationSetup)
