"""Scores of times to an event as functions of weights of recordings."""

import numpy as np
from numpy.typing import NDArray

from anylead.metrics.bootstrap import Floats, Statistic

_EVENTS_AT_ONCE = 256


def concordance(time: Floats, is_event: NDArray[np.bool_], hazard: Floats) -> Statistic:
    """Share of pairs whose order in time the hazards tell (Harrell et al. 1982); ties are half.

    A pair counts where the earlier of the two times is that of an event, and weighs as both of its
    recordings. NaN without any.

    Args:
        time: (record,) of an event or of censoring.
        is_event: (record,) whether an event ended it.
        hazard: (record,) the larger the sooner.
    """
    events = np.flatnonzero(is_event)

    def statistic(weights: NDArray[np.float32]) -> Floats:
        right = np.zeros(weights.shape[1])
        pairs = np.zeros(weights.shape[1])
        for first in range(0, len(events), _EVENTS_AT_ONCE):
            some = events[first : first + _EVENTS_AT_ONCE]
            is_later = (time > time[some, None]) | ((time == time[some, None]) & ~is_event)
            lower, equal = hazard < hazard[some, None], hazard == hazard[some, None]
            told = (is_later * (lower + 0.5 * equal)).astype(np.float32)
            pairs += (weights[some] * (is_later.astype(np.float32) @ weights)).sum(axis=0)
            right += (weights[some] * (told @ weights)).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0, right / pairs, np.nan)

    return statistic
