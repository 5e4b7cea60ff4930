"""Scores of heartbeats and their classes (ANSI/AAMI EC57; de Chazal et al. 2004).

A beat counts as found within 150 ms of the marked one, each matched once, the nearest first. With
counts such as Nv, the normal beats that were called ventricular (o: not found, On: no beat there):

    V: true Vv, missed Vn + Vs + Vf + Vq + Vo, false Nv + Sv + Ov; Fv and Qv are not counted
    S: true Ss, missed Sn + Sv + Sf + Sq + So, false Ns + Vs + Fs + Os; Qs is not counted
    N, F, Q: all that is called so and is none is false
    any beat: true where one was found, whatever it was called

as in de Chazal et al. 2004 (doi:10.1109/TBME.2004.827359), who follow the standard. Within
ventricular flutter and fibrillation (`UNMARKED`) nothing counts. The standard also leaves out paced
records and the first five minutes of the others: who chooses the recordings decides that.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anylead.metrics.waves import is_unmarked, match
from anylead.records import Mark
from anylead.signals.beat_rules import CLASSES

NOT_COUNTED = {"V": ("F", "Q"), "S": ("Q",)}
Counts = NDArray[np.int64]


def confusion(marked: Sequence[Mark], found: Sequence[Mark]) -> Counts:
    """(6, 6): marked class by found class; the last row is of found beats that nobody marked, the
    last column of marked ones that were not found.
    """
    table = np.zeros((len(CLASSES) + 1, len(CLASSES) + 1), dtype=np.int64)
    want, got = (
        [
            mark
            for mark, hidden in zip(beats, is_unmarked(_onsets(beats), marked), strict=True)
            if mark.name in CLASSES and not hidden
        ]
        for beats in (marked, found)
    )
    pairs = match(_onsets(want), _onsets(got))
    for i, j in pairs:
        table[CLASSES.index(want[i].name), CLASSES.index(got[j].name)] += 1
    for i in set(range(len(want))) - {i for i, _ in pairs}:
        table[CLASSES.index(want[i].name), -1] += 1
    for j in set(range(len(got))) - {j for _, j in pairs}:
        table[-1, CLASSES.index(got[j].name)] += 1
    return table


def _onsets(beats: Sequence[Mark]) -> NDArray[np.float64]:
    return np.array([beat.onset for beat in beats])


def true_false_missed(table: NDArray[np.generic]) -> NDArray[np.generic]:
    """(..., 6, 6) -> (..., 6, 3): found right, found wrongly and missed, of each class, and last of
    beats of any class.
    """
    rows = []
    for n, name in enumerate(CLASSES):
        column = table[..., :, n]
        free = [CLASSES.index(other) for other in NOT_COUNTED.get(name, ())]
        right = table[..., n, n]
        wrong = column.sum(axis=-1) - right - column[..., free].sum(axis=-1)
        rows.append([right, wrong, table[..., n, :].sum(axis=-1) - right])
    any_right = table[..., :-1, :-1].sum(axis=(-1, -2))
    rows.append([any_right, table[..., -1, :].sum(axis=-1), table[..., :, -1].sum(axis=-1)])
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
