"""Waves and intervals of one recording, as numbers, rows, JSON and WFDB annotations."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anylead.formats import wave_marks
from anylead.inference.windows import Floats, Windows, refusal
from anylead.leads import LEADS, NUM_LEADS
from anylead.records import Mark
from anylead.signals import Quality, intervals
from anylead.signals.intervals import GLOBAL, MEASURES, NOT_MEASURABLE, Measure, beats_of
from anylead.signals.missing import silent_stretches

_DOUBTFUL = np.uint16(
    Quality.LOST | Quality.FLAT | Quality.NOISE | Quality.UNACCEPTABLE | Quality.CLIPPED
)
_RATE = 1000.0  # Hz of annotation files, whatever the recording has: finer than any boundary


@dataclass(frozen=True, eq=False)
class Delineation:
    """Waves and intervals of one recording.

    Attributes:
        record: its name.
        seconds: its length.
        leads: those that were looked at.
        waves: of each lead, and of all together ("global"), in seconds from the start.
        measures: lead or "global" -> name -> number and quality; names are those of
            `anylead.signals.MEASURES`.
        refusal: why nothing is measured, for the reasons for which no model answers; else None.
    """

    record: str
    seconds: float
    leads: tuple[str, ...]
    waves: tuple[Mark, ...]
    measures: dict[str, dict[str, Measure]]
    refusal: str | None = None

    @cached_property
    def intervals(self) -> dict[str, float | None]:
        """The global numbers; None where one is not measurable."""
        return {name: found.value for name, found in self.measures[GLOBAL].items()}

    def rows(self) -> list[dict[str, Any]]:
        """One row a wave: record, lead, wave, onset, offset."""
        return [
            {"record": self.record, "lead": lead, "wave": wave, "onset": onset, "offset": offset}
            for lead, wave, onset, offset in self.waves
        ]

    def interval_rows(self) -> list[dict[str, Any]]:
        """One row a lead, and one for all together: numbers, and `NAME_quality` for each."""
        rows = []
        for lead, found in self.measures.items():
            row: dict[str, Any] = {"record": self.record, "lead": lead}
            for name in MEASURES:
                each = found.get(name)
                row[name] = None if each is None else each.value
                row[f"{name}_quality"] = NOT_MEASURABLE if each is None else each.quality
            rows.append(row)
        return rows

    def neurokit(self, sample_rate: float, lead: str = GLOBAL) -> dict[str, list[float]]:
        """Samples under the names of NeuroKit2 ("ECG_P_Onsets"), one a beat, NaN where none is."""
        beats = beats_of(mark for mark in self.waves if mark.lead == lead)
        names = [f"ECG_{wave}_{side}" for wave in "PRT" for side in ("Onsets", "Offsets")]
        return {
            name: [float(np.rint(beat[n] * sample_rate)) for beat in beats]
            for n, name in enumerate(names)
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        measures = {
            lead: {name: asdict(each) for name, each in found.items()}
            for lead, found in self.measures.items()
        }
        return {
            "record": self.record,
            "seconds": self.seconds,
            "leads": list(self.leads),
            "intervals": measures,
            "waves": [mark._asdict() for mark in self.waves],
            "refusal": self.refusal,
        }


def measured(
    name: str, signal: Floats, windows: Windows, marks: Sequence[Mark], sample_rate: float
) -> Delineation:
    """Intervals and global waves, added to the waves of leads.

    Args:
        name: of the recording.
        signal: (12, time) mV, preprocessed.
        windows: what it was made of.
        marks: its waves.
        sample_rate: Hz.
    """
    present, refused = windows.leads, refusal(windows)
    marks = () if refused else marks
    of_lead: dict[str, list[Mark]] = {lead: [] for lead in present}
    for mark in marks:
        of_lead[mark.lead].append(mark)
    beats = {lead: beats_of(own) for lead, own in of_lead.items()}
    flags = np.zeros(NUM_LEADS, np.uint16) if windows.quality is None else windows.quality
    doubtful = {lead: bool(flags[LEADS.index(lead)] & _DOUBTFUL) for lead in present}
    rows = {lead: signal[[LEADS.index(lead)]] for lead in present}
    measures = {
        lead: intervals.measure(
            beats[lead], doubtful[lead], silent_stretches(rows[lead], sample_rate)
        )
        for lead in present
    }
    together = intervals.global_beats(beats)
    silent = silent_stretches(signal[windows.has_lead], sample_rate)
    joint = intervals.measure(together, all(doubtful.values()), silent)
    joint["Axis_deg"] = intervals.axis(
        signal, windows.has_lead, sample_rate, together, all(doubtful.values())
    )
    return Delineation(
        record=name,
        seconds=signal.shape[1] / sample_rate,
        leads=present,
        waves=(*marks, *intervals.global_marks(together)),
        measures={
            lead: {key: _rounded(each) for key, each in found.items()}
            for lead, found in (*measures.items(), (GLOBAL, joint))
        },
        refusal=refused,
    )


def _rounded(found: Measure) -> Measure:
    """To a tenth of a millisecond, a beat a minute or a degree: no number is better than that."""
    return (
        found if found.value is None else Measure(round(found.value, 1), found.quality, found.beats)
    )


def from_dict(told: Mapping[str, Any]) -> Delineation:
    """What `as_dict` made."""
    return Delineation(
        record=told["record"],
        seconds=told["seconds"],
        leads=tuple(told["leads"]),
        waves=tuple(Mark(**mark) for mark in told["waves"]),
        measures={
            lead: {name: Measure(**each) for name, each in found.items()}
            for lead, found in told["intervals"].items()
        },
        refusal=told.get("refusal"),
    )


def write_annotations(found: Delineation, folder: Path) -> list[Path]:
    """One WFDB annotation file a lead (RECORD.ii, as LUDB has them), and RECORD.global.

    Times are in thousandths of a second, which the files say themselves.

    Raises:
        FormatError: a name that WFDB does not allow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(found.record).with_suffix("").as_posix()).strip("_")
    written = []
    for lead in (*found.leads, GLOBAL):
        marks = [mark for mark in found.waves if mark.lead == lead]
        if marks:
            written.append(folder / f"{stem}.{lead.lower()}")
            wave_marks.write_wfdb(marks, written[-1], _RATE)
    return written
