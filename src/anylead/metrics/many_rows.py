"""Many rows against one: intervals and p-values that hold for all comparisons at once.

Single-step max-T (Westfall and Young 1993, algorithm 2.5) over bootstrap draws: of the largest of
all standardized differences, so that a table of equal rows marks any of them in 5 % of tables, not
5 % of rows. Equivalence is two one-sided tests (Schuirmann 1987): the interval of 90 %, for all
comparisons at once, lies within the margin.

A draw resamples patients, and seeds where there are several, so it says what other patients and
other seeds would give.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from anylead.metrics.bootstrap import Floats, Statistic, patient_weights


@dataclass(frozen=True, eq=False)
class Draws:
    """A number, and what it would have been on other patients and seeds.

    Attributes:
        value: of all patients, mean over seeds.
        by_seed: (seed,) values.
        resampled: (resample,).
    """

    value: float
    by_seed: Floats
    resampled: Floats


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Differences, each with what holds for all of them together.

    Attributes:
        value, low, high: (comparison,) difference and simultaneous interval of 95 %.
        p_value: (comparison,) adjusted for their number.
        is_equivalent: (comparison,) within the margin; all False without one.
    """

    value: Floats
    low: Floats
    high: Floats
    p_value: Floats
    is_equivalent: NDArray[np.bool_]


def draw(
    by_seed: Sequence[Statistic],
    patient: NDArray[np.generic],
    num_resamples: int = 1000,
    seed: int = 0,
) -> Draws:
    """The mean over seeds, with patients and seeds resampled.

    The mean of n drawn seeds varies by a factor of (n - 1) / n too little; that is made up for.

    Args:
        by_seed: the statistic of each seed.
        patient: (record,) whatever names a patient.
        num_resamples: draws; the same patients and seeds for all rows, so that rows are paired.
        seed: of the draws.
    """
    one = np.ones((len(patient), 1), dtype=np.float32)
    values = np.array([float(statistic(one)[0]) for statistic in by_seed])
    chunks = [
        np.stack([statistic(weights) for statistic in by_seed])
        for weights in patient_weights(patient, num_resamples, seed)
    ]
    of_seed = np.concatenate(chunks, axis=1)  # (seed, resample)
    number = len(by_seed)
    mean = of_seed.mean(axis=0)
    if number > 1:
        chosen = np.random.default_rng((seed, number)).integers(number, size=of_seed.shape)
        drawn = np.take_along_axis(of_seed, chosen, axis=0).mean(axis=0)
        mean = mean + np.sqrt(number / (number - 1)) * (drawn - mean)
    return Draws(float(values.mean()), values, mean)


def percentile_interval(draws: Draws, level: float = 0.95) -> tuple[float, float]:
    """Bounds of the middle `level` of the draws; NaN where no draw has a value."""
    known = draws.resampled[np.isfinite(draws.resampled)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def seed_interval(by_seed: Floats, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean over seeds alone, as papers print it; NaN for one seed."""
    number = len(by_seed)
    if number < 2:
        return float("nan"), float("nan")
    half = student.ppf((1 + level) / 2, number - 1) * by_seed.std(ddof=1) / np.sqrt(number)
    return float(by_seed.mean() - half), float(by_seed.mean() + half)


def compare_all(
    rows: Sequence[Draws], references: Sequence[Draws], margin: float | None = None
) -> Comparisons:
    """Each row minus its reference, adjusted for all of them.

    Args:
        rows, references: (comparison,) drawn alike; in one column a reference serves many rows.
        margin: differences below it do not matter; None claims no equivalence.
    """
    value = np.array([a.value - b.value for a, b in zip(rows, references, strict=True)])
    resampled = np.stack([a.resampled - b.resampled for a, b in zip(rows, references, strict=True)])
    centred = resampled - value[:, None]
    is_known = np.isfinite(centred)
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.where(is_known, centred**2, 0).sum(1) / is_known.sum(1).clip(min=1))
    has_spread = (spread > 0) & np.isfinite(value)
    scale = np.where(has_spread, spread, 1.0)
    standard = np.where(is_known & has_spread[:, None], np.abs(centred) / scale[:, None], 0.0)
    largest = standard.max(axis=0)  # (resample,)
    distance = np.where(has_spread, np.abs(value) / scale, np.where(value == 0, 0.0, np.inf))
    reached = (largest[None] >= distance[:, None]).sum(axis=1)
    p_value = np.where(np.isfinite(value), (1 + reached) / (1 + len(largest)), np.nan)
    half = np.quantile(largest, 0.95) * spread
    tost = np.quantile(largest, 0.90) * spread
    is_equivalent = np.zeros(len(value), dtype=bool)
    if margin is not None:
        is_equivalent = np.abs(value) + tost < margin
    return Comparisons(value, value - half, value + half, p_value, is_equivalent)
