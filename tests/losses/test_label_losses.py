"""Losses of labels and numbers, each by its definition, entry by entry."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.losses import label_losses

LOGITS = torch.tensor([[-3.0, 0.5, 2.0], [0.0, -1.0, 40.0], [-60.0, 3.0, 0.1]])
LABELS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def asymmetric_by_definition(x, y, gamma_positive, gamma_negative, margin):
    """Equations 4 to 7 of arXiv:2009.14119."""
    p = 1 / (1 + math.exp(-x))
    shifted = max(p - margin, 0)
    if y == 1:
        return -((1 - p) ** gamma_positive) * math.log(p)
    return -(shifted**gamma_negative) * math.log1p(-shifted)


def entries(loss):
    return np.array([[loss(x, y) for x, y in zip(*rows, strict=True)]
                     for rows in zip(LOGITS.tolist(), LABELS.tolist(), strict=True)])  # fmt: skip


@pytest.mark.parametrize("powers", [(0.0, 4.0, 0.05), (1.0, 4.0, 0.2), (0.0, 0.0, 0.0)])
def test_asymmetric_equals_its_definition(powers):
    expected = entries(lambda x, y: asymmetric_by_definition(x, y, *powers))
    np.testing.assert_allclose(
        label_losses.asymmetric(LOGITS, LABELS, *powers), expected, rtol=1e-4, atol=1e-7
    )


def test_focal_equals_its_definition_and_is_cross_entropy_without_its_power():
    expected = entries(lambda x, y: asymmetric_by_definition(x, y, 2.0, 2.0, 0.0))
    np.testing.assert_allclose(
        label_losses.focal(LOGITS, LABELS, 2.0), expected, rtol=1e-4, atol=1e-7
    )
    torch.testing.assert_close(
        label_losses.focal(LOGITS, LABELS, 0.0), label_losses.cross_entropy(LOGITS, LABELS)
    )


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_softmax_cross_entropy_equals_its_definition(gamma):
    label = torch.eye(3)[[1, 2, 0]]
    expected = np.zeros((3, 3))
    for row, true in enumerate([1, 2, 0]):
        x = LOGITS[row].double()
        p = float(x[true].exp() / x.exp().sum())
        expected[row, true] = -((1 - p) ** gamma) * math.log(p)
    found = label_losses.softmax_cross_entropy(LOGITS, label, gamma)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_losses_of_numbers_equal_their_definitions():
    output, target = torch.tensor([0.0, 1.5, -4.0]), torch.tensor([0.5, 1.5, 1.0])
    assert label_losses.squared(output, target).tolist() == [0.25, 0.0, 25.0]
    assert label_losses.absolute(output, target).tolist() == [0.5, 0.0, 5.0]
    assert label_losses.huber(output, target).tolist() == [0.25, 0.0, 2 * 5.0 - 1]


@settings(max_examples=30, deadline=None)
@given(
    logit=st.floats(-80, 80),
    label=st.sampled_from([0.0, 1.0, 0.3]),
    gamma=st.sampled_from([0.0, 1.0, 2.0, 4.0]),
    margin=st.sampled_from([0.0, 0.05, 0.5]),
)
def test_every_loss_and_its_slope_are_finite_and_not_below_zero(logit, label, gamma, margin):
    x = torch.tensor([logit, 0.0], requires_grad=True)
    y = torch.tensor([label, 1 - label])
    values = torch.cat([
        label_losses.asymmetric(x, y, gamma, gamma, margin),
        label_losses.focal(x, y, gamma),
        label_losses.softmax_cross_entropy(x, y, gamma),
        label_losses.cross_entropy(x, y),
    ])  # fmt: skip
    values.sum().backward()
    assert (values >= 0).all() and values.isfinite().all() and x.grad.isfinite().all()
