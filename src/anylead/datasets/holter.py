"""What adapters of long recordings with beat annotations share: windows with labels of their own.

Task "beats": the AAMI classes of the beats in a window; the beats are its marks, too. The classes
are those of de Chazal et al. 2004 (doi:10.1109/TBME.2004.827359), where escape beats of the atria
and the node (e, j, n) are N; by the letter of ANSI/AAMI EC57 they would be S. Ventricular flutter
and fibrillation ("[" to "]") have no beats that could be scored: they are `UNMARKED`. Task
"rhythm": the rhythms that are marked in a window or go on from before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.datasets.corpus import Item
from anylead.errors import DatasetError, FormatError
from anylead.formats import wave_marks, wfdb
from anylead.formats.wave_marks import Annotations
from anylead.formats.wfdb_header import read_header
from anylead.records import UNMARKED, Mark, Record, Split
from anylead.signals.beat_rules import CLASSES as BEATS

# Symbols of PhysioNet's annotations -> AAMI classes.
AAMI = {
    **dict.fromkeys("NLRejnB", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}


@dataclass(frozen=True)
class Window:
    """A stretch of a recording.

    Attributes:
        path: header of the recording.
        start, stop: samples.
        patient_id: whose it is.
        split: of the patient, where there is a usual one.
    """

    path: Path
    start: int
    stop: int
    patient_id: str
    split: Split | None = None


def windows(
    path: Path, seconds: float, patient_id: str, split: Split | None = None
) -> Iterable[Item]:
    """The whole windows of a recording, one after another; ids end in their start in seconds.

    Raises:
        DatasetError: its header cannot be read or states no length, or no window fits.
    """
    try:
        header = read_header(path)
    except FormatError as error:
        raise DatasetError(str(error)) from None
    length = round(seconds * header.sample_rate)
    if header.num_samples is None or not 0 < length <= header.num_samples:
        raise DatasetError(f"{path}: no window of {seconds:g} s in {header.num_samples} samples")
    for start in range(0, header.num_samples - length + 1, length):
        begin = round(start / header.sample_rate)
        window = Window(path, start, start + length, patient_id, split)
        yield f"{path.stem}/{begin:05d}", window


def read_window(item: Item) -> Record:
    """One window with the labels of its annotations."""
    record_id, window = item
    beats, rhythms = labels_between(window.path, window.start, window.stop)
    labels = {"beats": beats}
    if rhythms is not None:
        labels["rhythm"] = rhythms
    record = signal_of(record_id, window)
    marks = beats_between(window.path, window.start, window.stop, record.sample_rate)
    return replace(record, split=window.split, labels=labels, marks=marks)


def signal_of(record_id: str, window: Window, rename: tuple[tuple[str, str], ...] = ()) -> Record:
    """A window without labels.

    Args:
        record_id: of the window.
        window: of a recording.
        rename: names of channels, and their leads.
    """
    record = _whole(window.path, rename)
    return replace(
        record,
        signal=record.signal[:, window.start : window.stop],
        record_id=record_id,
        patient_id=window.patient_id,
    )


def labels_between(
    path: Path, start: int, stop: int
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """AAMI classes of the beats in a stretch, and its rhythms; None where none is annotated.

    Raises:
        FormatError: the annotations are missing or broken.
    """
    samples, symbols, notes = annotations(path.with_suffix(".atr"))
    inside = (samples >= start) & (samples < stop)
    found = {AAMI.get(symbols[n]) for n in np.flatnonzero(inside)}
    changes = [n for n, note in enumerate(notes) if note.startswith("(")]
    before = [n for n in changes if samples[n] < start]
    going_on = before[-1:] + [n for n in changes if start <= samples[n] < stop]
    rhythms = tuple(dict.fromkeys(notes[n][1:] for n in going_on))
    return tuple(name for name in BEATS if name in found), rhythms if changes else None


def beats_between(path: Path, start: int, stop: int, sample_rate: float) -> tuple[Mark, ...]:
    """The beats in a stretch, as points of all leads named by their AAMI class, and flutter.

    Args:
        path: header of the recording.
        start, stop: samples.
        sample_rate: Hz.

    Raises:
        FormatError: the annotations are missing or broken.
    """
    samples, symbols, _ = annotations(path.with_suffix(".atr"))
    inside = np.flatnonzero((samples >= start) & (samples < stop)).tolist()
    times = {n: float(samples[n] - start) / sample_rate for n in inside}
    beats = [Mark("", AAMI[symbols[n]], t, t) for n, t in times.items() if symbols[n] in AAMI]
    flutter = [
        Mark("", UNMARKED, (max(begin, start) - start) / sample_rate, (end - start) / sample_rate)
        for begin, end in _flutter(samples, symbols, stop)
        if begin < stop and end > start
    ]
    return (*beats, *flutter)


def _flutter(
    samples: NDArray[np.int64], symbols: Sequence[str], stop: int
) -> list[tuple[int, int]]:
    """First and last sample of each stretch of ventricular flutter or fibrillation up to `stop`."""
    stretches: list[tuple[int, int]] = []
    begin: int | None = None
    for sample, symbol in zip(samples.tolist(), symbols, strict=True):
        if symbol == "[" and begin is None:
            begin = sample
        elif symbol == "]" and begin is not None:
            stretches.append((begin, min(sample, stop)))
            begin = None
    return stretches if begin is None else [*stretches, (begin, stop)]


# Windows of a recording are read one after another.
@lru_cache(maxsize=2)
def _whole(path: Path, rename: tuple[tuple[str, str], ...]) -> Record:
    return wfdb.read(path, rename=dict(rename))


@lru_cache(maxsize=4)
def annotations(path: Path) -> Annotations:
    """All of an annotation file; see `wave_marks.read_annotations`."""
    return wave_marks.read_annotations(path)
