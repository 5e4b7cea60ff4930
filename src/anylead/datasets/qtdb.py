"""QT Database 1.0.0 (doi:10.13026/C24K53): 105 quarters of an hour of Holters, 2 leads, 250 Hz.

sel100.hea ...; a cardiologist who saw both leads marked the waves of 30 to 100 beats of each
(.q1c), in 11 records a second one, too (.q2c). ecgpuwave marked all beats, in both leads together
(.pu) and in each (.pu0, .pu1). Windows of ten seconds with at least two marked QRS complexes are
the recordings here. Beats that were not marked are found in .atr, or else .ari or .pu0; between
them and around waves with one boundary (T often has no onset) the marks say `UNMARKED`. Many
channels are named for no lead of the twelve (CM5, ML5, mod.V1, D4, ECG1): those are left out, or
read as a lead that the caller states.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.holter import AAMI, Window, annotations, signal_of, windows
from anylead.datasets.layout import corpus_folder, headers
from anylead.errors import DatasetError, FormatError
from anylead.formats import wave_marks
from anylead.formats.channels import choose
from anylead.formats.wfdb_header import read_header
from anylead.leads import LEADS, lead_name
from anylead.records import MARGIN, UNMARKED, Mark, Record

ANNOTATORS = ("q1c", "q2c", "pu", "pu0", "pu1")
_NAME = "the QT Database"
_BEATS = (".atr", ".ari", ".pu0")
_SAME_BEAT = 0.1  # seconds around a marked complex in which a beat of those files is the same one
_LONGEST = 1.5  # of the median interval between marked beats, where no file tells all beats
_FEWEST = 2  # complexes of a window


class _Marked(NamedTuple):
    """A window, who marked it, and the lead that its first channel is read as."""

    window: Window
    annotator: str
    unplaced: str | None


def corpus(
    root: Path | None, annotator: str = "q1c", seconds: float = 10.0, unplaced: str = ""
) -> Corpus:
    """List the windows with marks.

    Args:
        root: folder of the records.
        annotator: whose marks, one of `ANNOTATORS`.
        seconds: length of a window.
        unplaced: the lead as which the first channel is read where a record names none of the
            twelve; empty leaves such records out.

    Raises:
        DatasetError: there is no record, no such annotator, or no window with marks.
        LeadError: `unplaced` is no lead.
    """
    root = corpus_folder(root, _NAME)
    if annotator not in ANNOTATORS:
        raise DatasetError(f"qtdb: annotator {annotator!r}; want one of {', '.join(ANNOTATORS)}")
    first = lead_name(unplaced) if unplaced else None
    items: list[Item] = []
    num_unplaced = 0
    for path in headers(root, "sel*.hea", _NAME):
        all_windows = list(windows(path, seconds, path.stem))
        is_placed = _has_known_lead(path)
        num_unplaced += not is_placed
        if path.with_suffix(f".{annotator}").is_file() and (is_placed or first):
            chosen = None if is_placed else first
            items += [
                (name, _Marked(window, annotator, chosen))
                for name, window in _with_marks(path, annotator, all_windows)
            ]
    note = "qtdb: every record counts as a person of its own."
    if num_unplaced and first is None:
        note += (
            f" {num_unplaced} records have no lead of the twelve by name and are left out;"
            " --options.unplaced II reads the first channel of each as lead II."
        )
    if not items:
        raise DatasetError(f"{root}: no window of {seconds:g} s with marks of {annotator}. {note}")
    return Corpus("qtdb", items, read, note=note)


def read(item: Item) -> Record:
    """One window with its marks."""
    record_id, (window, annotator, unplaced) = item
    names = [signal.description for signal in read_header(window.path).signals]
    record = signal_of(record_id, window, () if unplaced is None else ((names[0], unplaced),))
    lead = ""
    if annotator[-1] in "01":
        lead = _lead_of(record, names, int(annotator[-1]), window.path)
    found = marks(window.path, annotator, lead)
    return replace(record, marks=between(found, window, record.sample_rate))


def marks(path: Path, annotator: str, lead: str = "") -> tuple[Mark, ...]:
    """The waves of a whole record, and the stretches that nobody looked at.

    Args:
        path: header of the record.
        annotator: whose marks.
        lead: that they are of; "" for all.

    Raises:
        FormatError: an annotation file is missing or broken.
    """
    sample_rate = read_header(path).sample_rate
    found = wave_marks.read_incomplete(path.with_suffix(f".{annotator}"), lead, sample_rate)
    waves = [mark for mark in found if mark.name != UNMARKED]
    return (*found, *_gaps(waves, _all_beats(path, sample_rate), lead))


def between(found: Iterable[Mark], window: Window, sample_rate: float) -> tuple[Mark, ...]:
    """What lies in a window, in its time: whole waves, and the parts of other stretches."""
    begin, end = window.start / sample_rate, window.stop / sample_rate
    made = []
    for mark in found:
        if mark.name == UNMARKED and mark.onset < end and mark.offset > begin:
            mark = mark._replace(onset=max(mark.onset, begin), offset=min(mark.offset, end))
        if begin <= mark.onset and mark.offset <= end:
            made.append(mark._replace(onset=mark.onset - begin, offset=mark.offset - begin))
    return tuple(made)


def _with_marks(path: Path, annotator: str, listed: Sequence[Item]) -> Iterator[Item]:
    """The windows with marked complexes; where marks are broken, one to say so when it is read."""
    try:
        found = marks(path, annotator)
    except FormatError:
        yield listed[0]
        return
    sample_rate = read_header(path).sample_rate
    for name, window in listed:
        inside = between(found, window, sample_rate)
        if sum(mark.name == "QRS" for mark in inside) >= _FEWEST:
            yield name, window


def _gaps(waves: Sequence[Mark], beats: NDArray[np.float64] | None, lead: str) -> Iterator[Mark]:
    """The stretches between marked beats in which there are others.

    Args:
        waves: in order.
        beats: seconds of all beats; None where no file tells them.
        lead: of the marks.
    """
    complexes = [n for n, wave in enumerate(waves) if wave.name == "QRS"]
    rr = np.diff([waves[n].onset for n in complexes])
    longest = _LONGEST * float(np.median(rr)) if len(rr) else np.inf
    for (first, second), interval in zip(pairwise(complexes), rr.tolist(), strict=True):
        low, high = waves[first].offset + _SAME_BEAT, waves[second].onset - _SAME_BEAT
        if beats is None:
            has_others = interval > longest
        else:
            has_others = bool(((beats > low) & (beats < high)).any())
        # T belongs to the beat before, all else to the one behind.
        own = takewhile(lambda wave: wave.name == "T", waves[first + 1 : second])
        last = first + sum(1 for _ in own)
        begin, end = waves[last].offset + MARGIN, waves[last + 1].onset - MARGIN
        if has_others and begin < end:
            yield Mark(lead, UNMARKED, begin, end)


def _all_beats(path: Path, sample_rate: float) -> NDArray[np.float64] | None:
    """Seconds of all beats of a record; None where no file tells them."""
    for file in (path.with_suffix(suffix) for suffix in _BEATS):
        if file.is_file():
            found = annotations(file)
            is_beat = [symbol in AAMI for symbol in found.symbols]
            return found.samples[is_beat] / sample_rate
    return None


def _has_known_lead(path: Path) -> bool:
    """Whether the header names a lead of the twelve."""
    signals = read_header(path).signals
    try:
        chosen = choose(path, [s.description for s in signals], [s.unit for s in signals])
    except FormatError:
        return False
    return bool(set(chosen.rows) & set(LEADS))


def _lead_of(record: Record, names: Sequence[str], number: int, path: Path) -> str:
    """The lead that a signal was taken for.

    Raises:
        FormatError: it was left out.
    """
    name = names[number] if number < len(names) else ""
    is_first = bool(name) and names.index(name) == number
    lead = next((lead for lead, own in record.channels.items() if own == name and is_first), None)
    if lead is None:
        raise FormatError(f"{path}: signal {number} ({name}) is no known lead; take annotator q1c")
    return lead
