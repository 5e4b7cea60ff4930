"""Scores of numbers against scikit-learn and SciPy, and as functions of weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score

from anylead.metrics.bootstrap import bootstrap_interval
from anylead.metrics.regression import mae, pearson, r2, regression_scores

PEERS = {
    mae: mean_absolute_error,
    r2: r2_score,
    pearson: lambda true, said: pearsonr(true, said).statistic,
}


def numbers(seed, num=40, middle=0.0):
    rng = np.random.default_rng(seed)
    target = middle + 10 * rng.standard_normal(num)
    return target, target + 5 * rng.standard_normal(num)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), middle=st.sampled_from([0.0, 60.0, 1e6]))
def test_with_whole_weights_they_are_those_of_repeated_recordings(seed, middle):
    target, said = numbers(seed, middle=middle)
    target[::7] = np.nan
    weights = np.random.default_rng(seed + 1).integers(0, 4, (len(target), 3)).astype(np.float32)
    for statistic, peer in PEERS.items():
        found = statistic(target, said)(weights)
        for column, value in zip(weights.T, found, strict=True):
            rows = np.repeat(np.arange(len(target)), column.astype(int))
            rows = rows[np.isfinite(target[rows])]
            assert value == pytest.approx(peer(target[rows], said[rows]), rel=1e-6, abs=1e-8)


def test_targets_are_scored_apart_and_unknown_ones_left_out():
    first, second = numbers(1), numbers(2)
    target = np.stack([first[0], second[0]], axis=1)
    target[:5, 1] = np.nan
    scores = regression_scores(target, np.stack([first[1], second[1]], axis=1))
    assert scores.num_known.tolist() == [40, 35]
    assert scores.mae == pytest.approx(
        [mean_absolute_error(*first), mean_absolute_error(second[0][5:], second[1][5:])]
    )
    assert scores.r2[1] == pytest.approx(r2_score(second[0][5:], second[1][5:]))


def test_what_does_not_vary_has_no_score():
    constant = np.full((9, 1), 3.0)
    scores = regression_scores(constant, np.arange(9.0)[:, None])
    assert np.isnan(scores.r2[0]) and np.isnan(scores.pearson[0]) and np.isfinite(scores.mae[0])
    unknown = regression_scores(np.full((3, 1), np.nan), np.zeros((3, 1)))
    assert np.isnan([unknown.mae[0], unknown.r2[0], unknown.pearson[0]]).all()


def test_the_interval_is_over_patients():
    target, said = numbers(3)
    one_each = bootstrap_interval(mae(target, said), np.arange(40), 200)
    twins = bootstrap_interval(
        mae(np.repeat(target, 4), np.repeat(said, 4)), np.repeat(np.arange(40), 4), 200
    )
    assert (twins.low, twins.high) == pytest.approx((one_each.low, one_each.high))


@pytest.mark.parametrize("bad", [np.zeros((3, 1)), np.full((4, 1), np.inf)])
def test_arrays_that_do_not_fit_are_refused(bad):
    with pytest.raises(ValueError):
        regression_scores(np.zeros((4, 1)), bad)
