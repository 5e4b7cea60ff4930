"""Intervals by resampling patients (percentile bootstrap, Efron and Tibshirani 1993, chapter 13).

Recordings of one patient are not independent, so whole patients are drawn. A resample is a weight
for each recording, the number of times its patient was drawn, and a statistic is a function of
weights: one sort serves all resamples. Two models are compared on the same draws.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# (record, resample) float32 weights -> (resample,) values.
Statistic = Callable[[NDArray[np.float32]], Floats]

_CHUNK = 64  # resamples at once, to bound the memory and stay in the cache
_LARGEST_KEPT = 2**24  # counts of draws, 64 MB


@dataclass(frozen=True)
class Interval:
    """A value and its percentile interval.

    Attributes:
        value: of the recordings as they are.
        low, high: bounds; NaN if no resample has a value.
        num_resamples: resamples that have a value.
    """

    value: float
    low: float
    high: float
    num_resamples: int


@dataclass(frozen=True)
class Difference(Interval):
    """First model minus second on the same resamples.

    Attributes:
        p_value: two-sided, twice the smaller share of resamples at or beyond zero, at least
            1 / num_resamples.
    """

    p_value: float


def bootstrap_interval(
    statistic: Statistic,
    patient: NDArray[np.generic],
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The statistic and its interval over patients.

    Args:
        statistic: see `anylead.metrics.weighted`.
        patient: (record,) whatever names a patient; equal ones are drawn together.
        num_resamples: draws of as many patients as there are.
        seed: the same seed gives the same draws, for any statistic.
        level: share of resamples inside the interval.
    """
    value, values = _values(statistic, patient, num_resamples, seed)
    low, high, number = _percentiles(values, level)
    return Interval(value, low, high, number)


def paired_difference(
    first: Statistic,
    second: Statistic,
    patient: NDArray[np.generic],
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Interval of `first` minus `second`, both on the same recordings and the same draws."""
    first_value, first_values = _values(first, patient, num_resamples, seed)
    second_value, second_values = _values(second, patient, num_resamples, seed)
    values = first_values - second_values
    low, high, number = _percentiles(values, level)
    known = values[np.isfinite(values)]
    tail = min((known <= 0).mean(), (known >= 0).mean()) if number else float("nan")
    p_value = float(np.clip(2 * tail, 1 / max(number, 1), 1.0))
    return Difference(first_value - second_value, low, high, number, p_value)


def mean_of(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of several scores on the same draws."""

    def mean(weights: NDArray[np.float32]) -> Floats:
        made: Floats = np.mean([each(weights) for each in statistics], axis=0)
        return made

    return mean


def patient_weights(
    patient: NDArray[np.generic], num_resamples: int, seed: int
) -> Iterator[NDArray[np.float32]]:
    """(record, up to 64 resamples) at a time: how often the patient of each recording was drawn."""
    _, index = np.unique(patient, return_inverse=True)
    num_patients = int(index.max()) + 1
    is_small = num_patients * num_resamples <= _LARGEST_KEPT
    draw = _kept_draws if is_small else _draws
    for counts in draw(num_patients, num_resamples, seed):
        yield counts[index]


def _draws(num_patients: int, num_resamples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """(patient, up to 64 resamples) at a time: how often each was drawn."""
    generator = np.random.default_rng(seed)
    for start in range(0, num_resamples, _CHUNK):
        counts = np.empty((num_patients, min(_CHUNK, num_resamples - start)), dtype=np.float32)
        for resample in range(counts.shape[1]):
            drawn = generator.integers(num_patients, size=num_patients)
            counts[:, resample] = np.bincount(drawn, minlength=num_patients)
        yield counts


@lru_cache(maxsize=2)
def _kept_draws(
    num_patients: int, num_resamples: int, seed: int
) -> tuple[NDArray[np.float32], ...]:
    """All of them: the scores of an evaluation are many, on the same draws."""
    return tuple(_draws(num_patients, num_resamples, seed))


def _values(
    statistic: Statistic, patient: NDArray[np.generic], num_resamples: int, seed: int
) -> tuple[float, Floats]:
    """The value as it is, and (resample,) values."""
    if len(patient) == 0 or num_resamples < 1:
        raise ValueError(f"{num_resamples} resamples of {len(patient)} recordings: nothing to draw")
    value = float(statistic(np.ones((len(patient), 1), dtype=np.float32))[0])
    values = [statistic(weights) for weights in patient_weights(patient, num_resamples, seed)]
    return value, np.concatenate(values)


def _percentiles(values: Floats, level: float) -> tuple[float, float, int]:
    """Bounds of the middle `level` of the values, and how many there are."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan"), 0
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), len(known)
