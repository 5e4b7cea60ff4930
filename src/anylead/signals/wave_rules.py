"""From probabilities to waves that obey the order of a heartbeat (Viterbi 1967).

P comes before its QRS, T after it, waves do not overlap, and each may be absent but for the QRS
that a T needs. A P may stand alone (a blocked one). Where the rhythm is irregular, as in atrial
fibrillation, P counts only if it goes before nearly every QRS at a constant distance.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.records import Mark
from anylead.signals.intervals import Beat, beats_of

WAVES = ("P", "QRS", "T")
NONE = 0  # the class before those of `WAVES`
_QRS = 1 + WAVES.index("QRS")
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
# Seconds that a recording must go on after a QRS, and beside any wave: nearer to its ends half of
# what is found is a wave cut short, or another one.
_AFTER_QRS, _BESIDE = 0.08, 0.03
_SHORTEST = 0.0005  # seconds that are left of a wave whose neighbours press on it
_DIGITS = 4  # of the seconds that are told


class _Moves(NamedTuple):
    """Which part may follow which, and how long each lasts at least.

    kind: (part,) class of its samples.
    shortest: (part,) samples.
    before: (k, part) the parts that it may follow.
    price: (k, part) of doing so; infinite where there are fewer than k.
    """

    kind: NDArray[np.intp]
    shortest: NDArray[np.intp]
    before: NDArray[np.intp]
    price: Array


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
    return [mark for row in waves_of(probability, leads, sample_rate, start) for mark in row]


def best_path(probability: NDArray[np.floating], sample_rate: float) -> NDArray[np.int8]:
    """The likeliest order of waves of each lead that the rules allow.

    A part that has lasted its shortest time goes on or was entered just that long ago. With scores
    less what the samples up to here would give the part alone, going on costs nothing, and each
    step is one maximum over the moves.

    Args:
        probability: (lead, time, 4) of none, P, QRS and T.
        sample_rate: Hz.

    Returns:
        (lead, time) class of each sample, 0 for none.
    """
    moves = _moves(sample_rate)
    num_leads, num_samples, _ = probability.shape
    log = np.log(np.maximum(probability, _LEAST)).transpose(1, 2, 0)
    total = np.array(log, dtype=np.float64, order="C")  # (time, class, lead), summed up below
    num_parts, ahead = len(moves.kind), int(moves.shortest.max()) - 1
    price = np.repeat(moves.price[:, :, None], num_leads, axis=2)
    # Scores of parts that may be left, and of entering them; samples before the first have none.
    lasting = np.zeros((num_samples, num_parts, num_leads))
    entering = np.full((ahead + num_samples, num_parts, num_leads), -np.inf)
    rows = entering.reshape(-1, num_leads)
    in_time = np.arange(num_parts) + num_parts * (ahead + 1 - moves.shortest)
    for t in range(1, num_samples):
        alone = total[t - 1].take(moves.kind, axis=0)  # what the samples so far give each part
        offers = (lasting[t - 1] + alone).take(moves.before, axis=0)
        offers -= price
        np.subtract(offers.max(axis=0), alone, out=entering[ahead + t])
        np.maximum(lasting[t - 1], rows.take(in_time + num_parts * t, axis=0), out=lasting[t])
        total[t] += total[t - 1]
    return _traced(moves, total, lasting, entering[ahead:])


def _traced(moves: _Moves, total: Array, lasting: Array, entering: Array) -> NDArray[np.int8]:
    """Class of each sample of each lead, from the last part back to the first.

    Args:
        moves: of the rules.
        total: (time, class, lead), and lasting, entering: (time, part, lead), as in `best_path`.
    """
    num_samples, _, num_leads = lasting.shape
    # The last time at which staying was no better than having been entered in time.
    entered = np.zeros(lasting.shape, dtype=np.int32)
    times = np.arange(num_samples, dtype=np.int32)[:, None]
    for each, length in enumerate(moves.shortest.tolist()):
        if length >= num_samples:
            continue
        is_new = entering[1 : num_samples - length + 1, each] >= lasting[length - 1 : -1, each]
        entered[length:, each] = times[length:] * is_new
    np.maximum.accumulate(entered, axis=0, out=entered)
    lead = np.arange(num_leads)
    part, begin = _last_parts(moves, total[-1, moves.kind], lasting, entering, entered)
    starts = np.zeros((num_samples, num_leads), dtype=np.int8)  # 1 + class where a part begins
    while len(lead):
        starts[begin, lead] = 1 + moves.kind[part]
        goes_on = begin > 0
        lead, part, last = lead[goes_on], part[goes_on], begin[goes_on] - 1
        before = moves.before[:, part]  # (k, lead)
        offers = lasting[last, before, lead] + total[last, moves.kind[before], lead]
        offers -= moves.price[:, part]
        part = before[offers.argmax(axis=0), np.arange(len(lead))]
        at = entered[last, part, lead]
        begin = np.where(at > 0, at - moves.shortest[part] + 1, 0)
    place = times * (starts > 0)
    np.maximum.accumulate(place, axis=0, out=place)
    kinds = starts[place, np.arange(num_leads)] - 1
    return np.ascontiguousarray(kinds.T, dtype=np.int8)


def _last_parts(
    moves: _Moves, total: Array, lasting: Array, entering: Array, entered: NDArray[np.int32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(lead,) the part in which the recording ends, and the sample at which it began.

    The recording may cut it, so that it need not have lasted its shortest time.

    Args:
        moves: of the rules.
        total: (part, lead) of the last sample.
        lasting, entering, entered: as in `_traced`.
    """
    num_samples = len(lasting)
    at = entered[-1]
    best = lasting[-1].copy()
    begin = np.where(at > 0, at - moves.shortest[:, None] + 1, 0)
    for part, length in enumerate(moves.shortest.tolist()):
        for time in range(max(1, num_samples - length + 1), num_samples):
            is_better = entering[time, part] > best[part]
            best[part] = np.where(is_better, entering[time, part], best[part])
            begin[part] = np.where(is_better, time, begin[part])
    last = (best + total).argmax(axis=0)
    return last, begin[last, np.arange(len(last))]


