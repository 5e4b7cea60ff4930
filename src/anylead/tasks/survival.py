"""Time to an event, such as death or a stroke: one number, the log of the relative hazard.

Cox's partial likelihood (1972, JRSS B 34) with Breslow's way of ties, over those that are together
in a batch: the larger the batch, the nearer to that over all. `labels.task` names "TIME+EVENT":
follow-up in any unit, a measurement, and 1 where the event ended it, 0 where it was censored, a
measurement or a class of yes and no.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.errors import RecipeError
from anylead.loading import Labels, evaluation_batches
from anylead.metrics.survival import concordance
from anylead.store import Store
from anylead.tasks.labels import check_valid_rows
from anylead.tasks.linear_head import Criterion, LinearHead
from anylead.tasks.prediction import predict
from anylead.tasks.setup import Run, Task, TaskParts, Verdict

OUTPUT = "log_hazard"
Floats = NDArray[np.float64]


def cox_loss(output: Tensor, target: Tensor) -> Tensor:
    """Negative log of the partial likelihood of each event, 0 for the censored.

    Args:
        output: (batch, segment, 1) log hazards.
        target: the same shape: time of an event, minus the time of censoring; 0 is unknown and in
            nobody's risk set.
    """
    hazard, signed = output.flatten(), target.flatten()
    time = signed.abs()
    # (event, at risk): who was still followed when it came
    is_at_risk = (time[None, :] >= time[:, None]) & (time[None, :] > 0)
    at_risk = hazard[None, :].masked_fill(~is_at_risk, -torch.inf)
    is_event = signed > 0
    total = at_risk.where(is_event[:, None], 0.0).logsumexp(dim=1)
    return ((total - hazard) * is_event).view_as(output)


def choose_follow_up(store: Store, wanted: str | None) -> str:
    """The two measurements asked for.

    Raises:
        RecipeError: none are, or another number of them.
        StoreError: no such measurement.
    """
    names = (wanted or "").split("+")
    if len(names) != 2:
        raise RecipeError(
            "labels.task: name follow-up and event, such as years+died, of the store's measurements"
            f" {list(store.measurement_names)}; an event may be a class"
        )
    follow_up(store, "+".join(names))  # raises
    return "+".join(names)


def follow_up(store: Store, task: str) -> tuple[Floats, NDArray[np.bool_]]:
    """(record,) time, NaN where unknown, and whether the event ended it.

    Raises:
        RecipeError: a time that is not above 0, or an event that is neither 0 nor 1.
        StoreError: no such measurement.
    """
    first, second = task.split("+")
    time, event = store.measurement(first), store.measurement(second)
    is_known = np.isfinite(time) & np.isfinite(event)
    if not (time[is_known] > 0).all():
        raise RecipeError(f"{first}: a time of {time[is_known].min():g}; want times above 0")
    if not np.isin(event[is_known], (0, 1)).all():
        raise RecipeError(f"{second}: want 1 for an event and 0 for censored")
    return np.where(is_known, time, np.nan), is_known & (event == 1)


class SurvivalSetup:
    """See `TaskSetup`.

    Raises:
        RecipeError: no event to learn from, or to validate with.
    """

    score_name = "valid_concordance"

    def __init__(self, parts: TaskParts):
        self.parts, self.train_rows = parts, parts.train_rows
        self.task = choose_follow_up(parts.store, parts.labels.task)
        check_valid_rows(parts, parts.valid_rows, self.task)
        self.time, self.is_event = follow_up(parts.store, self.task)
        if not self.is_event[parts.train_rows].any():
            raise RecipeError(f"{self.task}: no event among the training recordings")
        signed = np.where(self.is_event, self.time, -self.time)[:, None]
        is_known = np.isfinite(signed)
        # In units of the median, so that times keep their order in float32 in any unit.
        self.labels = Labels(
            (np.nan_to_num(signed) / np.nanmedian(self.time)).astype(np.float32),
            (OUTPUT,),
            is_known,
        )
        criterion = Criterion("cox", cox_loss, lambda outputs: outputs)
        self.module = LinearHead(
            *(parts.encoder, 1, parts.augment, parts.average, criterion), head=parts.head
        )

    def validate(self, run: Run) -> Verdict:
        """Harrell's concordance: .5 is chance, the larger the better."""
        store = self.parts.store
        rows = run.rows_with_leads(store, self.parts.valid_rows)
        batches = evaluation_batches(store, rows, self.parts.segment_seconds, run.batch_size)
        found = predict(self.module, batches, run.device, run.precision, run.restrict)
        is_known = np.isfinite(self.time[found.row])
        kept = found.row[is_known]
        hazard = found.logits[is_known, 0].astype(np.float64)
        score = concordance(self.time[kept], self.is_event[kept], hazard)
        once = np.ones((len(kept), 1), dtype=np.float32)
        return Verdict(float(score(once)[0]), {"valid_events": float(self.is_event[kept].sum())})

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training."""
        return self.module.weights()

    def describe(self) -> dict[str, Any]:
        """The keys of the checkpoint."""
        return {
            "kind": "survival",
            "task": self.task,
            "label_names": [OUTPUT],
            "head": self.parts.head,
        }


def _targets(store: Store, task: str | None) -> tuple[str, ...]:
    return (OUTPUT,)


SURVIVAL = Task(choose_follow_up, SurvivalSetup, _targets, ("identity", "waves", "loss"))
