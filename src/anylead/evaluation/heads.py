"""A fine-tuned linear head beside its data, and what it says with some leads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError
from anylead.evaluation.scores import Evidence, Settings, choose_split, intervals, open_store
from anylead.inference.outcomes import OUTCOMES
from anylead.inference.windows import join_logits
from anylead.loading import evaluation_batches
from anylead.metrics.bootstrap import Interval, Statistic
from anylead.store import Store
from anylead.tasks import LinearHead, Predictions, predict
from anylead.tasks.linear_head import trained_head
from anylead.training.distributed import choose_device, choose_precision


class Head(NamedTuple):
    """A fine-tuned run and its data.

    task: label task, or measurements.
    names: of the outputs.
    split, store, rows: what is scored.
    module: what was trained.
    how: windows become one answer for a recording, for each output, as the model itself has it.
    segment_seconds: what it sees at once.
    settings: of the scoring.
    """

    task: str
    names: list[str]
    split: str
    store: Store
    rows: NDArray[Any]
    module: LinearHead
    how: list[str]
    segment_seconds: float
    settings: Settings

    def predict(self, lead_set: str) -> Predictions:
        """Outputs for all recordings that have any of these leads.

        Raises:
            RecipeError: there are none.
        """
        device = choose_device(self.settings.device)
        restrict = KeepLeads(lead_set)
        has_any = restrict.is_kept(self.store.has_lead[self.rows]).any(axis=1)
        if not has_any.any():
            raise RecipeError(f"lead set {lead_set!r}: no recording has any of these leads")
        is_by_segment = self.settings.level == "segments"
        batches = evaluation_batches(
            self.store,
            self.rows[has_any],
            self.segment_seconds,
            self.settings.batch_size,
            tail="drop" if is_by_segment else "overlap",
        )
        is_mean = set(self.how) == {"mean"}
        found = predict(
            self.module.to(device),
            batches,
            device,
            choose_precision(self.settings.precision, device),
            restrict=restrict,
            joins_windows=is_mean and not is_by_segment,
        )
        return found if is_mean or is_by_segment else _joined(found, self.how)


def _joined(windows: Predictions, how: Sequence[str]) -> Predictions:
    """Of recordings, out of those of their windows."""
    rows, first = np.unique(windows.row, return_index=True)
    joined = [join_logits(part, how) for part in np.split(windows.logits, first[1:])]
    return Predictions(rows, np.stack(joined).astype(np.float32))


@dataclass
class HeadRun:
    """A fine-tuned head beside its data, and what it said per lead set.

    Attributes:
        folder: of the run.
        head: of the run.
        predictions: lead set -> what was said of the recordings that have any of these leads.
    """

    folder: Path
    head: Head
    predictions: dict[str, Predictions] = field(default_factory=dict, kw_only=True)

    @property
    def store(self) -> Store:
        """Of the recordings."""
        return self.head.store

    @property
    def split(self) -> str:
        """What is scored."""
        return self.head.split

    def predict(self, lead_set: str) -> Predictions:
        """Outputs for all recordings that have any of these leads."""
        if lead_set not in self.predictions:
            self.predictions[lead_set] = self.head.predict(lead_set)
        return self.predictions[lead_set]

    def intervals(
        self, statistics: Mapping[str, Statistic], evidence: Evidence
    ) -> dict[str, Interval]:
        """Each score with its interval over patients."""
        return intervals(statistics, evidence, self.head.settings)


def open_head(folder: Path, checkpoint: Checkpoint, settings: Settings) -> Head:
    """A run beside its data."""
    described = checkpoint.description
    store, scheme = open_store(checkpoint, settings, folder)
    names = list(described["label_names"])
    split, rows = choose_split(store, described["task"], scheme, settings.split)
    module = trained_head(checkpoint, str(folder))
    how = OUTCOMES[described["kind"]].ways(described.get("join", "mean"), names)
    seconds = described["segment_seconds"]
    return Head(described["task"], names, split, store, rows, module, how, seconds, settings)