def waves_of(
    probability: NDArray[np.floating],
    leads: Sequence[str],
    sample_rate: float,
    start: float = 0.0,
) -> list[list[Mark]]:
    """The waves of each row, their boundaries finer than a sample, to a tenth of a millisecond.

    A probability that rises from 0 to 1 is that of the boundary having passed; the boundary is put
    at its mean. Waves that the recording cuts, or nearly so, are left out.

    Args:
        probability: (row, time, 4); NaN for rows that are not there.
        leads: of the rows.
        sample_rate: Hz.
        start: seconds to be added to all times.
    """
    found: list[list[Mark]] = [[] for _ in probability]
    there = np.flatnonzero(np.isfinite(probability[:, 0, 0]))
    if not len(there):
        return found
    path = best_path(probability[there], sample_rate)
    length = path.shape[1]
    # Parts of all rows one after another: the row, where it begins and ends.
    is_first = np.ones(path.shape, dtype=bool)
    is_first[:, 1:] = path[:, 1:] != path[:, :-1]
    row, begins = is_first.nonzero()
    ends = np.append(begins[1:], 0)
    ends[ends == 0] = length
    kind, beside = path[row, begins], max(1, round(_BESIDE * sample_rate))
    after = np.where(kind == _QRS, max(1, round(_AFTER_QRS * sample_rate)), beside)
    number = np.flatnonzero((kind != NONE) & (begins >= beside) & (ends <= length - after))
    row, begin, end = row[number], begins[number], ends[number]
    kind, middle, reach = path[row, begin], (begin + end) // 2, max(1, round(_REACH * sample_rate))
    # Sums of stretches as differences of running sums.
    total = np.zeros((len(there), length + 1, len(WAVES) + 1))
    np.cumsum(probability[there], axis=1, out=total[:, 1:], dtype=np.float64)
    low = np.maximum(begin - reach, (begins[number - 1] + begin) // 2)
    high = np.minimum(middle + 1, begin + reach)
    onset = high - (total[row, high, kind] - total[row, low, kind])
    low = np.maximum(middle, end - reach)
    high = np.minimum(end + reach, (end + ends[number + 1]) // 2 + 1)
    offset = low + (total[row, high, kind] - total[row, low, kind])
    contradicts = offset - onset < 1  # probabilities that contradict the path
    onset, offset = np.where(contradicts, begin, onset), np.where(contradicts, end, offset)
    # Sample n stands for the time from n - 1/2 to n + 1/2.
    times = start + (np.stack([onset, offset]) - 0.5) / sample_rate
    onsets, offsets = times.tolist()
    _set_apart(onsets, offsets, row.tolist())
    for n, each, first, last in zip(
        there[row].tolist(), kind.tolist(), onsets, offsets, strict=True
    ):
        mark = Mark(leads[n], WAVES[each - 1], round(first, _DIGITS), round(last, _DIGITS))
        found[n].append(mark)
    return [steady(marks) for marks in found]


def steady(marks: list[Mark]) -> list[Mark]:
    """The waves of one lead without P waves that come and go in an irregular rhythm."""
    complexes = [mark.onset for mark in marks if mark.name == "QRS"]
    if len(complexes) < _FEWEST_BEATS:
        return marks
    # Lists: of ten numbers they are done before numpy has begun.
    rr = [after - before for before, after in pairwise(complexes)]
    changes = sorted(abs(after - before) for before, after in pairwise(rr))
    middle = (changes[(len(changes) - 1) // 2] + changes[len(changes) // 2]) / 2
    if middle <= _IRREGULAR * (complexes[-1] - complexes[0]) / len(rr):
        return marks
    beats = np.array(beats_of(marks)).reshape(-1, len(Beat._fields))
    pr = beats[:, 2] - beats[:, 0]
    has_p = np.isfinite(pr)
    if has_p.mean() >= _P_SHARE and pr[has_p].std() <= _P_SPREAD:
        return marks
    return [mark for mark in marks if mark.name != "P"]


def _set_apart(onsets: list[float], offsets: list[float], row: list[int]) -> None:
    """Let neighbours of a row whose finer boundaries cross meet midway, in place; none vanishes."""
    for n in range(1, len(onsets)):
        if offsets[n - 1] > onsets[n] and row[n - 1] == row[n]:
            middle = (offsets[n - 1] + onsets[n]) / 2
            least, most = onsets[n - 1] + _SHORTEST, offsets[n] - _SHORTEST
            offsets[n - 1] = onsets[n] = min(max(middle, least), most)


@lru_cache(maxsize=8)
def _moves(sample_rate: float) -> _Moves:
    names, parts = list(PARTS), list(PARTS.values())
    width = max(len(part.after) for part in parts)
    padded = [[*part.after, *names][:width] for part in parts]
    prices = [
        [part.after.get(name, np.inf) for name in row]
        for part, row in zip(parts, padded, strict=True)
    ]
    return _Moves(
        kind=np.array([part.kind for part in parts]),
        shortest=np.array([max(1, round(part.shortest * sample_rate)) for part in parts]),
        before=np.array([[names.index(name) for name in row] for row in padded]).T.copy(),
        price=np.array(prices).T.copy(),
    )
