"""Logits of whole recordings: the mean over their windows."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from anylead.augment import Augmentation
from anylead.models import freeze
from anylead.objective import Batch


class Classifier(Protocol):
    """A module that makes logits of each segment."""

    def logits(self, batch: Batch) -> Tensor:
        """(batch, segment, class)."""
        ...


class Predictions(NamedTuple):
    """Logits of recordings, in the order of `row`.

    row: (record,) rows of the store, ascending.
    logits: (record, class) float32.
    """

    row: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def probability(self) -> NDArray[np.float64]:
        """(record, class) sigmoid of the logits."""
        return np.asarray(expit(self.logits.astype(np.float64)))


@torch.inference_mode()
def predict(
    task: Classifier,
    batches: Iterable[Batch],
    device: torch.device,
    precision: torch.dtype = torch.float32,
    restrict: Augmentation | None = None,
) -> Predictions:
    """Run a task over batches of windows.

    Args:
        task: the trained module; a copy of it for inference is what runs.
        batches: (batch, window, lead, time) each.
        device: where it runs.
        precision: of the forward pass.
        restrict: takes leads away, or None.
    """
    rows, logits, frozen = [], [], None
    for batch in batches:
        moved = batch.to(device)
        frozen = frozen or freeze(task, moved.signal.shape[-1], precision)  # type: ignore[type-var]
        if restrict is not None:
            moved = restrict(moved)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            windows = frozen.logits(moved)  # (batch, window, class)
        rows.append(batch.record.numpy())
        logits.append(windows.float().mean(dim=1).cpu().numpy())
    row = np.concatenate(rows)
    order = np.argsort(row)
    return Predictions(row[order], np.concatenate(logits)[order])
