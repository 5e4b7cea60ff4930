import numpy as np
import pytest
import torch

from anylead.loading import Labels, Prefetch, TrainingLoader, evaluation_batches
from synthetic_store import open_store


def loader(crop="pair", batch_size=8, seconds=5.0, **rest):
    store = open_store()
    rows = store.split_rows()["train"]
    return TrainingLoader(store, rows, batch_size, seconds, crop, seed=0, **rest)


def test_a_pair_is_the_recording_in_millivolts():
    batch = loader().batch(0)
    assert batch.signal.shape == (8, 2, 12, 500)
    assert batch.num_samples is None
    store = open_store()
    for i, row in enumerate(batch.record.tolist()):
        whole = store.read(np.array([row]), np.array([0]), 1000)[0] * store.scale[row][:, None]
        joined = torch.cat([batch.signal[i, 0], batch.signal[i, 1]], dim=1)
        np.testing.assert_allclose(joined.numpy(), whole, rtol=1e-6)


def test_limb_leads_obey_einthoven_in_the_batch():
    signal = loader().batch(3).signal
    torch.testing.assert_close(
        signal[:, :, 2], signal[:, :, 1] - signal[:, :, 0], atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("num_parts", [2, 4, 8])
def test_parts_of_a_step_make_the_whole(num_parts):
    whole = loader().batch(5)
    parts = [loader().batch(5, part, num_parts) for part in range(num_parts)]
    for name in ("signal", "seed", "record", "patient"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name))


def test_short_recordings_are_padded_with_zeros_and_counted():
    batch = loader(seconds=8.0).batch(0)
    assert batch.signal.shape[3] == 800
    assert (batch.num_samples == 500).all()
    assert (batch.signal[..., 500:] == 0).all()
    assert (batch.signal[..., 499] != 0).any()


def test_labels_belong_to_their_recordings():
    store = open_store()
    label, _ = store.labels("rhythm")
    batch = loader("random", labels=Labels(label, store.manifest.label_names["rhythm"])).batch(0)
    assert batch.signal.shape == (8, 1, 12, 500)
    np.testing.assert_array_equal(batch.label.numpy(), label[batch.record.numpy()])


def test_evaluation_sees_every_recording_once_and_whole():
    store = open_store()
    rows = store.split_rows()["valid"]
    batches = list(evaluation_batches(store, rows, 4.0, batch_size=7))
    seen = torch.cat([batch.record for batch in batches])
    assert sorted(seen.tolist()) == rows.tolist()
    assert all(batch.signal.shape[1:] == (3, 12, 400) for batch in batches)


def test_prefetch_keeps_the_order_and_hands_errors_over():
    def make(step):
        if step == 5:
            raise ValueError("step 5")
        return [step]

    with Prefetch(make, range(5)) as steps:
        assert [step for [step] in steps] == [0, 1, 2, 3, 4]
    with Prefetch(make, range(3, 9)) as steps, pytest.raises(ValueError, match="step 5"):
        list(steps)


def test_prefetch_can_be_left_early():
    with Prefetch(lambda step: [step], range(10**6)) as steps:
        assert next(steps) == [0]
