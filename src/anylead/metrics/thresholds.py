"""Probability -> decision: one threshold per class, chosen on validation data."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve


def best_f1_thresholds(
    label: NDArray[np.generic], probability: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(class,) the threshold with the largest F1 of each class; 0.5 where a class never occurs.

    Args:
        label: (record, class) 0 or 1; NaN is unknown and left out.
        probability: (record, class); `probability >= threshold` counts as predicted.
    """
    chosen = np.full(label.shape[1], 0.5)
    is_known = np.isfinite(label)
    for index in np.flatnonzero((label == 1).any(axis=0)):
        rows = is_known[:, index]
        precision, recall, thresholds = precision_recall_curve(
            label[rows, index], probability[rows, index]
        )
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        chosen[index] = thresholds[np.argmax(f1[:-1])]
    return chosen
