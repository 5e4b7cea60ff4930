"""Diagnosis made ready for a store: labels, validation by macro AUROC, thresholds."""

from typing import Any

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
        return wanted
    if len(known) != 1:
        raise RecipeError(f"labels.task: name one of the store's label tasks {known}")
    return known[0]


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
        self.labels = Labels(label, tuple(parts.store.manifest.label_names[self.label_task]))
        self.module = Classification(parts.encoder, len(self.labels.names), parts.augment)

    def validate(self, run: Run) -> Verdict:
        """Macro AUROC, and the thresholds with the best F1 and the best score of the challenge."""
        parts, rows = self.parts, self.parts.valid_rows
        rows = rows[run.restrict.is_kept(parts.store.has_lead[rows]).any(axis=1)]
        if not len(rows):
            raise RecipeError("no recording in the validation split has any of the leads")
        batches = evaluation_batches(parts.store, rows, parts.segment_seconds, run.batch_size)
        predictions = predict(self.module, batches, run.device, run.precision, run.restrict)
        label = self.labels.label[predictions.row]
        score = classification_scores(label, predictions.probability).macro_auroc
        thresholds = best_f1_thresholds(label, predictions.probability)
        facts = {"thresholds": thresholds.tolist()}
        if is_challenge(self.labels.names):
            own = choose_thresholds(label, predictions.probability, self.labels.names)
            facts["cinc_thresholds"] = own.tolist()
        return Verdict(score, facts)

    def describe(self) -> dict[str, Any]:
        """The keys of a classification checkpoint."""
        return {
            "kind": "classification",
            "task": self.label_task,
            "label_names": list(self.labels.names),
        }


CLASSIFICATION = Task(choose_label_task, ClassificationSetup)
