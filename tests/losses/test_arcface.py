import math

import numpy as np
import pytest
import torch

from anylead.losses.arcface import arcface_logits, arcface_loss


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 3.0])
def test_the_true_class_gets_the_cosine_of_angle_plus_margin(margin):
    angle = torch.linspace(0.01, math.pi - 0.01, 200)
    cosine = torch.stack([angle.cos(), torch.full_like(angle, 0.3)], dim=1)
    logits = arcface_logits(cosine, torch.zeros(200, dtype=torch.int64), 10.0, margin) / 10
    is_below = angle + margin < math.pi
    torch.testing.assert_close(
        logits[is_below, 0], (angle + margin).cos()[is_below], rtol=1e-4, atol=1e-5
    )
    expected = angle.cos() - margin * math.sin(margin)
    torch.testing.assert_close(logits[~is_below, 0], expected[~is_below])
    torch.testing.assert_close(logits[:, 1], cosine[:, 1])


def test_the_logit_falls_with_the_angle_all_the_way():
    angle = torch.linspace(0, math.pi, 1000)
    logits = arcface_logits(angle.cos()[:, None], torch.zeros(1000, dtype=torch.int64), 1.0, 1.0)
    assert (logits.diff(dim=0) < 1e-3).all()


def test_equals_the_reference(golden):
    with np.load(golden / "arcface_ecg_2500.npz") as file:
        cosine, target = torch.as_tensor(file["cosine"]), torch.as_tensor(file["target"])
        scale, margin = float(file["scale"]), float(file["margin"])
        expected = float(file["loss_sum"])
    loss = arcface_loss(cosine, target, scale, margin)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [1.0, -1.0, 1.0000001, 0.9999999, -0.9999999, 0.0])
def test_the_gradient_is_finite_at_every_cosine(value):
    cosine = torch.full((1, 3), value, requires_grad=True)
    arcface_loss(cosine, torch.tensor([1]), 192.0, 1.0).backward()
    assert cosine.grad.isfinite().all()
    assert cosine.grad.abs().max() < 1e6


def test_the_gradient_is_the_numerical_one():
    cosine = torch.tensor([[0.3, -0.2, 0.9], [-0.8, 0.1, 0.2]], dtype=torch.double)
    cosine.requires_grad_()
    target = torch.tensor([2, 0])
    assert torch.autograd.gradcheck(lambda x: arcface_loss(x, target, 5.0, 1.0), cosine)


def test_does_not_change_its_input():
    cosine = torch.rand(4, 3)
    before = cosine.clone()
    arcface_logits(cosine, torch.tensor([0, 1, 2, 0]))
    assert torch.equal(cosine, before)
