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

# Weights in order of falling probability, labels likewise, last recording of each run of equal
# probabilities -> (resample,) score of one class.
_ByRank = Callable[[Weights, NDArray[np.bool_], NDArray[np.intp]], Floats]


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
    label: NDArray[np.generic], probability: NDArray[np.floating], score: _ByRank
) -> Statistic:
    is_label, is_known = check(label, probability)
    sorted_classes = []
    for column, true, known in zip(probability.T, is_label.T, is_known.T, strict=True):
        rows = np.flatnonzero(known)
        order = rows[np.argsort(-column[rows], kind="stable")]
        ordered = column[order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        sorted_classes.append((order, true[order], last))

    def statistic(weights: Weights) -> Floats:
        scores = [score(weights[order], true, last) for order, true, last in sorted_classes]
        return _macro(np.stack(scores))

    return statistic


def _auroc(weights: Weights, true: NDArray[np.bool_], last: NDArray[np.intp]) -> Floats:
    """Area under the curve through the last recording of each run of ties, by trapezoids."""
    # Sums of whole numbers below 2**24 are exact in float32.
    hits = np.cumsum(weights * true[:, None], axis=0)[last]
    false = np.cumsum(weights * ~true[:, None], axis=0)[last]
    width = np.diff(false, axis=0, prepend=np.float32(0))
    height = np.concatenate([hits[:1], hits[1:] + hits[:-1]])  # twice the mean
    area = np.einsum("nr,nr->r", width, height, dtype=np.float64) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = area / (hits[-1].astype(np.float64) * false[-1])
    return np.where((hits[-1] > 0) & (false[-1] > 0), auroc, np.nan)


def _average_precision(weights: Weights, true: NDArray[np.bool_], last: NDArray[np.intp]) -> Floats:
    """Sum of precision times growth of recall over the runs of ties."""
    total = np.cumsum(weights, axis=0)[last]
    hits = np.cumsum(weights * true[:, None], axis=0)[last]
    growth = np.diff(hits, axis=0, prepend=np.float32(0))
    precision = hits / np.maximum(total, 1)
    area = np.einsum("nr,nr->r", precision, growth, dtype=np.float64)
    is_scored = (hits[-1] > 0) & (hits[-1] < total[-1])
    return np.where(is_scored, area / np.maximum(hits[-1], 1), np.nan)


def _macro(scores: Floats) -> Floats:
    """(class, resample) with NaN -> (resample,) means over the classes that have a score."""
    is_scored = ~np.isnan(scores)
    num_scored = is_scored.sum(0)
    total = np.where(is_scored, scores, 0.0).sum(0)
    return np.where(num_scored > 0, total / np.maximum(num_scored, 1), np.nan)
