"""Heartbeats of recordings that last hours, found piece by piece: memory does not grow with them.

WFDB records and EDF files are read piece by piece, too; a file of another format is read whole.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import edf, wfdb_parts
from anylead.formats.channels import Rename
from anylead.inference.delineator import delineator_of, whole
from anylead.inference.model import Model
from anylead.records import Record
from anylead.signals.beat_rules import CLASSES
from anylead.signals.intervals import GLOBAL, beats_of, bridges
from anylead.signals.missing import silent_stretches

PIECE = 60.0  # seconds whose beats are told at once
MARGIN = 5.0  # seconds that are seen on both sides of them
_REFRACTORY = 0.2  # seconds between two beats of a heart
_SHORTEST = 2.0  # seconds; what is left at the end of a recording is not looked at alone


class Piece(NamedTuple):
    """A stretch of a recording with what lies around it.

    record: as it was read.
    begin: seconds at which it begins.
    first, last: seconds from and to which its beats count.
    """

    record: Record
    begin: float
    first: float
    last: float


class HeartBeat(NamedTuple):
    """One beat of all leads together.

    time: seconds from the start of the recording to QRS onset, or to the beat where its class is
        told.
    rr_ms: since the one before; None for the first, and after a stretch that cannot be looked at.
    pr_ms, qrs_ms, qt_ms: None where a wave is not there, and of a model that tells classes.
    kind: AAMI class; None of a model that tells waves.
    """

    time: float
    rr_ms: float | None
    pr_ms: float | None
    qrs_ms: float | None
    qt_ms: float | None
    kind: str | None = None


def beats(
    model: Model,
    path: str | Path,
    *,
    use_leads: str | Sequence[str] | None = None,
    rename: Rename | None = None,
) -> Iterator[HeartBeat]:
    """The beats of a recording in order, however long it is.

    Args:
        model: with a decoder of waves, such as ptbxl-small.
        path: of the file.
        use_leads: what the model may see of the leads that are there.
        rename: name of a channel -> its lead.

    Raises:
        FormatError, LeadError: the file cannot be read, or has none of the leads.
        CheckpointError: the model has no decoder of waves.
    """
    before: float | None = None
    is_seen, problem = False, ""
    for piece in pieces(Path(path), rename):
        try:
            found, silent = _of_piece(model, piece.record, use_leads)
        except FormatError as error:  # flat, or electrodes off, for a whole piece
            before, problem = None, problem or str(error)
            continue
        is_seen = True
        for beat in found:
            time = round(piece.begin + beat.time, 4)
            # A beat at the seam is told once, whichever side of it the two pieces put it on.
            is_known = before is not None and time - before < _REFRACTORY
            if is_known or not piece.first - _REFRACTORY / 2 <= time < piece.last:
                continue
            rr = None
            if before is not None:
                is_bridge = bridges(np.array([before, time]) - piece.begin, silent)[0]
                rr = None if is_bridge else _ms(time - before)
            yield beat._replace(time=time, rr_ms=rr)
            before = time
    if not is_seen:
        raise FormatError(problem or f"{path}: shorter than {_SHORTEST:g} s")


def _of_piece(
    model: Model, record: Record, use_leads: str | Sequence[str] | None
) -> tuple[list[HeartBeat], NDArray[np.float64]]:
    """The beats of a piece, in its own time and without RR; and where it is silent."""
    delineator = delineator_of(model)
    (windows,) = model.windows([record], use_leads)
    signal = whole(windows)
    silent = silent_stretches(signal[windows.has_lead], model.preprocess_config.sample_rate)
    if delineator.classes == CLASSES:
        found = delineator.beats(signal, windows.has_lead)
        told = [HeartBeat(mark.onset, None, None, None, None, mark.name) for mark in found]
        return told, silent
    (delineation,) = delineator.over([record.record_id], [windows])
    told = [
        HeartBeat(
            beat.qrs_onset,
            None,
            _ms(beat.qrs_onset - beat.p_onset),
            _ms(beat.qrs_offset - beat.qrs_onset),
            _ms(beat.t_offset - beat.qrs_onset),
        )
        for beat in beats_of(mark for mark in delineation.waves if mark.lead == GLOBAL)
    ]
    return told, silent


def pieces(path: Path, rename: Rename | None = None) -> Iterator[Piece]:
    """A recording in pieces that overlap.

    Raises:
        FormatError, LeadError: the file cannot be read.
    """
    total, rate, part = _opened(path, rename)
    step, margin = round(PIECE * rate), round(MARGIN * rate)
    starts = list(range(0, total, step))
    if len(starts) > 1 and total - starts[-1] < _SHORTEST * rate:
        starts.pop()
    for number, start in enumerate(starts):
        stop = total if number == len(starts) - 1 else start + step
        low, high = max(0, start - margin), min(total, stop + margin)
        yield Piece(part(low, high), low / rate, start / rate, stop / rate)


def _opened(path: Path, rename: Rename | None) -> tuple[int, float, Callable[[int, int], Record]]:
    """Samples of a recording, Hz, and what reads it from one sample to another."""
    kind = formats.find_format(path)
    if kind == "wfdb":
        length = wfdb_parts.length_of(path)
        return *length, lambda low, high: wfdb_parts.read_part(path, low, high, rename)
    if kind == "edf" and (known := edf.length_of(path, rename)):
        return *known, lambda low, high: edf.read_part(path, low, high, rename)
    read = formats.read(path, rename)
    total = read.signal.shape[1]
    return (
        total,
        read.sample_rate,
        (lambda low, high: replace(read, signal=read.signal[:, low:high])),
    )


def _ms(seconds: float) -> float | None:
    return round(1000 * seconds, 1) if seconds == seconds else None
