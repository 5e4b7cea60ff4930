"""Probability -> decision: one threshold per class, chosen on validation data."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve


def best_f1_thresholds(
    label: NDArray[np.generic], probability: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(class,) the threshold with the largest F1 of each class; 0.5 where a class never occurs.

    Args:
        label: (record, class) 0 or 1.
        probability: (record, class); `probability >= threshold` counts as predicted.
    """
    chosen = np.full(label.shape[1], 0.5)
    for index in np.flatnonzero(label.any(axis=0)):
        precision, recall, thresholds = precision_recall_curve(
            label[:, index], probability[:, index]
        )
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        chosen[index] = thresholds[np.argmax(f1[:-1])]
    return chosen
