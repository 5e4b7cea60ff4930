"""Who is this? Gallery and probes compared by cosine: rank-k accuracy, ROC, equal error rate.

Protocol of Oh et al. 2022 (arXiv:2203.06889, section 4.2): one recording of each patient is in the
gallery, one of another session is the probe. Here a patient may have several of either, random
crops may be drawn several times, and intervals are over the patients of the probes (the gallery
stays as it is).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylead.metrics.bootstrap import Interval, Statistic, bootstrap_interval
from anylead.metrics.weighted import mean

Floats = NDArray[np.float64]
_NUM_QUANTILES = 1000


@dataclass(frozen=True, eq=False)
class Roc:
    """Error rates by threshold: a probe is taken for a person where the cosine is at least it.

    Attributes:
        threshold: (threshold,) increasing.
        false_accept: (threshold,) share of comparisons with other persons that pass.
        false_reject: (threshold,) share of comparisons with the own recordings that fail.
    """

    threshold: Floats
    false_accept: Floats
    false_reject: Floats

    def threshold_for(self, false_accept: float) -> float:
        """The lowest threshold with at most this rate of false acceptance."""
        return float(self.threshold[np.argmax(self.false_accept <= false_accept)])


@dataclass(frozen=True, eq=False)
class IdentificationScores:
    """How well probes find their person in a gallery.

    Attributes:
        rank_1, rank_5: share of probes whose person is the nearest, or among the nearest five.
        eer: equal error rate of verification.
        roc: error rates by threshold.
        rank_1_by_draw: (draw,) the same for each draw of crops.
        is_first: (probe known to the gallery,) share of draws with the person first, for paired
            comparisons.
        probe_patient: likewise, whose probe it is.
        num_gallery_patients, num_probes: sizes.
        num_unknown: probes whose person is not in the gallery: they count as impostors only.
    """

    rank_1: Interval
    rank_5: Interval
    eer: Interval
    roc: Roc
    rank_1_by_draw: Floats
    is_first: Floats
    probe_patient: NDArray[np.generic]
    num_gallery_patients: int
    num_probes: int
    num_unknown: int


def identification_scores(
    gallery: NDArray[np.floating],
    gallery_patient: NDArray[np.generic],
    probe: NDArray[np.floating],
    probe_patient: NDArray[np.generic],
    num_resamples: int = 1000,
    seed: int = 0,
) -> IdentificationScores:
    """Compare every probe with every person of the gallery.

    Args:
        gallery: (draw, record, dim) embeddings, one draw for each choice of crops.
        gallery_patient: (record,) whatever names a patient.
        probe: (draw, record, dim), recordings of other sessions.
        probe_patient: (record,).
        num_resamples, seed: of the intervals.

    Raises:
        ValueError: shapes do not fit, a value is not finite, no probe is known to the gallery, or
            there is only one person.
    """
    _check(gallery, gallery_patient, probe, probe_patient)
    people, person = np.unique(gallery_patient, return_inverse=True)
    own = np.searchsorted(people, probe_patient).clip(max=len(people) - 1)
    is_known = people[own] == probe_patient
    if len(people) < 2 or not is_known.any():
        raise ValueError(
            f"{len(people)} patients in the gallery, {is_known.sum()} of {len(is_known)} probes are"
            " theirs: want at least two patients and one probe"
        )
    cosine = np.stack(
        [_best_of_person(*pair, person, len(people)) for pair in zip(gallery, probe, strict=True)]
    )  # (draw, probe, person)
    rank = _ranks(cosine[:, is_known], own[is_known])  # (draw, known probe)
    roc, false_accept, false_reject = _error_rates(cosine, own, is_known)

    def interval(statistic: Statistic, patient: NDArray[np.generic]) -> Interval:
        return bootstrap_interval(statistic, patient, num_resamples, seed)

    known = probe_patient[is_known]
    return IdentificationScores(
        rank_1=interval(mean((rank <= 1).mean(0)), known),
        rank_5=interval(mean((rank <= 5).mean(0)), known),
        eer=interval(_equal_error_rate(false_accept, false_reject, is_known), probe_patient),
        roc=roc,
        rank_1_by_draw=(rank <= 1).mean(1),
        is_first=(rank <= 1).mean(0),
        probe_patient=known,
        num_gallery_patients=len(people),
        num_probes=len(probe_patient),
        num_unknown=int((~is_known).sum()),
    )


def cosine_similarity(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    """(a, dim) and (b, dim) -> (a, b); 0 for a vector of length 0."""
    units = []
    for rows in (first, second):
        length = np.linalg.norm(np.asarray(rows, dtype=np.float64), axis=1, keepdims=True)
        units.append(rows / np.where(length > 0, length, 1.0))
    return np.asarray(units[0] @ units[1].T, dtype=np.float64)


def _best_of_person(
    gallery: NDArray[np.floating],
    probe: NDArray[np.floating],
    person: NDArray[np.intp],
    num_people: int,
) -> Floats:
    """(probe, person): cosine with the nearest recording of each person."""
    order = np.argsort(person, kind="stable")
    start = np.searchsorted(person[order], np.arange(num_people))
    cosine = cosine_similarity(probe, gallery)[:, order]
    return np.asarray(np.maximum.reduceat(cosine, start, axis=1), dtype=np.float64)


def _ranks(cosine: Floats, own: NDArray[np.intp]) -> NDArray[np.intp]:
    """(draw, probe): place of the own person, 1 is the nearest; equals stand before it."""
    of_own = np.take_along_axis(cosine, own[None, :, None], axis=2)
    # The own person is among those "at least as near", so the count is the rank. Rounding of equal
    # vectors must not decide.
    return np.asarray((cosine >= of_own - 1e-12).sum(2), dtype=np.intp)


def _error_rates(
    cosine: Floats, own: NDArray[np.intp], is_known: NDArray[np.bool_]
) -> tuple[Roc, Floats, Floats]:
    """The curve, and (probe, threshold) rates of each probe, averaged over draws."""
    num_draws, num_probes, num_people = cosine.shape
    is_own = (np.arange(num_people) == own[:, None]) & is_known[:, None]  # (probe, person)
    steps = np.linspace(0, 1, _NUM_QUANTILES)
    levels = [np.quantile(cosine[:, chosen], steps) for chosen in (is_own, ~is_own)]
    threshold = np.unique(np.concatenate([*levels, [cosine.max() + 1e-6]]))
    false_accept = np.zeros((num_probes, len(threshold)))
    false_reject = np.zeros((num_probes, len(threshold)))
    for scores in cosine:
        for row in range(num_probes):
            others = np.sort(scores[row][~is_own[row]])
            num_below = np.searchsorted(others, threshold, side="left")
            false_accept[row] += (1 - num_below / len(others)) / num_draws
            if is_known[row]:
                false_reject[row] += (scores[row, own[row]] < threshold) / num_draws
    roc = Roc(threshold, false_accept.mean(0), false_reject[is_known].mean(0))
    return roc, false_accept, false_reject


def _equal_error_rate(
    false_accept: Floats, false_reject: Floats, is_known: NDArray[np.bool_]
) -> Statistic:
    """The rate where both errors are equal, as a function of weights."""

    def statistic(weights: NDArray[np.float32]) -> Floats:
        known = weights * is_known[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            accept = (weights.T @ false_accept) / weights.sum(0)[:, None]  # (resample, threshold)
            reject = (known.T @ false_reject) / known.sum(0)[:, None]
        gap = reject - accept  # rises from -1 to the largest rate of rejection
        after = np.argmax(gap >= 0, axis=1)
        before = np.maximum(after - 1, 0)
        rows = np.arange(len(gap))
        low, high = gap[rows, before], gap[rows, after]
        share = np.where(high > low, -low / np.where(high > low, high - low, 1.0), 0.0).clip(0, 1)
        rate = accept[rows, before] * (1 - share) + accept[rows, after] * share
        return np.where(known.sum(0) > 0, rate, np.nan)

    return statistic


def _check(
    gallery: NDArray[np.floating],
    gallery_patient: NDArray[np.generic],
    probe: NDArray[np.floating],
    probe_patient: NDArray[np.generic],
) -> None:
    for name, embedding, patient in (
        ("gallery", gallery, gallery_patient),
        ("probe", probe, probe_patient),
    ):
        if embedding.ndim != 3 or embedding.shape[1] != len(patient):
            raise ValueError(
                f"{name}: embeddings of shape {embedding.shape} for {len(patient)} patients:"
                " want (draw, record, dim)"
            )
        if not np.isfinite(embedding).all():
            raise ValueError(f"{name}: an embedding is not finite")
    if gallery.shape[0] != probe.shape[0] or gallery.shape[2] != probe.shape[2]:
        raise ValueError(f"gallery {gallery.shape} and probe {probe.shape} differ in draws or dim")
