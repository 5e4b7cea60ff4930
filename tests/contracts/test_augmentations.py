"""What every augmentation of the table keeps to."""

import inspect
from dataclasses import replace

import pytest
import torch

from anylead.augment import AUGMENTATIONS
from anylead.leads import LEAD_SETS, lead_mask
from augment.ecg_batches import ecg_batch, take

every = pytest.mark.parametrize("name", AUGMENTATIONS)
# This draws nothing: it keeps its leads at every prob but 0.
FIXED = ("keep_leads",)


def tensors(batch):
    return {key: value for key, value in vars(batch).items() if isinstance(value, torch.Tensor)}


def random_leads(rows=6, segments=2, seed=3):
    """Any number of leads from 1 to 12."""
    order = torch.rand(rows, segments, 12, generator=torch.Generator().manual_seed(seed))
    count = 1 + torch.arange(rows * segments).reshape(rows, segments) % 12
    return order.argsort(-1).argsort(-1) < count[..., None]


@every
def test_keeps_shape_dtype_and_device(name):
    batch = ecg_batch()
    after = AUGMENTATIONS[name]()(batch)
    assert tensors(after).keys() == tensors(batch).keys()
    for key, value in tensors(after).items():
        before = getattr(batch, key)
        assert (value.shape, value.dtype, value.device) == (
            before.shape,
            before.dtype,
            before.device,
        )


@every
def test_changes_only_signal_and_has_lead(name):
    batch = ecg_batch(has_lead=random_leads())
    after = AUGMENTATIONS[name](prob=1.0)(batch)
    for key, value in tensors(after).items():
        if key not in ("signal", "has_lead"):
            assert torch.equal(value, getattr(batch, key))


@every
def test_the_same_seeds_give_the_same_result(name):
    batch = ecg_batch(has_lead=random_leads())
    augmentation = AUGMENTATIONS[name]()
    assert torch.equal(augmentation(batch).signal, augmentation(batch).signal)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name not in FIXED])
def test_other_seeds_give_another_result(name):
    batch = ecg_batch()
    other = replace(batch, seed=batch.seed + 77)
    augmentation = AUGMENTATIONS[name]()
    assert not torch.equal(augmentation(batch).signal, augmentation(other).signal)


@every
@pytest.mark.parametrize("prob", [0.5, 1.0])
def test_a_recording_is_treated_alike_whatever_batch_it_is_in(name, prob):
    batch = ecg_batch(has_lead=random_leads())
    augmentation = AUGMENTATIONS[name](prob=prob)
    rows = torch.tensor([4, 1])
    together, alone = augmentation(batch), augmentation(take(batch, rows))
    torch.testing.assert_close(alone.signal, together.signal[rows], rtol=1e-5, atol=1e-6)
    assert torch.equal(alone.has_lead, together.has_lead[rows])


@every
def test_prob_0_is_the_identity(name):
    batch = ecg_batch(has_lead=random_leads())
    after = AUGMENTATIONS[name](prob=0.0)(batch)
    assert torch.equal(after.signal, batch.signal)
    assert torch.equal(after.has_lead, batch.has_lead)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "keep_leads"])
def test_prob_one_half_touches_some_segments_and_leaves_others(name):
    has_lead = torch.from_numpy(lead_mask("I,II,V2,V5")).expand(40, 2, 12)
    batch = ecg_batch(rows=40, time=100, has_lead=has_lead)
    after = AUGMENTATIONS[name](prob=0.5)(batch)
    touched = (after.signal != batch.signal).flatten(2).any(-1)
    assert 0 < touched.sum() < touched.numel()


@every
def test_the_input_is_not_changed_in_place(name):
    batch = ecg_batch(has_lead=random_leads())
    before = {key: value.clone() for key, value in tensors(batch).items()}
    AUGMENTATIONS[name](prob=1.0)(batch)
    for key, value in tensors(batch).items():
        assert torch.equal(value, before[key])


@every
@pytest.mark.parametrize("lead_set", LEAD_SETS)
def test_is_finite_and_leaves_missing_leads_zero_for_every_lead_set(name, lead_set):
    has_lead = torch.from_numpy(lead_mask(lead_set)).expand(4, 1, 12)
    after = AUGMENTATIONS[name](prob=1.0)(ecg_batch(rows=4, segments=1, has_lead=has_lead))
    assert after.signal.isfinite().all()
    assert not after.signal[~after.has_lead].any()
    assert after.has_lead.any(-1).all()


@every
def test_any_number_of_leads_and_none_and_a_flat_signal_stay_finite(name):
    has_lead = random_leads()
    has_lead[0] = False
    batch = ecg_batch(has_lead=has_lead)
    flat = replace(batch, signal=torch.zeros_like(batch.signal))
    for each in (batch, flat):
        after = AUGMENTATIONS[name](prob=1.0)(each)
        assert after.signal.isfinite().all()
        assert not after.has_lead[0].any()
        assert not after.signal[0].any()


@every
def test_padding_stays_zero_and_an_empty_segment_stays_finite(name):
    num_samples = torch.tensor([[300, 0], [500, 1], [20, 499]])
    batch = ecg_batch(rows=3, num_samples=num_samples, has_lead=random_leads(rows=3))
    after = AUGMENTATIONS[name](prob=1.0)(batch)
    is_padding = torch.arange(500) >= num_samples[..., None]
    assert after.signal.isfinite().all()
    assert not (after.signal * is_padding[:, :, None]).any()


RELATIVE = [
    name
    for name, augmentation in AUGMENTATIONS.items()
    if "relative" in inspect.signature(augmentation).parameters
]


@pytest.mark.parametrize("name", RELATIVE)
def test_relative_leaves_flat_missing_and_padded_parts_alone(name):
    num_samples = torch.tensor([[300, 0], [500, 1], [20, 499]])
    batch = ecg_batch(rows=3, num_samples=num_samples, has_lead=random_leads(rows=3))
    after = AUGMENTATIONS[name](prob=1.0, relative=True)(batch)
    is_padding = torch.arange(500) >= num_samples[..., None]
    assert after.signal.isfinite().all()
    assert not after.signal[~batch.has_lead].any()
    assert not (after.signal * is_padding[:, :, None]).any()
    flat = replace(batch, signal=torch.zeros_like(batch.signal))
    assert not AUGMENTATIONS[name](prob=1.0, relative=True)(flat).signal.any()


@every
def test_no_num_samples_means_no_padding(name):
    batch = ecg_batch(has_lead=random_leads())
    augmentation = AUGMENTATIONS[name](prob=1.0)
    unpadded = augmentation(replace(batch, num_samples=None))
    assert unpadded.num_samples is None
    assert torch.equal(unpadded.signal, augmentation(batch).signal)


@every
def test_compiles_without_a_graph_break(name):
    torch.compiler.reset()
    batch = ecg_batch(rows=2, time=50, has_lead=random_leads(rows=2))
    augmentation = AUGMENTATIONS[name]()
    compiled = torch.compile(augmentation, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(batch).signal, augmentation(batch).signal)


@every
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gives_the_same_on_a_gpu(name):
    batch = ecg_batch(has_lead=random_leads())
    augmentation = AUGMENTATIONS[name]()
    on_gpu = augmentation(batch.to("cuda")).to("cpu")
    torch.testing.assert_close(on_gpu.signal, augmentation(batch).signal, rtol=1e-4, atol=1e-4)
    assert torch.equal(on_gpu.has_lead, augmentation(batch).has_lead)
