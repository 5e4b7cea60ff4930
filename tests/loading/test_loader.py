import numpy as np
import pytest
import torch

from anylead.errors import StoreError
from anylead.leads import LEADS
from anylead.loading import Labels, Prefetch, TrainingLoader, evaluation_batches
from anylead.records import Record
from anylead.signals import PreprocessConfig, preprocess
from anylead.store import Store, build
from anylead.store.build import Plan
from synthetic_store import open_store


def loader(crop="pair", batch_size=8, seconds=5.0, **rest):
    store = open_store()
    rows = store.split_rows()["train"]
    return TrainingLoader(store, rows, batch_size, seconds, crop, seed=0, **rest)


@pytest.fixture(scope="module")
def any_store(tmp_path_factory):
    """Recordings of .6 to 2.6 s that differ in leads."""
    rng = np.random.default_rng(0)
    sets = (LEADS, ("II", "V3"), ("V6",))
    records = [
        Record(rng.standard_normal((len(leads), 300 + 120 * n)).astype(np.float32), leads, 500.0)
        for n, leads in enumerate(3 * sets)
    ]
    folder = tmp_path_factory.mktemp("any") / "store"
    ids = [str(n) for n in range(len(records))]
    plan = Plan("test", PreprocessConfig(), {}, len(ids), build.items_sha256(ids), len(ids))
    with build.building(folder, plan):
        rows = ((record, preprocess(record, plan.preprocess)) for record in records)
        build.write_shard(folder, 0, rows)
        build.finish(folder, plan, {}, "")
    return Store.open(folder)


def test_a_pair_is_the_recording_in_millivolts():
    batch = loader().batch(0).to("cpu")
    assert batch.signal.shape == (8, 2, 12, 500)
    assert batch.num_samples is None
    store = open_store()
    for i, row in enumerate(batch.record.tolist()):
        whole = store.read(np.array([row]), np.array([0]), 1000)[0] * store.scale[row][:, None]
        joined = torch.cat([batch.signal[i, 0], batch.signal[i, 1]], dim=1)
        np.testing.assert_allclose(joined.numpy(), whole, rtol=1e-6)


@pytest.mark.parametrize("crop", ["pair", "random"])
@pytest.mark.parametrize("num_parts", [1, 2, 3])
def test_int16_becomes_on_the_device_the_very_float32_of_the_recording(any_store, crop, num_parts):
    store = any_store
    made = TrainingLoader(store, np.arange(store.num_records), 9, 1.0, crop, seed=0)
    for part in range(num_parts):
        batch = made.batch(1, part, num_parts)
        assert batch.signal.dtype == torch.int16
        moved = batch.to("cpu")
        assert moved.signal.dtype == torch.float32
        for i, row in enumerate(batch.record.tolist()):
            length = int(store.num_samples[row])
            whole = store.read(np.array([row]), np.array([0]), length)[0].astype(np.float32)
            millivolts = whole * store.scale[row][:, None]
            for segment, signal in enumerate(moved.signal[i].numpy()):
                num = 500 if batch.num_samples is None else int(batch.num_samples[i, segment])
                assert _is_part(signal[:, :num], millivolts)
                assert not signal[:, num:].any()
            assert not moved.signal[i, :, ~moved.has_lead[i, 0]].any()


def _is_part(part, whole):
    starts = range(whole.shape[1] - part.shape[1] + 1)
    return any(np.array_equal(part, whole[:, s : s + part.shape[1]]) for s in starts)


def test_a_batch_in_millivolts_stays_what_it_is_when_moved_again():
    moved = loader().batch(0).to("cpu")
    assert moved.scale is None
    assert torch.equal(moved.to("cpu").signal, moved.signal)


