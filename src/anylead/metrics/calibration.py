"""Logits -> probabilities that match frequencies.

Of each class by itself a line (Platt 1999), of classes that exclude each other one temperature (Guo
et al. 2017), both with a pull towards no change.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax

Floats = NDArray[np.float64]


def platt_scaling(
    label: NDArray[np.generic], logit: NDArray[np.floating], pull: float = 1.0
) -> tuple[Floats, Floats]:
    """Slope and offset of each class: calibrated = sigmoid(slope * logit + offset).

    Args:
        label: (record, class) 0 or 1.
        logit: (record, class).
        pull: weight of (slope - 1)^2 + offset^2 beside the summed cross-entropy; keeps a class with
            few positives near where it was, and a class without any exactly there.
    """
    slope, offset = np.ones(logit.shape[1]), np.zeros(logit.shape[1])
    for index in np.flatnonzero(label.any(axis=0) & ~label.all(axis=0)):
        true, x = label[:, index].astype(np.float64), logit[:, index].astype(np.float64)

        def cost(place: Floats, true: Floats = true, x: Floats = x) -> tuple[float, Floats]:
            z = place[0] * x + place[1]
            wrong = expit(z) - true
            drift = place - (1.0, 0.0)
            total = (np.logaddexp(0, z) - true * z).sum() + pull * drift @ drift
            return float(total), np.array([wrong @ x, wrong.sum()]) + 2 * pull * drift

        slope[index], offset[index] = minimize(cost, np.array([1.0, 0.0]), jac=True).x
    return slope, offset


def inverse_temperature(
    label: NDArray[np.generic], logit: NDArray[np.floating], pull: float = 1.0
) -> float:
    """The slope of calibrated = softmax(slope * logit), from e^-3 to e^3.

    Args:
        label: (record, class) 0 or 1, one 1 for each record.
        logit: (record, class).
        pull: weight of log(slope)^2 beside the summed cross-entropy.
    """
    true, x = label.astype(bool), logit.astype(np.float64)

    def cost(log_slope: float) -> float:
        said = log_softmax(np.exp(log_slope) * x, axis=1)
        return float(-said[true].sum() + pull * log_slope**2)

    return float(np.exp(minimize_scalar(cost, bounds=(-3.0, 3.0), method="bounded").x))


def calibration_error(label: NDArray[np.generic], probability: Floats, bins: int = 15) -> float:
    """Expected calibration error over all entries, in bins of equally many (Naeini et al. 2015).

    Args:
        label: (record, class) 0 or 1.
        probability: (record, class).
        bins: of equal size by probability.
    """
    order = np.argsort(probability, axis=None, kind="stable")
    said, true = probability.ravel()[order], label.ravel()[order].astype(np.float64)
    parts = np.array_split(np.arange(len(said)), bins)
    gaps = [abs(said[part].mean() - true[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(said))
