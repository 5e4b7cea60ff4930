"""A store as torch's own kind of data set, for loops and loaders that are not ours."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from anylead.errors import StoreError
from anylead.loading.loader import chosen_rows
from anylead.store import Store


class RecordingDataset(Dataset[dict[str, Tensor]]):
    """Recordings of a store for `torch.utils.data.DataLoader`.

    An item holds "signal" (12, time) float32 mV with zeros for missing leads and behind a shorter
    recording, "has_lead" (12,) bool, "num_samples" and "row" in the store, and with `task` "label"
    (class,) float32 of 0 and 1, NaN where it is unknown.

    Args:
        store: prepared recordings.
        rows: which of them, such as `store.split_rows()["train"]`, or (record,) bool; None takes
            all.
        seconds: of each recording, from its start; None takes the length of the longest.
        task: label task of the store; None leaves labels out.

    Raises:
        StoreError: no such task or rows, or a length of nothing.
    """

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.int64] | NDArray[np.bool_] | None = None,
        seconds: float | None = None,
        task: str | None = None,
    ):
        self.store = store
        self.rows = chosen_rows(store, np.arange(store.num_records) if rows is None else rows)
        longest = int(store.num_samples[self.rows].max(initial=0))
        self.length = longest if seconds is None else round(seconds * store.manifest.sample_rate)
        if self.length < 1:
            raise StoreError(f"{store.location}: {len(self.rows)} recordings of {seconds} s: none")
        self.labels: NDArray[np.float32] | None = None
        if task is not None:
            hot, is_known = store.labels(task)
            self.labels = np.where(is_known, hot, np.nan).astype(np.float32)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        row = int(self.rows[number])
        steps = self.store.read(np.array([row]), np.array([0]), self.length)[0]
        signal = steps.astype(np.float32) * self.store.scale[row][:, None]
        item = {
            "signal": torch.from_numpy(signal),
            "has_lead": torch.from_numpy(self.store.has_lead[row]),
            "num_samples": torch.tensor(min(self.length, int(self.store.num_samples[row]))),
            "row": torch.tensor(row),
        }
        if self.labels is not None:
            item["label"] = torch.from_numpy(self.labels[row])
        return item