def test_limb_leads_obey_einthoven_in_the_batch():
    signal = loader().batch(3).to("cpu").signal
    torch.testing.assert_close(
        signal[:, :, 2], signal[:, :, 1] - signal[:, :, 0], atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("num_parts", [2, 4, 8])
def test_parts_of_a_step_make_the_whole(num_parts):
    whole = loader().batch(5).to("cpu")
    parts = [loader().batch(5, part, num_parts).to("cpu") for part in range(num_parts)]
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


@pytest.mark.parametrize(("crop", "width"), [("every_pair", 2), ("every_segment", 1)])
def test_an_epoch_of_every_piece_shows_each_of_them_once(any_store, crop, width):
    store, segment = any_store, 150  # .3 s of .6 to 2.52 s
    rows = np.arange(1, store.num_records)
    made = TrainingLoader(store, rows, 5, 0.3, crop, seed=0)
    expected = {
        (int(row), start)
        for row in rows
        for start in range(0, int(store.num_samples[row]) - width * segment + 1, width * segment)
    }
    assert len(made.rows) == len(expected)
    assert made.sampler.steps_per_epoch == len(expected) // 5
    seen = set()
    for step in range(made.sampler.steps_per_epoch):
        batch = made.batch(step).to("cpu")
        assert batch.num_samples is None and len(set(batch.seed.tolist())) == 5
        for signal, row in zip(batch.signal, batch.record.tolist(), strict=True):
            joined = torch.cat(list(signal), dim=1).numpy()
            whole = store.read(np.array([row]), np.array([0]), int(store.num_samples[row]))[0]
            whole = whole * store.scale[row][:, None]
            (start,) = (
                s for r, s in expected
                if r == row and np.allclose(whole[:, s : s + width * segment], joined)
            )  # fmt: skip
            assert (row, start) not in seen
            seen.add((row, start))
    assert seen <= expected and len(seen) > len(expected) - 5


def test_recordings_without_a_pair_are_left_out_and_counted(any_store):
    made = TrainingLoader(any_store, np.arange(any_store.num_records), 2, 1.0, "every_pair", seed=0)
    is_long = any_store.num_samples >= 2 * made.segment
    assert set(made.rows.tolist()) == set(np.flatnonzero(is_long).tolist())
    assert made.num_left_out == (~is_long).sum() > 0
    with pytest.raises(StoreError, match="shorter than two segments"):
        TrainingLoader(any_store, np.arange(any_store.num_records), 2, 9.0, "every_pair", seed=0)


def test_a_recording_shorter_than_a_segment_is_a_piece_by_itself(any_store):
    rows = np.arange(any_store.num_records)
    made = TrainingLoader(any_store, rows, len(rows), 9.0, "every_segment", seed=0)
    batch = made.batch(0)
    order = np.argsort(batch.record.numpy())
    np.testing.assert_array_equal(batch.num_samples[order, 0], any_store.num_samples)


def test_iterating_gives_one_epoch_after_another():
    loaded = loader()
    first, second = ([batch.record.tolist() for batch in loaded] for _ in range(2))
    steps = range(2 * len(loaded))
    assert first + second == [loaded.batch(step).record.tolist() for step in steps]
    assert first != second


def test_a_mask_chooses_what_its_row_numbers_choose_and_other_rows_are_refused(any_store):
    mask = any_store.num_samples > np.median(any_store.num_samples)
    numbers = np.flatnonzero(mask)
    by_mask, by_numbers = (
        TrainingLoader(any_store, rows, 4, 1.0, "random", seed=0).batch(1)
        for rows in (mask, numbers)
    )
    assert by_mask.record.tolist() == by_numbers.record.tolist()
    assert torch.equal(by_mask.signal, by_numbers.signal)
    seen = [batch.record for batch in evaluation_batches(any_store, mask, 1.0, 4)]
    assert sorted(torch.cat(seen).tolist()) == numbers.tolist()
    for rows in (mask[:-1], np.array([any_store.num_records])):
        with pytest.raises(StoreError, match="rows: "):
            TrainingLoader(any_store, rows, 4, 1.0, "random", seed=0)
        with pytest.raises(StoreError, match="rows: "):
            next(evaluation_batches(any_store, rows, 1.0, 4))
