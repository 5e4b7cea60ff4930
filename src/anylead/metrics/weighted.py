"""Scores as functions of a weight for each recording: statistics for `anylead.metrics.bootstrap`.

With whole weights they equal scikit-learn's on recordings repeated so often; what does not depend
on the weights (sorting, comparing) is done once for all resamples. As in `classification_scores`, a
class without positives or negatives (here: in a resample) is left out of the macro mean, and labels
that are NaN are unknown and left out for their class only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from anylead.metrics.bootstrap import Statistic
from anylead.metrics.cinc_score import record_credits
from anylead.metrics.classification import check

Floats = NDArray[np.float64]
Weights = NDArray[np.float32]

# Weight of the positives in each run of equal probabilities that has any, from the largest
# probability on; of its negatives; of the negatives between it and the run before -> (resample,)
# score of one class. (run, resample) each; one more row of the last.
_ByRun = Callable[[Weights, Weights, Weights], Floats]


def macro_auroc(label: NDArray[np.generic], probability: NDArray[np.floating]) -> Statistic:
    """Macro AUROC of (record, class) labels and predictions."""
    return _macro_of_ranks(label, probability, _auroc)


def macro_auprc(label: NDArray[np.generic], probability: NDArray[np.floating]) -> Statistic:
    """Macro average precision of (record, class) labels and predictions."""
    return _macro_of_ranks(label, probability, _average_precision)


def macro_f1(label: NDArray[np.generic], is_predicted: NDArray[np.bool_]) -> Statistic:
    """Macro F1 of (record, class) labels and decisions."""
    is_label, is_known = check(label, is_predicted.astype(np.float64))
    parts = [is_label & is_predicted, is_label, is_predicted & is_known, is_known]
    hits, true, predicted, known = (part.T.astype(np.float32) for part in parts)

    def statistic(weights: Weights) -> Floats:
        num_true = (true @ weights).astype(np.float64)  # (class, resample)
        with np.errstate(invalid="ignore"):
            f1 = 2 * (hits @ weights) / (num_true + predicted @ weights)
        is_scored = (num_true > 0) & (num_true < known @ weights)
        return _macro(np.where(is_scored, f1, np.nan))

    return statistic


def cinc(
    label: NDArray[np.generic],
    is_predicted: NDArray[np.bool_],
    label_names: Sequence[str] | None = None,
) -> Statistic:
    """CinC 2021 score of (record, class) labels and decisions."""
    credit = record_credits(label, is_predicted, label_names).T  # (3, record)

    def statistic(weights: Weights) -> Floats:
        observed, correct, inactive = credit @ weights.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = (observed - inactive) / (correct - inactive)
        return np.where(correct == inactive, 0.0, score)

    return statistic


def mean(value: NDArray[np.generic]) -> Statistic:
    """Mean of one number for each recording, such as whether it was identified."""
    number = np.asarray(value, dtype=np.float64)

    def statistic(weights: Weights) -> Floats:
        return np.asarray(number @ weights / weights.sum(0, dtype=np.float64), dtype=np.float64)

    return statistic


def _macro_of_ranks(
    label: NDArray[np.generic], probability: NDArray[np.floating], score: _ByRun
) -> Statistic:
    is_label, is_known = check(label, probability)
    sums = [
        _Runs(column, true, known)
        for column, true, known in zip(probability.T, is_label.T, is_known.T, strict=True)
    ]

    def statistic(weights: Weights) -> Floats:
        return _macro(np.stack([score(*runs.weigh(weights)) for runs in sums]))

    return statistic


class _Runs:
    """The recordings of a class by falling probability, as the sums that its scores are made of.

    What lies between two positives counts as one, so that a resample costs one sparse product.
    """

    def __init__(
        self,
        probability: NDArray[np.floating],
        is_true: NDArray[np.bool_],
        is_known: NDArray[np.bool_],
    ):
        from scipy.sparse import csr_array

        of_positives = np.unique(-probability[is_true & is_known])
        self.number = number = len(of_positives)
        known = np.flatnonzero(is_known)
        place = np.searchsorted(of_positives, -probability[known])
        is_within = np.append(of_positives, np.inf)[place] == -probability[known]
        row = np.where(is_true[known], place, np.where(is_within, number, 2 * number) + place)
        ones = np.ones(len(known), dtype=np.float32)
        shape = (3 * number + 1, len(probability))
        self.matrix = csr_array((ones, (row, known)), shape=shape)

    def weigh(self, weights: Weights) -> tuple[Weights, Weights, Weights]:
        """See `_ByRun`. Sums of whole numbers below 2**24 are exact in float32."""
        summed = self.matrix @ weights
        return (
            summed[: self.number],
            summed[self.number : 2 * self.number],
            summed[2 * self.number :],
        )


def _auroc(positive: Weights, beside: Weights, between: Weights) -> Floats:
    """Share of pairs in which the positive has the larger probability; ties are half a pair."""
    above = np.cumsum(between[:-1], axis=0)
    above[1:] += np.cumsum(beside[:-1], axis=0)
    num_positive = positive.sum(axis=0, dtype=np.float64)
    num_negative = between.sum(axis=0, dtype=np.float64) + beside.sum(axis=0, dtype=np.float64)
    lost = np.einsum("kr,kr->r", positive, above + beside / 2, dtype=np.float64)
    is_scored = (num_positive > 0) & (num_negative > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        won = num_positive * num_negative - lost
        return np.where(is_scored, won / (num_positive * num_negative), np.nan)


def _average_precision(positive: Weights, beside: Weights, between: Weights) -> Floats:
    """Sum of precision times growth of recall over the runs of ties."""
    hits = np.cumsum(positive, axis=0)
    total = hits + np.cumsum(between[:-1] + beside, axis=0)
    area = np.einsum("kr,kr->r", hits / np.maximum(total, 1), positive, dtype=np.float64)
    num_positive = positive.sum(axis=0, dtype=np.float64)
    num_negative = between.sum(axis=0, dtype=np.float64) + beside.sum(axis=0, dtype=np.float64)
    is_scored = (num_positive > 0) & (num_negative > 0)
    return np.where(is_scored, area / np.maximum(num_positive, 1), np.nan)


def _macro(scores: Floats) -> Floats:
    """(class, resample) with NaN -> (resample,) means over the classes that have a score."""
    is_scored = ~np.isnan(scores)
    num_scored = is_scored.sum(0)
    total = np.where(is_scored, scores, 0.0).sum(0)
    return np.where(num_scored > 0, total / np.maximum(num_scored, 1), np.nan)
