import numpy as np
import pytest

from anylead.metrics.calibration import calibration_error, inverse_temperature, platt_scaling


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


@pytest.mark.parametrize("slope", [0.3, 1.0, 2.5])
def test_the_true_temperature_of_exclusive_classes_is_found(slope):
    generator = np.random.default_rng(2)
    logit = generator.normal(0, 2, (20000, 4))
    chosen = (slope * logit + generator.gumbel(size=logit.shape)).argmax(axis=1)  # Gumbel-max
    found = inverse_temperature(np.eye(4)[chosen], logit)
    assert found == pytest.approx(slope, rel=0.05)


def test_few_recordings_leave_the_temperature_near_one():
    logit = np.array([[9.0, 0.0], [0.0, 9.0]])
    assert inverse_temperature(np.eye(2), logit) == pytest.approx(1.0, abs=0.05)
    assert inverse_temperature(1 - np.eye(2), logit) < 0.5  # surely wrong: less sure
