"""Diagnosis made ready for a store: labels, validation by macro AUROC, thresholds."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.loading import Labels, evaluation_batches
from anylead.losses import label_losses
from anylead.metrics.cinc_score import choose_thresholds, is_challenge
from anylead.metrics.classification import classification_scores
from anylead.metrics.thresholds import best_f1_thresholds
from anylead.tasks.labels import (
    Loss,
    check_valid_rows,
    choose_label_task,
    columns_by_task,
    make_criterion,
    names_of,
)
from anylead.tasks.linear_head import LinearHead
from anylead.tasks.prediction import predict
from anylead.tasks.setup import LossConfig, Run, Task, TaskParts, Verdict


class ClassificationSetup:
    """See `TaskSetup`.

    Raises:
        RecipeError: no labelled recording to validate with.
    """

    score_name = "valid_auroc"

    def __init__(self, parts: TaskParts):
        self.parts, self.train_rows = parts, parts.train_rows
        self.label_task = choose_label_task(parts.store, parts.labels.task)
        check_valid_rows(parts, parts.valid_rows, self.label_task)
        label, is_known = parts.store.labels(self.label_task)
        names = parts.store.label_names(self.label_task)
        self.labels = Labels(label, names, is_known)
        balanced = negatives_by_positive(label[parts.train_rows], is_known[parts.train_rows])
        criterion = make_criterion(parts, losses(parts.loss), torch.sigmoid, names, balanced)
        self.module = LinearHead(
            *(parts.encoder, len(names), parts.augment, parts.average, criterion), head=parts.head
        )

    def validate(self, run: Run) -> Verdict:
        """Macro AUROC, the mean over joined tasks; thresholds with the best F1 and CinC score."""
        parts = self.parts
        rows = run.rows_with_leads(parts.store, parts.valid_rows)
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


def losses(config: LossConfig) -> dict[str, Loss]:
    """Of labels that may occur together, by name."""
    asymmetric = partial(
        label_losses.asymmetric,
        gamma_positive=config.gamma_positive,
        gamma_negative=config.gamma_negative,
        margin=config.margin,
    )
    focal = partial(label_losses.focal, gamma=config.gamma)
    return {"cross_entropy": label_losses.cross_entropy, "focal": focal, "asymmetric": asymmetric}


def negatives_by_positive(
    label: NDArray[np.uint8], is_known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(class,) how many negatives there are for each positive; 1 where there is none."""
    positive = ((label == 1) & is_known).sum(axis=0)
    negative = is_known.sum(axis=0) - positive
    return np.where(positive > 0, negative / np.maximum(positive, 1), 1.0)


CLASSIFICATION = Task(choose_label_task, ClassificationSetup, names_of)
