"""A recording as the pieces that a model sees, and the results of the pieces as one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError, LeadError, RecipeError
from anylead.inference.in_memory import plain_array
from anylead.inference.inputs import Recording, restrict
from anylead.leads import LEADS, NUM_LEADS, lead_mask
from anylead.loading.crops import SHORTEST, TAILS
from anylead.records import Record
from anylead.signals import PreprocessConfig, Quality, preprocess, with_frank

Floats = NDArray[np.float32]
LARGEST_OFFSET = 0.5  # mV
JOINS = ("mean", "max", "mean_probability")


@dataclass(frozen=True, eq=False)
class Windows:
    """A recording as the encoder gets it.

    Attributes:
        signal: (window, 12, time) float32.
        has_lead: (12,) bool.
        start: (window,) first sample of each window.
        quality: (12,) bits of `anylead.signals.Quality`; None where nothing was judged.
        offset: (12,) what was taken off each lead, mV; None where nothing was.
    """

    signal: Floats
    has_lead: NDArray[np.bool_]
    start: NDArray[np.int64]
    quality: NDArray[np.uint16] | None = None
    offset: Floats | None = None

    @property
    def leads(self) -> tuple[str, ...]:
        """The leads that the model sees."""
        return tuple(name for name, there in zip(LEADS, self.has_lead, strict=True) if there)

    def single(self) -> "list[Windows]":
        """Each window as a recording of its own."""
        return [
            replace(self, signal=self.signal[i : i + 1], start=self.start[i : i + 1])
            for i in range(len(self.start))
        ]


def refusal(windows: Windows) -> str | None:
    """Why no model should answer for this recording, or None."""
    if windows.quality is None:
        return None
    seen = windows.quality[windows.has_lead]
    if (seen & Quality.RATE).any():
        return "no heart beat of 20 to 300 a minute stands out: noise, or no ECG"
    if len(seen) and (seen & Quality.AMPLITUDE).all():
        return "no lead is between 0.05 mV and 15 mV from bottom to top: wrong unit, or no ECG"
    return None


def make(
    records: Sequence[Record],
    config: PreprocessConfig,
    segment: int,
    use_leads: str | Sequence[str] | None = None,
    tail: str = "overlap",
) -> list[Windows]:
    """Preprocess recordings and cut them.

    Args:
        records: in mV, or without voltage where the model takes that.
        config: what the model expects.
        segment: samples of a window.
        use_leads: what the model may see.
        tail: what becomes of the end, a name in `TAILS`.

    Raises:
        FormatError, LeadError: a recording that cannot be used.
    """
    made = []
    for record in records:
        name = record.record_id or "recording"
        if record.unit == "NU" and config.normalize == "none":
            raise FormatError(
                f"{name}: holds no voltage (unit NU) and this model wants mV; give the recording in"
                " mV, or use a model trained on normalized signals"
            )
        seen = with_frank(record, config)
        if use_leads is not None:
            seen = restrict(seen, use_leads)
        ready = preprocess(seen, config)
        if not ready.has_lead.any():
            raise FormatError(f"{name}: every lead is missing or constant; nothing to look at")
        signal, offset = ready.signal, None
        if config.normalize == "none" and record.unit == "mV":
            signal, offset = without_offset(signal)
        windows = cut(signal, ready.has_lead, segment, name, tail, ready.quality)
        made.append(replace(windows, offset=offset))
    return made


def without_offset(signal: Floats) -> tuple[Floats, Floats | None]:
    """Leads that lie far from zero brought back to it: electrodes bring offsets, hearts none.

    Recordings that models learn from come from devices that take them off: of 3,000 of PTB-XL 8
    have a lead whose median is beyond `LARGEST_OFFSET`, and an offset of 1 mV moves answers.

    Args:
        signal: (12, time) mV.

    Returns:
        (12, time), and (12,) what was taken off; the signal itself and None where nothing was.
    """
    middle = np.median(signal, axis=1)
    offset = np.where(np.abs(middle) > LARGEST_OFFSET, middle, 0).astype(np.float32)
    if not offset.any():
        return signal, None
    return signal - offset[:, None], offset


def check_looked_at(
    windows: Sequence[Windows], records: Sequence[Record], looked_at: Sequence[str]
) -> None:
    """Refuse a recording that has no lead an encoder looks at.

    Raises:
        LeadError: there is one.
    """
    rows = [LEADS.index(lead) for lead in looked_at]
    for each, record in zip(windows, records, strict=True):
        if not each.has_lead[rows].any():
            raise LeadError(
                f"{record.record_id or 'recording'}: none of {', '.join(looked_at)}, all that this"
                " model looks at; with two limb leads, preprocess complete_limb_leads computes I"
                " and II"
            )


def cut(
    signal: Floats,
    has_lead: NDArray[np.bool_],
    segment: int,
    name: str,
    tail: str = "overlap",
    quality: NDArray[np.uint16] | None = None,
) -> Windows:
    """(12, time) preprocessed -> windows of `segment` samples, or one shorter window.

    `tail` "overlap" covers all of a recording, "drop" leaves out what follows its last full window.

    Raises:
        FormatError: too short for an encoder.
    """
    if signal.shape[1] < SHORTEST:
        raise FormatError(
            f"{name}: {signal.shape[1]} samples after resampling are too short; want at least"
            f" {SHORTEST}"
        )
    crops = TAILS[tail](signal.shape[1], segment)
    starts = crops.start[0]
    pieces = [signal[:, s : s + n] for s, n in zip(starts, crops.num_samples[0], strict=True)]
    return Windows(np.stack(pieces), has_lead, starts, quality)


def as_it_is(item: Recording, use_leads: str | Sequence[str] | None) -> Windows:
    """An array that is already what the encoder wants, in one piece.

    Raises:
        FormatError, LeadError: it is not.
    """
    if isinstance(item, str | Path | Record):
        raise FormatError("preprocess=False is for arrays (12, time); files and Records need it")
    signal = np.ascontiguousarray(plain_array(item), dtype=np.float32)
    if signal.ndim != 2 or len(signal) != NUM_LEADS or signal.shape[1] < SHORTEST:
        raise LeadError(
            f"array of shape {signal.shape}; with preprocess=False want ({NUM_LEADS}, time)"
        )
    if not np.isfinite(signal).all():
        raise FormatError("an array with NaN or infinity; with preprocess=False fill these first")
    if use_leads is not None:
        signal = np.where(lead_mask(use_leads)[:, None], signal, np.float32(0))
    return Windows(signal[None], np.asarray(signal.any(axis=1)), np.zeros(1, np.int64))


def batches(windows: Sequence[Windows], size: int) -> Iterator[list[tuple[int, int]]]:
    """(recording, window) in groups of one length, so that nothing needs padding."""
    by_length: dict[int, list[tuple[int, int]]] = {}
    for r, each in enumerate(windows):
        for w in range(len(each.start)):
            by_length.setdefault(each.signal.shape[2], []).append((r, w))
    for places in by_length.values():
        for first in range(0, len(places), size):
            yield places[first : first + size]


def join_frames(windows: Windows, contexts: Floats) -> Floats:
    """(window, frame, dim) -> (frame, dim); what a window repeats of the one before is cut."""
    samples = round(windows.signal.shape[2] / contexts.shape[1])
    kept, end = [], 0
    for start, context in zip(windows.start.tolist(), contexts, strict=True):
        skip = max(0, -(-(end - start) // samples))
        kept.append(context[skip:])
        end = start + samples * len(context)
    return np.concatenate(kept)


def join_logits(logits: Floats, how: Sequence[str]) -> NDArray[np.float64]:
    """(window, class) -> (class,), each class in its own way."""
    wide = logits.astype(np.float64)
    probability = sigmoid(wide).mean(axis=0).clip(1e-12, 1 - 1e-12)
    ways = {
        "mean": wide.mean(axis=0),
        "max": wide.max(axis=0),
        "mean_probability": np.log(probability / (1 - probability)),
    }
    return np.array([ways[way][i] for i, way in enumerate(how)])


def joins(join: str | Mapping[str, str], label_names: Sequence[str]) -> list[str]:
    """One way of joining for each label.

    Raises:
        RecipeError: an unknown way or label.
    """
    if isinstance(join, str):
        how = [join] * len(label_names)
    else:
        unknown = set(join) - set(label_names)
        if unknown:
            raise RecipeError(f"join: {', '.join(sorted(unknown))}: no label of this model")
        how = [join.get(name, "mean") for name in label_names]
    wrong = set(how) - set(JOINS)
    if wrong:
        raise RecipeError(f"join {sorted(wrong)[0]!r}: want one of {', '.join(JOINS)}")
    return how


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of a logit."""
    return np.asarray(1 / (1 + np.exp(-x)))
