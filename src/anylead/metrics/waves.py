"""Scores of wave boundaries against those that people marked.

As usual for LUDB (Kalyakulina et al. 2020, doi:10.1109/ACCESS.2020.3029211; ISO 60601-2-51): a
boundary counts as found within 150 ms of the marked one, each matched once, the nearest first, and
only what lies between the first and the last marked QRS of a lead counts, since the ends were left
out. Nor does what lies where nobody looked (`UNMARKED`) in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anylead.records import UNMARKED, Mark

TOLERANCE = 0.150  # seconds
BOUNDARIES = tuple((wave, side) for wave in ("P", "QRS", "T") for side in ("onset", "offset"))
_EPSILON = 1e-9


@dataclass
class Tally:
    """What was found of one boundary.

    Attributes:
        errors: seconds, found minus marked, of each pair.
        missed: marked ones without a partner.
        extra: found ones without a partner.
    """

    errors: list[float] = field(default_factory=list)
    missed: int = 0
    extra: int = 0

    @property
    def sensitivity(self) -> float:
        """Share of the marked ones that were found."""
        return len(self.errors) / max(len(self.errors) + self.missed, 1)

    @property
    def predictive_value(self) -> float:
        """Share of the found ones that were marked."""
        return len(self.errors) / max(len(self.errors) + self.extra, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.sensitivity + self.predictive_value
        return 2 * self.sensitivity * self.predictive_value / max(both, 1e-9)

    def as_dict(self) -> dict[str, float]:
        """Scores, with the mean and the standard deviation of the error in ms."""
        errors = 1000 * np.array(self.errors)
        return {
            "se": self.sensitivity,
            "ppv": self.predictive_value,
            "f1": self.f1,
            "mean_ms": float(errors.mean()) if len(errors) else float("nan"),
            "sd_ms": float(errors.std()) if len(errors) else float("nan"),
            "waves": len(errors) + self.missed,
        }


Boundary = tuple[str, str]


def score_waves(
    pairs: Iterable[tuple[Sequence[Mark], Sequence[Mark]]], beyond_ends: bool = False
) -> dict[Boundary, Tally]:
    """Scores over leads of recordings.

    Args:
        pairs: marked and found waves of one lead of one recording each.
        beyond_ends: a found boundary may lie up to 150 ms outside of the first and last marked QRS
            if its partner lies within. Without it the first QRS onset counts as missed as soon as
            it is found a sample early.

    Returns:
        (wave, side) -> what was found.
    """
    tallies = {boundary: Tally() for boundary in BOUNDARIES}
    for marked, found in pairs:
        complexes = sorted(mark[2:] for mark in marked if mark.name == "QRS")
        if len(complexes) < 2:
            continue
        start, end = complexes[0][0] - _EPSILON, complexes[-1][1] + _EPSILON
        for (wave, side), tally in tallies.items():
            want = _times(marked, wave, side)
            got = _times(found, wave, side)
            want = want[(want >= start) & (want <= end) & ~is_unmarked(want, marked)]
            reach = TOLERANCE if beyond_ends else 0.0
            near = got[(got >= start - reach) & (got <= end + reach)]
            matched = match(want, near)
            used = {j for _, j in matched}
            tally.errors += [float(near[j] - want[i]) for i, j in matched]
            tally.missed += len(want) - len(matched)
            counts = (near >= start) & (near <= end) & ~is_unmarked(near, marked)
            tally.extra += sum(1 for j in np.flatnonzero(counts).tolist() if j not in used)
    return tallies


def match(
    want: NDArray[np.float64], got: NDArray[np.float64], tolerance: float = TOLERANCE
) -> list[tuple[int, int]]:
    """Numbers of those that belong together, the nearest first, each used once."""
    if not len(want) or not len(got):
        return []
    gap = np.abs(got[None, :] - want[:, None])
    pairs: list[tuple[int, int]] = []
    used_want, used_got = set(), set()
    for flat in np.argsort(gap, axis=None):
        i, j = divmod(int(flat), len(got))
        if gap[i, j] > tolerance:
            break
        if i not in used_want and j not in used_got:
            used_want.add(i)
            used_got.add(j)
            pairs.append((i, j))
    return pairs


def by_lead(
    marked: Sequence[Mark], found: Sequence[Mark], leads: Sequence[str]
) -> list[tuple[list[Mark], list[Mark]]]:
    """Marked and found waves, lead by lead; marks of no lead are of all."""
    return [
        ([m for m in marked if m.lead in (lead, "")], [m for m in found if m.lead == lead])
        for lead in leads
    ]


def is_unmarked(times: NDArray[np.float64], marked: Sequence[Mark]) -> NDArray[np.bool_]:
    """Whether times lie where nobody looked, its edges included."""
    is_in = np.zeros(len(times), dtype=bool)
    for mark in marked:
        if mark.name == UNMARKED:
            is_in |= (times >= mark.onset - _EPSILON) & (times <= mark.offset + _EPSILON)
    return is_in


def between(marked: Iterable[Mark], start: float, end: float) -> list[Mark]:
    """The marks that begin in a stretch, and where nobody looked in it."""
    return [
        mark
        for mark in marked
        if start <= mark.onset < end
        or (mark.name == UNMARKED and mark.onset < end and mark.offset > start)
    ]


def as_table(tallies: Mapping[Boundary, Tally]) -> dict[str, dict[str, float]]:
    """The scores of each boundary, by names such as "P onset"."""
    return {" ".join(key): tally.as_dict() for key, tally in tallies.items()}


def _times(marks: Sequence[Mark], wave: str, side: str) -> NDArray[np.float64]:
    return np.array([getattr(mark, side) for mark in marks if mark.name == wave])
