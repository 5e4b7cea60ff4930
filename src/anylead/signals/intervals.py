"""Heartbeats and intervals from waves: PR, QRS, QT and QTc, rate and axis.

Global boundaries are those of all leads together, as a reader of twelve leads takes them: the
earliest onset and the latest offset, here of those that a second lead confirms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.leads import LEADS
from anylead.records import Mark

GLOBAL = "global"
NOT_MEASURABLE = "not measurable"
# Names of NeuroKit2 where it has one; units stand in the names.
MEASURES = (
    *("ECG_Rate", "RR_ms", "PR_ms", "QRS_ms", "QT_ms"),
    *("QTc_Bazett_ms", "QTc_Fridericia_ms", "QTc_Framingham_ms", "QTc_Hodges_ms", "Axis_deg"),
)
_LONGEST_PR = 0.5  # seconds; a P that lies further before is blocked
_SAME_BEAT = 0.12  # seconds between QRS complexes of two leads that are one beat
_CONFIRMED = 0.02  # seconds within which a second lead confirms a boundary
_SEEN_BY = 0.25  # share of the leads that must show a P or a T
_NAN = float("nan")


class Beat(NamedTuple):
    """Boundaries of one heartbeat in seconds; NaN where a wave is not there."""

    p_onset: float
    p_offset: float
    qrs_onset: float
    qrs_offset: float
    t_onset: float
    t_offset: float


@dataclass(frozen=True)
class Measure:
    """A number, and how far to trust it.

    Attributes:
        value: None where it is not measurable.
        quality: "good", "fair", "poor" or "not measurable".
        beats: how many heartbeats it rests on.
    """

    value: float | None
    quality: str
    beats: int


_NOTHING = Measure(None, NOT_MEASURABLE, 0)


def beats_of(marks: Iterable[Mark]) -> list[Beat]:
    """The heartbeats of one lead: each QRS with the P before it and the T behind it."""
    ordered = sorted(marks, key=lambda mark: mark.onset)
    complexes = [n for n, mark in enumerate(ordered) if mark.name == "QRS"]
    beats = []
    for n in complexes:
        qrs = ordered[n]
        before = ordered[n - 1] if n else None
        after = ordered[n + 1] if n + 1 < len(ordered) else None
        has_p = before is not None and before.name == "P"
        has_p = has_p and qrs.onset - before.onset <= _LONGEST_PR  # type: ignore[union-attr]
        has_t = after is not None and after.name == "T"
        beats.append(
            Beat(
                *((before.onset, before.offset) if before and has_p else (_NAN, _NAN)),
                *(qrs.onset, qrs.offset),
                *((after.onset, after.offset) if after and has_t else (_NAN, _NAN)),
            )
        )
    return beats


def global_beats(by_lead: Mapping[str, Sequence[Beat]]) -> list[Beat]:
    """The heartbeats that at least half of the leads show, with their global boundaries."""
    seen = [lead for lead, beats in by_lead.items() if beats]
    events = sorted((b.qrs_onset + b.qrs_offset, lead, b) for lead in seen for b in by_lead[lead])
    groups: list[list[Beat]] = []
    last = -np.inf
    for twice, _, beat in events:
        if twice / 2 - last > _SAME_BEAT:
            groups.append([])
        groups[-1].append(beat)
        last = twice / 2
    return [_joined(group, len(seen)) for group in groups if 2 * len(group) >= len(seen)]


def global_marks(beats: Sequence[Beat]) -> list[Mark]:
    """Global beats as waves of a lead called "global"."""
    return [
        Mark(GLOBAL, name, onset, offset)
        for beat in beats
        for name, onset, offset in (("P", *beat[:2]), ("QRS", *beat[2:4]), ("T", *beat[4:]))
        if isfinite(onset + offset)
    ]


def measure(
    beats: Sequence[Beat], is_doubtful: bool = False, silent: Iterable[Sequence[float]] = ()
) -> dict[str, Measure]:
    """Rate and intervals of one lead, or of the global boundaries.

    An interval is the median over beats. It is measurable where at least half of the beats (and
    two, where there are that many) show it.

    Args:
        beats: in order.
        is_doubtful: the signal is poor, so no number is better than that.
        silent: seconds from and to, of stretches without signal; no RR bridges them.
    """
    table = np.array(beats, dtype=np.float64).reshape(-1, len(Beat._fields))
    rr = np.diff(table[:, 2])[~bridges(table[:, 2], silent)]
    found = {
        "RR_ms": _of(1000 * rr, len(rr), is_doubtful, steady=False),
        "PR_ms": _of(1000 * (table[:, 2] - table[:, 0]), len(table), is_doubtful),
        "QRS_ms": _of(1000 * (table[:, 3] - table[:, 2]), len(table), is_doubtful),
        "QT_ms": _of(1000 * (table[:, 5] - table[:, 2]), len(table), is_doubtful),
    }
    mean = _mean_rr(found["RR_ms"], rr)
    rate = None if mean is None else 60 / mean
    found["RR_ms"] = Measure(mean and 1000 * mean, *_rest(found["RR_ms"]))
    found = {"ECG_Rate": Measure(rate, *_rest(found["RR_ms"])), **found}
    return found | corrected(found["QT_ms"], mean)


def bridges(onsets: NDArray[np.float64], silent: Iterable[Sequence[float]]) -> NDArray[np.bool_]:
    """Whether a silent stretch begins between a beat and the next one, (beat - 1,)."""
    begins = np.array([begin for begin, _ in silent])
    return np.diff(np.searchsorted(begins, onsets)) > 0


def corrected(qt: Measure, rr: float | None) -> dict[str, Measure]:
    """QT at a rate of 60 by four formulas.

    Args:
        qt: in ms.
        rr: mean interval between beats in seconds; None where there is none.
    """
    names = [name for name in MEASURES if name.startswith("QTc")]
    if qt.value is None or rr is None:
        return dict.fromkeys(names, _NOTHING)
    values = (
        qt.value / rr**0.5,  # Bazett 1920
        qt.value / rr ** (1 / 3),  # Fridericia 1920
        qt.value + 154 * (1 - rr),  # Framingham: Sagie et al. 1992
        qt.value + 1.75 * (60 / rr - 60),  # Hodges et al. 1983
    )
    return {
        name: Measure(value, qt.quality, qt.beats)
        for name, value in zip(names, values, strict=True)
    }


def axis(
    signal: NDArray[np.floating],
    has_lead: NDArray[np.bool_],
    sample_rate: float,
    beats: Sequence[Beat],
    is_doubtful: bool = False,
) -> Measure:
    """Electrical axis of the QRS in the frontal plane, degrees from -180 to 180.

    From the net area of the QRS complexes in leads I and aVF, above the level at their onset.

    Args:
        signal: (12, time) mV.
        has_lead: (12,).
        sample_rate: Hz.
        beats: global ones.
        is_doubtful: the signal is poor.
    """
    one, foot = LEADS.index("I"), LEADS.index("aVF")
    if not has_lead[[one, foot]].all() or not beats:
        return _NOTHING
    areas = []
    for beat in beats:
        begin, end = (round(time * sample_rate) for time in (beat.qrs_onset, beat.qrs_offset))
        begin = max(begin, 0)
        stretch = np.asarray(signal[[one, foot], begin : end + 1], dtype=np.float64)
        if stretch.shape[1] > 1:
            areas.append((stretch - stretch[:, :1]).sum(axis=1))
    if not areas:
        return _NOTHING
    across, down = np.median(np.array(areas), axis=0).tolist()
    if np.hypot(across, down) * 1000 / sample_rate < 1.0:  # mV ms: no direction stands out
        return _NOTHING
    degrees = float(np.degrees(np.arctan2(2 * down / np.sqrt(3), across)))
    quality = "poor" if is_doubtful else "good" if len(areas) > 2 else "fair"
    return Measure(degrees, quality, len(areas))


def _joined(group: Sequence[Beat], num_leads: int) -> Beat:
    joined: list[float] = []
    for column in range(0, len(Beat._fields), 2):
        pairs = [beat[column : column + 2] for beat in group]
        pairs = [pair for pair in pairs if isfinite(pair[0] + pair[1])]
        is_seen = len(pairs) >= max(1.0, _SEEN_BY * num_leads)
        joined += (
            [_earliest([onset for onset, _ in pairs]), -_earliest([-offset for _, offset in pairs])]
            if is_seen
            else [_NAN, _NAN]
        )
    return Beat(*joined)


def _earliest(times: Sequence[float]) -> float:
    """The earliest time that another one confirms; of one or two, the earliest."""
    ordered = sorted(times)
    if len(ordered) > 2:
        for first, second in pairwise(ordered):
            if second - first <= _CONFIRMED:
                return first
    return ordered[0]


def _of(values: NDArray[np.float64], num: int, is_doubtful: bool, steady: bool = True) -> Measure:
    """The median of what is there, of `num` that could be."""
    there = sorted(filter(isfinite, values.tolist()))
    if len(there) < min(2, num) or 2 * len(there) < num or not len(there):
        return _NOTHING
    low, middle, high = (_quantile(there, share) for share in (0.25, 0.5, 0.75))
    spread = high - low if steady else 0.0
    quality = "poor"
    if not is_doubtful and spread <= 40:
        quality = "good" if spread <= 20 and len(there) >= 3 and len(there) >= 0.8 * num else "fair"
    return Measure(middle, quality, len(there))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """As `np.quantile`, which takes a tenth of a millisecond for ten numbers."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _mean_rr(rr: Measure, intervals: NDArray[np.float64]) -> float | None:
    return None if rr.value is None else float(intervals.mean())


def _rest(measured: Measure) -> tuple[str, int]:
    return measured.quality, measured.beats
