"""Logits of whole recordings: the mean over their windows."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor

from anylead.augment import Augmentation
from anylead.objective import Batch
from anylead.tasks.running import run_over


class Classifier(Protocol):
    """A module that makes logits of each segment."""

    def logits(self, batch: Batch) -> Tensor:
        """(batch, segment, class)."""
        ...


class Predictions(NamedTuple):
    """Logits of recordings, or of their windows, in the order of `row`.

    row: (record,) rows of the store, ascending.
    logits: (record, class) float32.
    """

    row: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def probability(self) -> NDArray[np.float64]:
        """(record, class) sigmoid of the logits."""
        return np.asarray(expit(self.logits.astype(np.float64)))

    @property
    def softmax(self) -> NDArray[np.float64]:
        """(record, class) probabilities of classes that exclude each other."""
        return np.asarray(softmax(self.logits.astype(np.float64), axis=1))


def predict(
    task: Classifier,
    batches: Iterable[Batch],
    device: torch.device,
    precision: torch.dtype = torch.float32,
    restrict: Augmentation | None = None,
    joins_windows: bool = True,
) -> Predictions:
    """Run a task over batches of windows.

    Args:
        task: the trained module; a copy of it for inference is what runs.
        batches: (batch, window, lead, time) each.
        device: where it runs.
        precision: of the forward pass.
        restrict: takes leads away, or None.
        joins_windows: the logits of a recording are the mean over its windows; else each window
            stands for itself.
    """
    rows, logits = [], []
    outputs = run_over(
        task, lambda copy, batch: copy.logits(batch), batches, device, precision, restrict
    )
    for row, windows in outputs:  # (batch, window, class)
        kept = windows.mean(dim=1, keepdim=True) if joins_windows else windows
        rows.append(np.repeat(row, kept.shape[1]))
        logits.append(kept.flatten(0, 1).cpu().numpy())
    joined = np.concatenate(rows)
    order = np.argsort(joined, kind="stable")
    return Predictions(joined[order], np.concatenate(logits)[order])
