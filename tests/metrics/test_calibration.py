import numpy as np
import pytest

from anylead.metrics.calibration import calibration_error, platt_scaling


def drawn(slope, offset, size=20000):
    """Labels drawn with the probability sigmoid(slope * logit + offset)."""
    generator = np.random.default_rng(0)
    logit = generator.normal(0, 2, (size, len(slope)))
    probability = 1 / (1 + np.exp(-(logit * slope + offset)))
    return (generator.random(logit.shape) < probability).astype(np.uint8), logit


def test_the_true_slope_and_offset_are_found():
    slope, offset = np.array([0.5, 1.0, 2.0]), np.array([-1.0, 0.0, 1.0])
    found = platt_scaling(*drawn(slope, offset))
    np.testing.assert_allclose(found, (slope, offset), atol=0.1)


def test_a_class_without_positives_stays_and_one_with_few_nearly():
    logit = np.random.default_rng(1).normal(size=(500, 2))
    label = np.zeros((500, 2), dtype=np.uint8)
    label[:2, 1] = 1
    slope, offset = platt_scaling(label, logit, pull=1000.0)
    assert (slope[0], offset[0]) == (1, 0)
    assert abs(slope[1] - 1) < 0.2 and abs(offset[1]) < 0.3


def test_calibrating_makes_the_error_small():
    label, logit = drawn(np.array([0.4]), np.array([-1.0]))
    slope, offset = platt_scaling(label, logit)
    before = calibration_error(label, 1 / (1 + np.exp(-logit)))
    after = calibration_error(label, 1 / (1 + np.exp(-(slope * logit + offset))))
    assert after < 0.02 < 0.1 < before


def test_the_error_of_a_constant_is_its_distance():
    label = np.tile([1, 0, 0, 0], 30)[:, None]
    assert calibration_error(label, np.full((120, 1), 0.75), bins=1) == pytest.approx(0.5)
