import numpy as np
import pytest

from anylead.metrics.many_rows import compare_all, draw, percentile_interval, seed_interval
from anylead.metrics.weighted import mean


def column(values, patient, num_resamples=200, seed=0):
    """Draws of (seed, record) values."""
    return draw([mean(row) for row in values], patient, num_resamples, seed)


def test_thirteen_equal_rows_are_hardly_ever_marked():
    rng = np.random.default_rng(0)
    marked_tables = marked_singly = 0
    for _ in range(40):
        patient = np.arange(50)
        common = rng.standard_normal(50)
        # One seed: several would count the noise of patients as noise of seeds too.
        rows = [column([common + rng.standard_normal(50)], patient, 200) for _ in range(13)]
        found = compare_all(rows[1:], [rows[0]] * 12)
        marked_tables += (found.p_value < 0.05).any()
        singly = [compare_all([row], [rows[0]]).p_value[0] for row in rows[1:]]
        marked_singly += (np.array(singly) < 0.05).any()
    assert marked_tables <= 6  # 5 % of 40 is 2; beyond 6 lies less than 1 % of that
    assert marked_singly > 2 * marked_tables


def test_a_real_difference_is_found_beside_many_equal_rows():
    rng = np.random.default_rng(1)
    patient, common = np.arange(300), rng.standard_normal(300)
    rows = [column([common + 0.5 * rng.standard_normal(300)], patient) for _ in range(12)]
    better = column([common + 0.5 + 0.5 * rng.standard_normal(300)], patient)
    found = compare_all([better, *rows[1:]], [rows[0]] * 12)
    assert found.p_value[0] < 0.05 and found.low[0] > 0
    assert (found.low < found.value).all() and (found.value < found.high).all()


def test_one_comparison_alone_has_the_interval_of_the_paired_bootstrap():
    rng = np.random.default_rng(2)
    patient = np.arange(400)
    first, second = rng.standard_normal((2, 400))
    found = compare_all([column([first], patient, 2000)], [column([second], patient, 2000)])
    half = 1.96 * np.std(first - second, ddof=1) / 20
    assert (found.high[0] - found.low[0]) / 2 == pytest.approx(half, rel=0.1)


def test_equivalence_needs_a_margin_and_enough_patients():
    rng = np.random.default_rng(3)
    for num_patients, expected in ((40, False), (4000, True)):
        patient, common = np.arange(num_patients), rng.standard_normal(num_patients)
        near = common + 0.3 * rng.standard_normal(num_patients)
        rows, reference = [column([near], patient)], [column([common], patient)]
        assert compare_all(rows, reference, margin=0.05).is_equivalent[0] == expected
        assert not compare_all(rows, reference).is_equivalent[0]
    far = column([common + 0.2], patient)
    assert not compare_all([far], reference, margin=0.05).is_equivalent[0]


def test_seeds_are_resampled_with_patients():
    """The variance is that of patients plus that of the mean over seeds."""
    rng = np.random.default_rng(4)
    patient = np.arange(500)
    shift = np.array([-0.3, 0.0, 0.3])
    values = shift[:, None] + rng.standard_normal(500)[None]
    draws = column(values, patient, 4000)
    alone = column(values.mean(axis=0, keepdims=True), patient, 4000)
    expected = alone.resampled.var() + shift.var(ddof=1) / 3
    assert draws.resampled.var() == pytest.approx(expected, rel=0.15)
    low, high = percentile_interval(draws)
    assert low < draws.value < high
    assert draws.by_seed == pytest.approx(values.mean(axis=1))


def test_the_interval_over_seeds_is_students():
    assert seed_interval(np.array([0.70, 0.72, 0.74])) == pytest.approx(
        (0.67032, 0.76968), abs=1e-4
    )
    assert np.isnan(seed_interval(np.array([0.7]))).all()


def test_a_row_that_equals_its_reference_is_not_marked():
    patient = np.arange(50)
    same = column([np.random.default_rng(5).standard_normal(50)], patient)
    found = compare_all([same], [same], margin=0.01)
    assert found.p_value[0] == 1 and found.value[0] == 0 and found.is_equivalent[0]
