"""From probabilities to beats with a class: one beat for each stretch in which one is likely."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anylead.records import Mark

# The AAMI classes (ANSI/AAMI EC57): normal, supraventricular, ventricular, fusion, unknown.
CLASSES = ("N", "S", "V", "F", "Q")
HALF_WIDTH = 0.05  # seconds on both sides of a marked beat that are of its class
_LIKELY = 0.5
_SHORTEST = 0.03
_REFRACTORY = 0.2  # between two beats; of nearer ones the likelier stays


def beats_of(
    probability: NDArray[np.floating],
    classes: Sequence[str],
    sample_rate: float,
    start: float = 0.0,
) -> list[Mark]:
    """The beats of all leads together, as marks without a lead and without a length.

    Args:
        probability: (lead, time, 1 + class) of none and each class; NaN for leads that are not
            there.
        classes: their names.
        sample_rate: Hz.
        start: seconds to be added to all times.
    """
    there = np.isfinite(probability[:, 0, 0])
    if not there.any():
        return []
    mean = probability[there].mean(axis=0)  # (time, 1 + class)
    is_beat = 1 - mean[:, 0]
    edges = np.flatnonzero(np.diff(np.r_[False, is_beat > _LIKELY, False].astype(np.int8)))
    found: list[tuple[float, float, str]] = []  # time, how much speaks for it, class
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin < _SHORTEST * sample_rate:
            continue
        weight = is_beat[begin:end]
        time = float((weight * np.arange(begin, end)).sum() / weight.sum()) / sample_rate
        kind = classes[int(mean[begin:end, 1:].sum(axis=0).argmax())]
        beat = (time, float(weight.sum()), kind)
        if found and time - found[-1][0] < _REFRACTORY:
            found[-1] = max(found[-1], beat, key=lambda each: each[1])
        else:
            found.append(beat)
    return [Mark("", kind, start + time, start + time) for time, _, kind in found]
