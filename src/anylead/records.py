"""One ECG recording, whatever file it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError, LeadError
from anylead.leads import LEADS, find_lead, to_canonical
from anylead.preprocessing import HIGHEST_RATE, LOWEST_RATE

Split = Literal["train", "valid", "test"]
UNMARKED = "unmarked"
MARGIN = 0.03  # seconds beyond a marked wave in which there certainly is no other


class Mark(NamedTuple):
    """A stretch of a recording that somebody marked, in seconds from its start.

    lead: canonical name; "" where it is of all leads.
    name: "P", "QRS" or "T", or the class of a beat; `UNMARKED` where nobody looked.
    onset, offset: where it begins and ends; equal for a point, such as a beat. An end of a wave
        that lies at one of an `UNMARKED` stretch is not its boundary.
    """

    lead: str
    name: str
    onset: float
    offset: float


@dataclass(frozen=True, eq=False)
class Record:
    """One recording.

    Attributes:
        signal: (lead, time) float32 in `unit`; NaN where a sample is missing.
        leads: name of each row, canonical (`anylead.leads`).
        sample_rate: Hz.
        record_id: unique within its corpus ("ptbxl/00001").
        patient_id: unique within its corpus; None where the source does not tell.
        labels: label task -> labels stated for it ("superdiagnostic": ("MI", "STTC")). A task that
            is absent means "not labelled"; an empty tuple means "labelled, nothing found".
        unknown: label task -> classes that nobody looked for in this recording although it is
            labelled for the task (an empty cell between ones and zeros); they are neither positive
            nor negative.
        measurements: name -> a number that is known of the recording, such as an ejection fraction.
        split: the corpus's official split of this record, where it has one.
        fold: the corpus's official fold, where it has one.
        age: years.
        sex: as stated by the source.
        start_time: ISO 8601, where known.
        diagnosis: the device's or the reader's own text.
        unit: "mV", or "NU" where the file holds no voltage (such as z-scored signals).
        resolution: one step of the file's integers in `unit` for each row, so that every sample is
            a whole number of steps; None where the file holds no integers or tells no gain.
        notes: what the reader left out of the file, and why; one sentence each.
        channels: lead -> name of its channel as the file spells it, where the reader tells.
        marks: waves or beats that were marked; None where nobody looked.
    """

    signal: NDArray[np.float32]
    leads: tuple[str, ...]
    sample_rate: float
    record_id: str = ""
    patient_id: str | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split | None = None
    fold: int | None = None
    age: float | None = None
    sex: Literal["female", "male"] | None = None
    start_time: str | None = None
    diagnosis: str | None = None
    unit: Literal["mV", "NU"] = "mV"
    resolution: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    measurements: Mapping[str, float] = field(default_factory=dict)
    marks: tuple[Mark, ...] | None = None

    def __post_init__(self) -> None:
        name, shape = self.record_id or "recording", getattr(self.signal, "shape", None)
        if shape is None or len(shape) != 2 or len(self.leads) != shape[0]:
            raise FormatError(
                f"{name}: {len(self.leads)} lead names for a signal of shape {shape}; want a numpy"
                " array (lead, time)"
            )
        if shape[1] == 0:
            raise FormatError(f"{name}: 0 samples")
        rate: Any = self.sample_rate
        if (
            not isinstance(rate, int | float | np.integer | np.floating)
            or not LOWEST_RATE <= rate <= HIGHEST_RATE
        ):
            raise FormatError(
                f"{name}: sample rate {rate} Hz; want {LOWEST_RATE:g} to {HIGHEST_RATE:g} Hz"
            )
        if self.unit not in ("mV", "NU"):
            raise FormatError(f"{name}: unit {self.unit!r}; want the signal in mV, or NU for none")
        for lead in self.leads:
            meant = lead if lead in LEADS else find_lead(lead)
            if meant != lead and meant in LEADS and meant.lower() == lead.lower():
                raise LeadError(f"{name}: lead {lead!r}; want {meant!r}")

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return float(self.signal.shape[1] / self.sample_rate)

    def plot(self, **options: Any) -> Any:
        """An `anylead.pictures.Drawing` of it, as printed in a clinic: notebooks show it.

        Args:
            options: of `anylead.pictures.ecg_page`, such as `leads`, `seconds`, `layout`.
        """
        pictures = import_module("anylead.pictures")
        return pictures.Drawing(pictures.ecg_page(self, **options))

    def canonical(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(12, time) with zeros for missing leads, and (12,) bool `has_lead`."""
        return to_canonical(self.signal, self.leads)
