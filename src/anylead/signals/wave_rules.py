"""From probabilities to waves that obey the order of a heartbeat (Viterbi 1967).

P comes before its QRS, T after it, waves do not overlap, and each may be absent but for the QRS
that a T needs. A P may stand alone (a blocked one). Where the rhythm is irregular, as in atrial
fibrillation, P counts only if it goes before nearly every QRS at a constant distance.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.records import Mark
from anylead.signals.intervals import Beat, beats_of

WAVES = ("P", "QRS", "T")
NONE = 0  # the class before those of `WAVES`
Array = NDArray[np.float64]


class Part(NamedTuple):
    """A part of a heartbeat.

    kind: class of its samples, 0 for none, else 1 + number in `WAVES`.
    shortest: seconds.
    after: parts that it may follow, with the price of doing so, in nats.
    """

    kind: int
    shortest: float
    after: dict[str, float]


# The prices are those of what is rare: a blocked P, a QRS without a T.
PARTS: dict[str, Part] = {
    "pause": Part(NONE, 0.01, {"T": 0.0}),
    "P": Part(1, 0.03, {"pause": 0.0, "T": 0.0, "PQ": 2.0, "ST": 4.0}),
    "PQ": Part(NONE, 0.01, {"P": 0.0}),
    "QRS": Part(2, 0.05, {"pause": 0.0, "PQ": 0.0, "P": 0.0, "T": 0.0, "ST": 4.0}),
    "ST": Part(NONE, 0.01, {"QRS": 0.0}),
    "T": Part(3, 0.06, {"ST": 0.0, "QRS": 0.0}),
}
_REACH = 0.05  # seconds on both sides of a boundary that say where exactly it lies
_LEAST = 1e-6
# An irregular rhythm: median change from one interval between beats to the next, of their mean; and
# what P must be in it: the share of the beats that have one, and the spread of PR in seconds.
_IRREGULAR, _P_SHARE, _P_SPREAD = 0.12, 0.9, 0.010
_FEWEST_BEATS = 5


class _States(NamedTuple):
    """Parts of a heartbeat with one state for each sample of their shortest length.

    kind: (state,) class of its samples.
    part: (state,) number of the part.
    before: (state, k) states that it may follow, itself among them where it may last.
    price: (state, k) infinite where there are fewer than k.
    is_end: (state,) whether it is the last of its part.
    """

    kind: NDArray[np.intp]
    part: NDArray[np.intp]
    before: NDArray[np.intp]
    price: Array
    is_end: NDArray[np.bool_]


def marks_of(
    probability: NDArray[np.floating],
    leads: Sequence[str],
    sample_rate: float,
    start: float = 0.0,
) -> list[Mark]:
    """The waves of all leads.

    Args:
        probability: (lead, time, 4) of none, P, QRS and T; NaN for leads that are not there.
        leads: their names.
        sample_rate: Hz.
        start: seconds to be added to all times.
    """
    there = np.flatnonzero(np.isfinite(probability[:, 0, 0]))
    if not len(there):
        return []
    paths = best_path(probability[there], sample_rate)
    return [
        mark
        for lead, path in zip(there.tolist(), paths, strict=True)
        for mark in steady(waves_of(probability[lead], path, leads[lead], sample_rate, start))
    ]


def best_path(probability: NDArray[np.floating], sample_rate: float) -> NDArray[np.int8]:
    """The likeliest order of waves of each lead that the rules allow.

    Args:
        probability: (lead, time, 4) of none, P, QRS and T.
        sample_rate: Hz.

    Returns:
        (lead, time) class of each sample, 0 for none.
    """
    states = _states(sample_rate)
    num_leads, num_samples, _ = probability.shape
    log = np.log(np.maximum(probability, _LEAST)).astype(np.float32).transpose(1, 2, 0).copy()
    score = np.where(states.is_end[:, None], log[0, states.kind], np.float32(-np.inf))
    came_from = np.zeros((num_samples, len(states.kind), num_leads), dtype=np.int8)
    # Most states have one predecessor: only the others are compared.
    first, prices = states.before[:, 0], states.price.astype(np.float32)
    width = (states.price < np.inf).sum(axis=1)
    groups = [np.flatnonzero(width == each) for each in np.unique(width) if each > 1]
    choices = [
        (group, states.before[group, : width[group[0]]], prices[group, : width[group[0]], None])
        for group in groups
    ]
    for t in range(1, num_samples):
        moved = score[first]  # (state, lead)
        for group, before, price in choices:
            offers = score[before] - price  # (state, k, lead)
            came_from[t, group] = offers.argmax(axis=1)
            moved[group] = offers.max(axis=1)
        score = moved + log[t, states.kind]
    path = np.empty((num_samples, num_leads), dtype=np.intp)
    state, leads = score.argmax(axis=0), np.arange(num_leads)
    for t in range(num_samples - 1, 0, -1):
        path[t] = state
        state = states.before[state, came_from[t, state, leads]]
    path[0] = state
    return np.ascontiguousarray(states.kind[path].T, dtype=np.int8)


def waves_of(
    probability: NDArray[np.floating],
    path: NDArray[np.int8],
    lead: str,
    sample_rate: float,
    start: float = 0.0,
) -> list[Mark]:
    """The waves of one lead, their boundaries finer than a sample.

    A probability that rises from 0 to 1 is that of the boundary having passed; the boundary is put
    at its mean. Waves that the recording cuts have no boundary there and are left out.

    Args:
        probability: (time, 4).
        path: (time,) as of `best_path`.
        lead: its name.
        sample_rate: Hz.
        start: seconds to be added to all times.
    """
    edges = np.flatnonzero(np.diff(path)) + 1
    begins, ends = np.append(0, edges), np.append(edges, len(path))
    is_whole = (path[begins] != NONE) & (begins > 0) & (ends < len(path))
    number = np.flatnonzero(is_whole)
    if not len(number):
        return []
    begin, end = begins[number], ends[number]
    kind, middle, reach = path[begin], (begin + end) // 2, max(1, round(_REACH * sample_rate))
    # Sums of stretches as differences of running sums.
    total = np.zeros((len(path) + 1, len(WAVES) + 1))
    np.cumsum(probability, axis=0, out=total[1:], dtype=np.float64)
    low = np.maximum(begin - reach, (begins[number - 1] + begin) // 2)
    high = np.minimum(middle + 1, begin + reach)
    onset = high - (total[high, kind] - total[low, kind])
    low = np.maximum(middle, end - reach)
    high = np.minimum(end + reach, (end + ends[number + 1]) // 2 + 1)
    offset = low + (total[high, kind] - total[low, kind])
    contradicts = onset >= offset  # probabilities that contradict the path
    onset, offset = np.where(contradicts, begin, onset), np.where(contradicts, end, offset)
    # Sample n stands for the time from n - 1/2 to n + 1/2.
    times = start + (np.stack([onset, offset], axis=1) - 0.5) / sample_rate
    found = [
        Mark(lead, WAVES[each - 1], *pair)
        for each, pair in zip(kind.tolist(), times.tolist(), strict=True)
    ]
    return _apart(found)


def steady(marks: list[Mark]) -> list[Mark]:
    """The waves of one lead without P waves that come and go in an irregular rhythm."""
    complexes = np.array([mark.onset for mark in marks if mark.name == "QRS"])
    if len(complexes) < _FEWEST_BEATS:
        return marks
    rr = np.diff(complexes)
    changes = np.sort(np.abs(np.diff(rr)))
    middle = (changes[(len(changes) - 1) // 2] + changes[len(changes) // 2]) / 2
    if middle <= _IRREGULAR * rr.mean():
        return marks
    beats = np.array(beats_of(marks)).reshape(-1, len(Beat._fields))
    pr = beats[:, 2] - beats[:, 0]
    has_p = np.isfinite(pr)
    if has_p.mean() >= _P_SHARE and pr[has_p].std() <= _P_SPREAD:
        return marks
    return [mark for mark in marks if mark.name != "P"]


def _apart(marks: list[Mark]) -> list[Mark]:
    """Neighbours whose finer boundaries cross meet midway."""
    for n in range(1, len(marks)):
        before, after = marks[n - 1], marks[n]
        if before.offset > after.onset:
            middle = (before.offset + after.onset) / 2
            middle = min(max(middle, before.onset), after.offset)
            marks[n - 1], marks[n] = before._replace(offset=middle), after._replace(onset=middle)
    return marks


@lru_cache(maxsize=8)
def _states(sample_rate: float) -> _States:
    names = list(PARTS)
    lengths = [max(1, round(part.shortest * sample_rate)) for part in PARTS.values()]
    last = np.cumsum(lengths) - 1  # the state in which a part may stay or end
    first = last - lengths + 1
    before: list[list[int]] = []
    price: list[list[float]] = []
    for number, part in enumerate(PARTS.values()):
        entries = {int(last[names.index(name)]): cost for name, cost in part.after.items()}
        for n in range(lengths[number]):
            state = int(first[number]) + n
            own = dict(entries) if n == 0 else {state - 1: 0.0}
            if n == lengths[number] - 1:
                own[state] = 0.0
            before.append(list(own))
            price.append(list(own.values()))
    width = max(map(len, before))
    part_of = np.repeat(np.arange(len(names)), lengths)
    return _States(
        kind=np.array([part.kind for part in PARTS.values()])[part_of],
        part=part_of,
        before=np.array([each + [0] * (width - len(each)) for each in before]),
        price=np.array([each + [np.inf] * (width - len(each)) for each in price]),
        is_end=np.isin(np.arange(len(part_of)), last),
    )
