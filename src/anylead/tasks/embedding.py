"""Embeddings of recordings, and which of them are searched among which."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anylead.augment import Augmentation
from anylead.objective import Batch
from anylead.tasks.running import run_over

Rows = NDArray[np.int64]


class Embedder(Protocol):
    """A module that makes one vector of each segment."""

    def embeddings(self, batch: Batch) -> Tensor:
        """(batch, segment, dim)."""
        ...


def embed(
    module: Embedder,
    batches: Iterable[Batch],
    device: torch.device,
    precision: torch.dtype = torch.float32,
    restrict: Augmentation | None = None,
) -> tuple[Rows, NDArray[np.float32]]:
    """One vector for each recording, the mean direction over its segments.

    A copy of the module for inference is what runs.

    Returns:
        (record,) rows of the store in the order of the batches, and (record, dim) vectors of
        length 1.
    """
    rows, vectors = [], []
    outputs = run_over(
        module, lambda copy, batch: copy.embeddings(batch), batches, device, precision, restrict
    )
    for row, segments in outputs:
        mean = nn.functional.normalize(segments, dim=2).mean(dim=1)
        rows.append(row)
        vectors.append(nn.functional.normalize(mean, dim=1).cpu().numpy())
    return np.concatenate(rows), np.concatenate(vectors)


class Sessions(NamedTuple):
    """Which recordings are known and which are asked about; row i of both is one patient.

    gallery: (patient,) rows of the store.
    probe: (patient,) rows of the store.
    """

    gallery: Rows
    probe: Rows


def two_sessions(rows: Rows, patient: NDArray[np.int64], seed: int | None) -> Sessions:
    """Two different recordings of each patient who has that many.

    Args:
        rows: (record,) rows of the store to choose from.
        patient: (num_records,) of all rows of the store.
        seed: of the choice; None takes the first two in the order of the rows.
    """
    shuffled = rows if seed is None else np.random.default_rng(seed).permutation(rows)
    by_patient = shuffled[np.argsort(patient[shuffled], kind="stable")]
    _, start, count = np.unique(patient[by_patient], return_index=True, return_counts=True)
    start = start[count >= 2]
    return Sessions(by_patient[start], by_patient[start + 1])
