"""Numbers of a recording, such as age or ejection fraction.

Targets are measured in spreads of the training recordings; unknown ones teach nothing. The head
that is kept answers in the targets' own unit.
"""

from typing import Any

import numpy as np
from torch import Tensor

from anylead.errors import RecipeError
from anylead.loading import Labels, evaluation_batches
from anylead.losses.label_losses import absolute, huber, squared
from anylead.metrics.regression import regression_scores
from anylead.store import Store
from anylead.tasks.labels import check_valid_rows, make_criterion
from anylead.tasks.linear_head import LinearHead
from anylead.tasks.prediction import predict
from anylead.tasks.setup import Run, Task, TaskParts, Verdict

_LOSSES = {"squared": squared, "absolute": absolute, "huber": huber}


def choose_measurements(store: Store, wanted: str | None) -> str:
    """The measurements asked for, joined by "+", or the only one.

    Raises:
        RecipeError: none is named and the store has several, or none at all.
        StoreError: no such measurement.
    """
    if wanted is not None:
        measured(store, wanted)  # raises
        return wanted
    known = store.measurement_names
    if len(known) != 1:
        raise RecipeError(f"labels.task: name one of the store's measurements {list(known)}")
    return known[0]


def measured(store: Store, task: str) -> Labels:
    """Targets of all rows, in their own units.

    Raises:
        StoreError: no such measurement.
    """
    names = tuple(task.split("+"))
    values = np.stack([store.measurement(name) for name in names], axis=1)
    return Labels(np.nan_to_num(values).astype(np.float32), names, np.isfinite(values))


class RegressionSetup:
    """See `TaskSetup`.

    Raises:
        RecipeError: a target that does not vary, or is known of no recording of a split.
    """

    score_name = "valid_r2"

    def __init__(self, parts: TaskParts):
        self.parts = parts
        self.task = choose_measurements(parts.store, parts.labels.task)
        self.train_rows = parts.train_rows
        check_valid_rows(parts, parts.valid_rows, self.task)
        self.targets = measured(parts.store, self.task)
        known = self.targets.of(parts.train_rows).astype(np.float64)
        few = [
            name
            for name, column in zip(self.targets.names, known.T, strict=True)
            if len(np.unique(column[np.isfinite(column)])) < 2
        ]
        if few:
            raise RecipeError(
                f"{few[0]}: one value or none among {len(known)} training recordings; nothing to"
                " learn"
            )
        self.middle, self.spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        in_spreads = (self.targets.label - self.middle) / self.spread
        self.labels = Labels(in_spreads.astype(np.float32), self.targets.names, self.targets.known)
        criterion = make_criterion(parts, _LOSSES, lambda outputs: outputs, self.targets.names)
        self.module = LinearHead(
            *(parts.encoder, len(self.targets.names), parts.augment, parts.average, criterion),
            head=parts.head,
        )

    def validate(self, run: Run) -> Verdict:
        """R2, the mean over targets; the mean error of each in its own unit."""
        rows = run.rows_with_leads(self.parts.store, self.parts.valid_rows)
        batches = evaluation_batches(
            self.parts.store, rows, self.parts.segment_seconds, run.batch_size
        )
        predictions = predict(self.module, batches, run.device, run.precision, run.restrict)
        found = predictions.logits * self.spread + self.middle
        scores = regression_scores(self.targets.of(predictions.row).astype(np.float64), found)
        errors = dict(zip(self.targets.names, scores.mae.tolist(), strict=True))
        return Verdict(float(scores.r2.mean()), {"valid_mae": errors})

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training; the head in the targets' own units."""
        weights = self.module.weights()
        bias = weights["head.bias"]
        spread, middle = bias.new_tensor(self.spread), bias.new_tensor(self.middle)
        return {
            **weights,
            "head.weight": weights["head.weight"] * spread[:, None],
            "head.bias": bias * spread + middle,
        }

    def describe(self) -> dict[str, Any]:
        """The keys of the checkpoint."""
        return {
            "kind": "regression",
            "task": self.task,
            "label_names": list(self.targets.names),
            "head": self.parts.head,
            "target_middle": self.middle.tolist(),
            "target_spread": self.spread.tolist(),
        }


def _targets(store: Store, task: str | None) -> tuple[str, ...]:
    return () if task is None else tuple(task.split("+"))


REGRESSION = Task(choose_measurements, RegressionSetup, _targets)
