"""Scores of numbers that were predicted, by target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylead.metrics.bootstrap import Statistic

Floats = NDArray[np.float64]
Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RegressionScores:
    """Scores by target, over the recordings where it is known.

    Attributes:
        mae: (target,) mean absolute error, in its unit.
        r2: (target,) share of the variance that is explained; below 0 is worse than the mean.
        pearson: (target,) correlation; NaN where either side does not vary.
        num_known: (target,) recordings.
    """

    mae: Floats
    r2: Floats
    pearson: Floats
    num_known: NDArray[np.int64]


def regression_scores(
    target: NDArray[np.floating], predicted: NDArray[np.floating]
) -> RegressionScores:
    """Scores of (record, target) numbers; targets that are NaN are unknown and left out.

    Raises:
        ValueError: shapes differ, or a prediction that is not finite.
    """
    check(target, predicted)
    ones = np.ones((len(target), 1), dtype=np.float32)
    columns = list(zip(target.T, predicted.T, strict=True))
    first, second, third = (
        np.array([statistic(*column)(ones)[0] for column in columns])
        for statistic in (mae, r2, pearson)
    )
    return RegressionScores(first, second, third, np.isfinite(target).sum(axis=0))


def mae(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> Statistic:
    """Mean absolute error of (record,) numbers, as a function of weights."""
    is_known = np.isfinite(target)
    error = np.abs(predicted - target)[is_known].astype(np.float64)

    def statistic(weights: Weights) -> Floats:
        own = weights[is_known].astype(np.float64)
        return _ratio(error @ own, own.sum(axis=0))

    return statistic


def r2(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> Statistic:
    """Share of the variance of (record,) numbers that is explained, as a function of weights."""
    true, said, is_known = _known(target, predicted)

    def statistic(weights: Weights) -> Floats:
        own = weights[is_known].astype(np.float64)
        total = own.sum(axis=0)
        mean = _ratio(true @ own, total)
        around = np.square(true) @ own - total * np.square(mean)
        return 1 - _ratio(np.square(said - true) @ own, _varies(around, true, total))

    return statistic


def pearson(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> Statistic:
    """Correlation of (record,) numbers, as a function of weights."""
    true, said, is_known = _known(target, predicted)

    def statistic(weights: Weights) -> Floats:
        own = weights[is_known].astype(np.float64)
        total = own.sum(axis=0)
        first, second = _ratio(true @ own, total), _ratio(said @ own, total)
        both = (true * said) @ own - total * first * second
        one = _varies(np.square(true) @ own - total * np.square(first), true, total)
        other = _varies(np.square(said) @ own - total * np.square(second), said, total)
        return np.clip(_ratio(both, np.sqrt(one * other)), -1, 1)

    return statistic


def check(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> None:
    """Make sure that two arrays can be compared.

    Raises:
        ValueError: as above.
    """
    if target.ndim != 2 or target.shape != predicted.shape:
        raise ValueError(
            f"targets of shape {target.shape}, predictions of shape {predicted.shape}:"
            " want (record, target) twice"
        )
    if not np.isfinite(predicted).all():
        raise ValueError(f"{(~np.isfinite(predicted)).sum()} predictions are not finite")


def _known(
    target: NDArray[np.floating], predicted: NDArray[np.floating]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Both where the target is known, moved to about zero, where squares lose nothing."""
    is_known = np.isfinite(target)
    true, said = target[is_known].astype(np.float64), predicted[is_known].astype(np.float64)
    middle = true.mean() if len(true) else 0.0
    return true - middle, said - middle, is_known


def _varies(around: Floats, values: Floats, total: Floats) -> Floats:
    """Sums of squares around the mean; 0 where they are nothing but rounding."""
    noise = 1e-12 * total * float(np.square(values).max(initial=0.0))
    return np.where(around > noise, around, 0.0)


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)
