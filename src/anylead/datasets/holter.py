"""What adapters of long recordings with beat annotations share: windows with labels of their own.

Task "beats": the AAMI classes (ANSI/AAMI EC57) of the beats in a window; the beats are its marks,
too. Task "rhythm": the rhythms that are marked in it or go on from before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.datasets.corpus import Item
from anylead.errors import DatasetError, FormatError
from anylead.formats import wfdb
from anylead.formats.wfdb_header import read_header
from anylead.records import Mark, Record, Split
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
    record = _whole(window.path)
    beats, rhythms = labels_between(window.path, window.start, window.stop)
    labels = {"beats": beats}
    if rhythms is not None:
        labels["rhythm"] = rhythms
    return replace(
        record,
        signal=record.signal[:, window.start : window.stop],
        record_id=record_id,
        patient_id=window.patient_id,
        split=window.split,
        labels=labels,
        marks=beats_between(window.path, window.start, window.stop, record.sample_rate),
    )


def labels_between(
    path: Path, start: int, stop: int
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """AAMI classes of the beats in a stretch, and its rhythms; None where none is annotated.

    Raises:
        FormatError: the annotations are missing or broken.
    """
    samples, symbols, notes = _annotations(path.with_suffix(".atr"))
    inside = (samples >= start) & (samples < stop)
    found = {AAMI.get(symbols[n]) for n in np.flatnonzero(inside)}
    changes = [n for n, note in enumerate(notes) if note.startswith("(")]
    before = [n for n in changes if samples[n] < start]
    going_on = before[-1:] + [n for n in changes if start <= samples[n] < stop]
    rhythms = tuple(dict.fromkeys(notes[n][1:] for n in going_on))
    return tuple(name for name in BEATS if name in found), rhythms if changes else None


def beats_between(path: Path, start: int, stop: int, sample_rate: float) -> tuple[Mark, ...]:
    """The beats in a stretch, as points of all leads named by their AAMI class.

    Args:
        path: header of the recording.
        start, stop: samples.
        sample_rate: Hz.

    Raises:
        FormatError: the annotations are missing or broken.
    """
    samples, symbols, _ = _annotations(path.with_suffix(".atr"))
    inside = np.flatnonzero((samples >= start) & (samples < stop)).tolist()
    times = {n: float(samples[n] - start) / sample_rate for n in inside}
    return tuple(Mark("", AAMI[symbols[n]], t, t) for n, t in times.items() if symbols[n] in AAMI)


# Windows of a recording are read one after another.
@lru_cache(maxsize=2)
def _whole(path: Path) -> Record:
    return wfdb.read(path)


@lru_cache(maxsize=2)
def _annotations(path: Path) -> tuple[NDArray[np.int64], list[str], list[str]]:
    import wfdb as package

    try:
        found = package.rdann(str(path.with_suffix("")), path.suffix[1:])
    except Exception as error:  # the package has no error class of its own
        raise FormatError(f"{path}: cannot be read ({error})") from None
    notes = [note.strip("\0 \t") for note in found.aux_note]
    return np.asarray(found.sample, dtype=np.int64), list(found.symbol), notes
