"""Multi-label scores by class and their macro means, through scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClassificationScores:
    """Scores of a set of recordings.

    A class without positives or without negatives has no score: it is NaN by class, left out of the
    macro means, and counted.

    Attributes:
        auroc, auprc, f1: (class,).
        macro_auroc, macro_auprc, macro_f1: means over the classes that have a score; NaN if none.
        is_scored: (class,) bool.
        num_left_out: classes without a score.
        num_records: recordings.
        num_positive: (class,) int.
    """

    auroc: Floats
    auprc: Floats
    f1: Floats
    macro_auroc: float
    macro_auprc: float
    macro_f1: float
    is_scored: Flags
    num_left_out: int
    num_records: int
    num_positive: NDArray[np.int64]


def classification_scores(
    label: NDArray[np.generic],
    probability: NDArray[np.floating],
    threshold: float | Sequence[float] | Floats = 0.5,
) -> ClassificationScores:
    """AUROC, AUPRC (average precision) and F1.

    Args:
        label: (record, class) 0 or 1; NaN is unknown, and left out for that class only.
        probability: (record, class); for AUROC and AUPRC any increasing function of it will do.
        threshold: for F1, one or (class,); `probability >= threshold` counts as predicted.

    Raises:
        ValueError: shapes differ, a label other than 0, 1 and NaN, a probability that is not
            finite.
    """
    is_label, is_known = check(label, probability)
    is_predicted = probability >= np.asarray(threshold)
    num_positive = is_label.sum(0)
    is_scored = (num_positive > 0) & (num_positive < is_known.sum(0))
    scores = np.full((3, is_label.shape[1]), np.nan)
    for index in np.flatnonzero(is_scored):
        rows = is_known[:, index]
        true, stated = is_label[rows, index], probability[rows, index]
        scores[:, index] = (
            roc_auc_score(true, stated),
            average_precision_score(true, stated),
            f1_score(true, is_predicted[rows, index], zero_division=0.0),
        )
    macro = scores[:, is_scored].mean(1) if is_scored.any() else np.full(3, np.nan)
    return ClassificationScores(
        auroc=scores[0],
        auprc=scores[1],
        f1=scores[2],
        macro_auroc=float(macro[0]),
        macro_auprc=float(macro[1]),
        macro_f1=float(macro[2]),
        is_scored=is_scored,
        num_left_out=int((~is_scored).sum()),
        num_records=len(is_label),
        num_positive=num_positive,
    )


def check(label: NDArray[np.generic], probability: NDArray[np.floating]) -> tuple[Flags, Flags]:
    """(record, class) bool: is positive, is known; once both arrays are known to be sound.

    Raises:
        ValueError: as above.
    """
    if label.ndim != 2 or label.shape != probability.shape:
        raise ValueError(
            f"labels of shape {label.shape}, predictions of shape {probability.shape}:"
            " want (record, class) twice"
        )
    is_label = label == 1
    is_known = is_label | (label == 0)
    if not (is_known | np.isnan(label.astype(np.float64))).all():
        raise ValueError("a label is neither 0 nor 1, nor NaN for unknown")
    if not np.isfinite(probability).all():
        raise ValueError(f"{(~np.isfinite(probability)).sum()} predictions are not finite")
    return np.asarray(is_label, dtype=bool), np.asarray(is_known, dtype=bool)
