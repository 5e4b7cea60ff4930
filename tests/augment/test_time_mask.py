import numpy as np
import pytest
import torch

from anylead.augment.time_mask import TimeMask, stretch_mask
from anylead.errors import RecipeError
from augment.ecg_batches import ecg_batch


def by_definition(start, num_masked, num_samples, time):
    """Sample by sample; padding excluded."""
    masked = {(int(start) + step) % int(num_samples) for step in range(int(num_masked))}
    return [t in masked for t in range(time)]


def test_a_stretch_that_passes_the_end_goes_on_at_the_start():
    start, num = torch.tensor([0.0, 3, 8]), torch.tensor([10.0, 10, 10])
    mask = stretch_mask(start, torch.full((3,), 4.0), num, 10)
    assert mask.tolist() == [by_definition(s, 4, 10, 10) for s in start]


def test_masks_what_the_reference_masks(golden):
    with np.load(golden / "augmentations.npz") as file:
        start = torch.as_tensor(file["threekg_draw2_randint"]).float()
        masked = np.concatenate([file["threekg_out1"], file["threekg_out2"]]) == 0
    length = torch.full((24,), 2500.0)
    assert np.array_equal(stretch_mask(start, length / 2, length, 2500), masked)


def test_masks_its_share_of_each_lead_without_the_padding():
    num_samples = torch.full((5, 1), 300)
    batch = ecg_batch(rows=5, segments=1, num_samples=num_samples)
    zeros = (TimeMask(stretch=0.25)(batch).signal[..., :300] == 0).sum(-1)
    assert (zeros == 75).all()


def test_each_lead_has_a_stretch_of_its_own_unless_told_otherwise():
    batch = ecg_batch(rows=5)
    is_masked = TimeMask()(batch).signal == 0
    assert (is_masked[:, :, 0] != is_masked[:, :, 1]).any()
    is_masked = TimeMask(per_lead=False)(batch).signal == 0
    assert (is_masked == is_masked[:, :, :1]).all()


def test_refuses_a_stretch_longer_than_the_segment():
    with pytest.raises(RecipeError, match="stretch"):
        TimeMask(stretch=1.5)
