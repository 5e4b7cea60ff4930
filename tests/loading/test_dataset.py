"""A store as a data set of torch: the same numbers as our own loaders."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from anylead.errors import StoreError
from anylead.loading import Labels, evaluation_batches
from anylead.loading.dataset import RecordingDataset
from synthetic_store import open_store


def test_items_are_what_the_loaders_of_ours_hold():
    store = open_store()
    rows = store.split_rows()["train"]
    dataset = RecordingDataset(store, rows, seconds=10.0, task="rhythm")
    labels = Labels(store.labels("rhythm")[0], store.label_names("rhythm"))
    (ours,) = evaluation_batches(store, rows, 10.0, len(rows), labels)
    ours = ours.to("cpu")
    (batch,) = DataLoader(dataset, batch_size=len(dataset))
    torch.testing.assert_close(batch["signal"], ours.signal[:, 0], rtol=1e-6, atol=0)
    assert torch.equal(batch["has_lead"], ours.has_lead[:, 0])
    assert torch.equal(batch["label"], ours.label)
    assert batch["row"].tolist() == rows.tolist() and set(batch["num_samples"].tolist()) == {1000}


def test_what_is_shorter_is_filled_with_zeros():
    store = open_store()
    item = RecordingDataset(store, seconds=12.0)[3]
    assert item["signal"].shape == (12, 1200) and int(item["num_samples"]) == 1000
    assert not item["signal"][:, 1000:].any() and item["signal"][:, :1000].any()
    assert len(RecordingDataset(store)) == store.num_records
    assert RecordingDataset(store)[0]["signal"].shape == (12, 1000)


@pytest.mark.parametrize("wrong", [{"task": "rythm"}, {"seconds": 0.0}, {"rows": np.zeros(0, int)}])
def test_what_is_not_there_is_told(wrong):
    with pytest.raises(StoreError):
        RecordingDataset(open_store(), **wrong)


def test_a_mask_chooses_rows_and_rows_that_are_not_there_are_refused():
    store = open_store()
    dataset = RecordingDataset(store, store.age > np.median(store.age))
    assert dataset.rows.tolist() == np.flatnonzero(store.age > np.median(store.age)).tolist()
    assert RecordingDataset(store, np.array([-1])).rows.tolist() == [store.num_records - 1]
    for rows in ([store.num_records], [0.5], [True, False]):
        with pytest.raises(StoreError, match="rows: "):
            RecordingDataset(store, np.array(rows))
