"""Probability -> decision: one threshold per class and lead set, chosen on validation data.

A probability does not mean the same with other leads: a threshold chosen with twelve misses most of
what one lead shows. So a checkpoint holds {lead set: {label: threshold}}.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from anylead.leads import lead_mask

NEVER = 2.0  # above any probability
_HALF = 0.5


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


def thresholds_for(
    stored: Any, label_names: Sequence[str], leads: str | Sequence[str]
) -> NDArray[np.float64]:
    """(class,) the thresholds of a checkpoint for some leads.

    Those of the lead set that is most like the leads, and of equals the larger one.

    Args:
        stored: {lead set: {label: threshold}}, or (class,) for all lead sets; None is 0.5 for all.
        label_names: classes in order.
        leads: that are seen.
    """
    if not stored:
        return np.full(len(label_names), _HALF)
    if not isinstance(stored, Mapping):  # a checkpoint from before there was one for each lead set
        return np.array(stored, dtype=np.float64)
    of_set = stored[nearest_set(list(stored), leads)]
    return np.array([of_set.get(name, _HALF) for name in label_names], dtype=np.float64)


def nearest_set(lead_sets: Sequence[str], leads: str | Sequence[str]) -> str:
    """The lead set that shares most with the leads (intersection over union)."""
    seen = lead_mask(leads)

    def likeness(name: str) -> tuple[float, int]:
        mask = lead_mask(name)
        return float((mask & seen).sum() / (mask | seen).sum()), int(mask.sum())

    return max(lead_sets, key=likeness)


def by_label(thresholds: Sequence[float], label_names: Sequence[str]) -> Mapping[str, float]:
    """As a checkpoint holds them: plain numbers, `NEVER` for what is never predicted."""
    pairs = zip(label_names, thresholds, strict=True)
    return {name: float(min(value, NEVER)) for name, value in pairs}
