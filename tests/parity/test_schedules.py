"""Masks and the temperature of the quantizer against the original's."""

import torch
from torch.testing import assert_close

from anylead.models import GumbelQuantizer
from anylead.models.masking import span_mask
from anylead.training.schedule import ScheduleConfig, learning_rate
from parity import peer


def test_the_temperature_of_the_quantizer_is_the_original_one(golden):
    z = peer.arrays(golden, "masking_schedules")
    quantizer = GumbelQuantizer(feature_dim=4, dim=4, num_codes=2)
    for step, value in zip(z["temp_updates"], z["temp_values"], strict=True):
        assert_close(quantizer.temperature_at(step).double(), value, rtol=1e-6, atol=0)


def test_masks_cover_about_as_much_as_the_originals_but_a_fixed_number_of_frames(golden):
    """Theirs is cut down to the smallest of the batch, so it lies below the expected share."""
    z = peer.arrays(golden, "masking_schedules")
    for name in ("mask0", "mask1"):
        rows, frames, prob, span, _ = z[f"{name}_args"].tolist()
        ours = span_mask(torch.arange(int(rows)), int(frames), None, prob / span, int(span))
        assert ours.is_valid.all()
        theirs = z[name].float().mean(dim=1)
        share = ours.flags(int(frames)).float().mean(dim=1)
        expected = 1 - (1 - prob / span) ** span
        assert (theirs == theirs[0]).all()
        assert_close(share, torch.full_like(share, expected), rtol=0, atol=1 / frames)
        assert (share - theirs).abs().max() < 0.12


def test_the_tri_stage_learning_rate_is_the_original_one(golden):
    z = peer.arrays(golden, "masking_schedules")
    config = ScheduleConfig("tri_stage", warmup=0.1, hold=0.2, initial_ratio=0.01, final_ratio=0.01)
    at = learning_rate(config, 3e-5, 1000)
    ours = torch.tensor([at(step) for step in z["tri_updates"].tolist()], dtype=torch.float64)
    assert_close(ours, z["tri_lr"], rtol=1e-6, atol=0)
