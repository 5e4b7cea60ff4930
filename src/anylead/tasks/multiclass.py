"""Classes that exclude each other: a softmax over them, one class for each recording."""

import logging
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anylead.errors import RecipeError
from anylead.loading import Labels, evaluation_batches
from anylead.losses.label_losses import softmax_cross_entropy
from anylead.metrics.classification import classification_scores
from anylead.tasks.labels import (
    Loss,
    check_valid_rows,
    choose_label_task,
    make_criterion,
    names_of,
)
from anylead.tasks.linear_head import LinearHead
from anylead.tasks.prediction import predict
from anylead.tasks.setup import Run, Task, TaskParts, Verdict

_log = logging.getLogger(__name__)


def choose_one_task(store: Any, wanted: str | None) -> str:
    """The label task asked for, or the only one.

    Raises:
        RecipeError: none, or several at once.
    """
    task = choose_label_task(store, wanted)
    if "+" in task:
        raise RecipeError(f"labels.task {task}: classes of several tasks exclude each other not")
    return task


def exclusive_labels(store: Any, task: str) -> Labels:
    """The labels of a task; those of a recording with no class or several are unknown."""
    label, is_known = store.labels(task)
    has_one = is_known.any(axis=1) & ((label == 1).sum(axis=1) == 1)
    return Labels(label, store.label_names(task), np.repeat(has_one[:, None], label.shape[1], 1))


class MulticlassSetup:
    """See `TaskSetup`.

    Raises:
        RecipeError: fewer than two classes, or no recording with one to learn from or validate.
    """

    score_name = "valid_auroc"

    def __init__(self, parts: TaskParts):
        self.parts = parts
        self.label_task = choose_one_task(parts.store, parts.labels.task)
        self.labels = exclusive_labels(parts.store, self.label_task)
        self.train_rows = self._with_one_class(parts.train_rows, "training")
        self.valid_rows = self._with_one_class(parts.valid_rows, "validation")
        check_valid_rows(parts, self.valid_rows, self.label_task)
        count = self.labels.label[self.train_rows].sum(axis=0)
        if (count > 0).sum() < 2:
            raise RecipeError(f"{self.label_task}: fewer than two classes to learn; want 2 or more")
        balanced = np.where(count > 0, count.sum() / (len(count) * np.maximum(count, 1)), 1.0)
        losses: dict[str, Loss] = {
            "cross_entropy": softmax_cross_entropy,
            "focal": partial(softmax_cross_entropy, gamma=parts.loss.gamma),
        }
        names = self.labels.names
        criterion = make_criterion(parts, losses, partial(Tensor.softmax, dim=-1), names, balanced)
        self.module = LinearHead(
            *(parts.encoder, len(names), parts.augment, parts.average, criterion), head=parts.head
        )

    def validate(self, run: Run) -> Verdict:
        """Macro AUROC of each class against the others, and accuracy."""
        rows = run.rows_with_leads(self.parts.store, self.valid_rows)
        batches = evaluation_batches(
            self.parts.store, rows, self.parts.segment_seconds, run.batch_size
        )
        predictions = predict(self.module, batches, run.device, run.precision, run.restrict)
        label = self.labels.of(predictions.row)
        score = classification_scores(label, predictions.softmax).macro_auroc
        is_right = predictions.logits.argmax(axis=1) == label.argmax(axis=1)
        return Verdict(float(score), {"valid_accuracy": float(is_right.mean())})

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training."""
        return self.module.weights()

    def describe(self) -> dict[str, Any]:
        """The keys of the checkpoint."""
        return {
            "kind": "multiclass",
            "task": self.label_task,
            "label_names": list(self.labels.names),
            "head": self.parts.head,
        }

    def _with_one_class(self, rows: NDArray[np.int64], split: str) -> NDArray[np.int64]:
        known = self.labels.known
        kept = rows if known is None else rows[known[rows].all(axis=1)]
        if len(kept) < len(rows):
            _log.warning(
                "task multiclass: %d of %d %s recordings have no class of %s or several, and are"
                " left out; labels that occur together are for --task classification",
                *(len(rows) - len(kept), len(rows), split, self.label_task),
            )
        return kept


MULTICLASS = Task(choose_one_task, MulticlassSetup, names_of)
