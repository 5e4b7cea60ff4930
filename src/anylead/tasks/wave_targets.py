"""What each sample of each lead is - P, QRS, T or none, or a class of beats - from marks."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.leads import LEADS, NUM_LEADS
from anylead.records import MARGIN, UNMARKED, Mark
from anylead.signals.beat_rules import CLASSES as BEATS
from anylead.signals.beat_rules import HALF_WIDTH
from anylead.signals.wave_rules import WAVES

_KEPT = 256  # segments; of 10 s at 100 Hz they take 50 MB
Floats = NDArray[np.float32]


class WaveTargets:
    """Targets of any stretch of the recordings of a store.

    Args:
        marks: of each recording; None where nobody looked.
        sample_rate: Hz of the store.
        classes: names of marks that are learned.
    """

    def __init__(
        self,
        marks: Sequence[Sequence[Mark] | None],
        sample_rate: float,
        classes: Sequence[str] = WAVES,
    ):
        self.marks, self.sample_rate, self.classes = marks, sample_rate, tuple(classes)
        self._made: dict[tuple[int, int, int], tuple[Floats, NDArray[np.bool_]]] = {}

    def of(self, record: Tensor, start: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
        """Targets of segments.

        Args:
            record: (batch,) rows of the store.
            start: (batch, segment) first samples.
            num_samples: of a segment.

        Returns:
            (batch * segment, 12, class, time) share of each sample that is none and each class, and
            (batch * segment, 12, time) bool: where somebody looked.
        """
        made = [
            self._of(row, begin, num_samples)
            for row, begins in zip(record.tolist(), start.tolist(), strict=True)
            for begin in begins
        ]
        share, is_known = zip(*made, strict=True)
        return torch.from_numpy(np.stack(share)), torch.from_numpy(np.stack(is_known))

    def _of(self, row: int, begin: int, num_samples: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Recordings no longer than a segment come again and again: those are kept."""
        key = (row, begin, num_samples)
        if key not in self._made:
            if len(self._made) >= _KEPT:
                self._made.clear()
            marks = self.marks[row] or ()
            self._made[key] = targets(marks, begin, num_samples, self.sample_rate, self.classes)
        return self._made[key]


def targets(
    marks: Sequence[Mark],
    start: int,
    num_samples: int,
    sample_rate: float,
    classes: Sequence[str] = WAVES,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Targets of one segment; see `WaveTargets.of`.

    A boundary between two samples is kept: the sample that it cuts belongs to the wave in part.
    What lies before the first and behind the last wave of a lead is not known. Of beats, which are
    points, all is known, and the samples around one are of its class. What is `UNMARKED` is not
    known.
    """
    kinds = {name: number for number, name in enumerate(classes, start=1)}
    share = np.zeros((NUM_LEADS, len(kinds) + 1, num_samples), dtype=np.float32)
    is_known = np.full((NUM_LEADS, num_samples), tuple(classes) == BEATS)
    time = (start + np.arange(num_samples)) / sample_rate
    for lead, name in enumerate(LEADS):
        own = [mark for mark in marks if mark.lead in (name, "") and mark.name in kinds]
        if not own:
            continue
        first, last = min(mark.onset for mark in own), max(mark.offset for mark in own)
        is_known[lead] |= (time >= first - MARGIN) & (time <= last + MARGIN)
        for mark in own:
            # Sample n stands for the time from n - 1/2 to n + 1/2.
            half = HALF_WIDTH if mark.onset == mark.offset else 0.0
            begin = (mark.onset - half) * sample_rate - start + 0.5
            end = (mark.offset + half) * sample_rate - start + 0.5
            low, high = max(0, int(begin)), min(num_samples, int(end) + 1)
            if low < high:
                place = np.arange(low, high)
                covered = np.minimum(end, place + 1) - np.maximum(begin, place)
                share[lead, kinds[mark.name], low:high] += covered.clip(0, 1)
    for mark in marks:
        if mark.name == UNMARKED:
            is_hidden = (time >= mark.onset) & (time < mark.offset)
            is_known[[mark.lead in (name, "") for name in LEADS]] &= ~is_hidden
    waves = share[:, 1:].sum(axis=1)
    share[:, 1:] /= np.maximum(waves, 1)[:, None]  # two marks that overlap share a sample
    share[:, 0] = 1 - np.minimum(waves, 1)
    return share, is_known
