"""From a recording to what a model sees: the same for prepare, embed and serve."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anylead.leads import DOWER, FRANK_LEADS, LEADS, complete_limb_leads, has_frank
from anylead.preprocessing import PreprocessConfig
from anylead.records import Record
from anylead.signals import published
from anylead.signals.filters import bandpass, notch
from anylead.signals.missing import fill_missing
from anylead.signals.quality import Quality, assess, extremes_of
from anylead.signals.resample import RESAMPLERS
from anylead.signals.voltage import check_millivolts

# A lead that moves by less than this (in mV) is a constant.
_CONSTANT = 1e-6
_FOUND = np.array(
    [Quality.MISSING_SAMPLES, Quality.LONG_GAP, Quality.LOST, Quality.FLAT], dtype=np.uint16
)

_BEFORE_RESAMPLING = {"hubert_ecg": published.hubert_ecg}
_AFTER_RESAMPLING = {"ecgfounder": published.ecgfounder}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A recording ready for a model.

    Attributes:
        signal: (12, time) float32 in the canonical order; zero where a lead is missing.
        has_lead: (12,) bool; False for a lead that is missing, constant or mostly missing.
        quality: (12,) uint16, bits of `Quality`.
        resolution: (12,) float64, the step of the source's integers where the samples are still
            whole numbers of it, else NaN.
    """

    signal: NDArray[np.float32]
    has_lead: NDArray[np.bool_]
    quality: NDArray[np.uint16]
    resolution: NDArray[np.float64]


def preprocess(record: Record, config: PreprocessConfig) -> Prepared:
    """Put leads in their places, fill gaps, judge, resample, filter, complete, normalize.

    Raises:
        FormatError: said to be mV and far too large for that.
        LeadError: its only lead has no place.
    """
    recorded = record.leads
    record = with_frank(record, config)
    if record.leads == LEADS:
        signal, in_file = record.signal, np.ones(len(LEADS), dtype=bool)
    else:
        signal, in_file = record.canonical()
    extremes = extremes_of(signal)
    some = long = lost = np.zeros(len(LEADS), dtype=bool)
    if not np.isfinite(extremes).all():
        signal, some, long, lost = fill_missing(signal, record.sample_rate)
        extremes = extremes_of(signal)
    if record.unit == "mV":
        rows = signal if record.leads == LEADS else signal[in_file]
        check_millivolts(record.record_id, rows, float(np.abs(extremes).max()))
    is_flat = in_file & ~lost & (extremes[1] - extremes[0] <= _CONSTANT)
    has_lead = in_file & ~lost & ~is_flat
    if not has_lead.all():
        signal = np.where(has_lead[:, None], signal, np.float32(0))
    quality = _FOUND @ np.stack([some, long, lost, is_flat])
    quality |= assess(signal, has_lead, record.sample_rate, record.unit, extremes)
    if record.leads != recorded:
        estimated = [name not in recorded for name in LEADS] & has_lead
        quality[estimated] |= np.uint16(Quality.DERIVED)
    resolution = _resolution(record, has_lead)

    processed = _filtered(signal, record.sample_rate, config)
    if config.complete_limb_leads:
        processed, completed = complete_limb_leads(processed, has_lead)
        quality[completed & ~has_lead] |= np.uint16(Quality.DERIVED)
        has_lead = completed
    if processed is not signal or config.normalize != "none":
        unchanged = np.zeros_like(has_lead)
        if config.normalize == "none" and record.sample_rate == config.sample_rate:
            unchanged = (processed == signal).all(axis=1)
        resolution = np.where(unchanged, resolution, np.nan)
    processed = _normalize(processed, has_lead, config.normalize)
    return Prepared(processed, has_lead, quality, resolution)


def _filtered(
    signal: NDArray[np.float32], sample_rate: float, config: PreprocessConfig
) -> NDArray[np.float32]:
    """(lead, time) at the config's rate, behind its filters."""
    if config.clip_mv is not None:
        signal = signal.clip(-config.clip_mv, config.clip_mv)
    if config.published_filter in _BEFORE_RESAMPLING:
        signal = _BEFORE_RESAMPLING[config.published_filter](signal, sample_rate)
    signal = RESAMPLERS[config.resampler](signal, sample_rate, config.sample_rate)
    signal = bandpass(signal, config.sample_rate, config.highpass_hz, config.lowpass_hz)
    if config.notch_hz is not None:
        signal = notch(signal, config.sample_rate, config.notch_hz)
    if config.published_filter in _AFTER_RESAMPLING:
        signal = _AFTER_RESAMPLING[config.published_filter](signal, config.sample_rate)
    return signal


def with_frank(record: Record, config: PreprocessConfig) -> Record:
    """The recording with all twelve leads, if it has Frank's and the config asks for it."""
    wants = config.from_frank and has_frank(record.leads)
    if not wants or all(name in record.leads for name in LEADS):
        return record
    signal, leads = add_from_frank(record.signal, record.leads)
    steps = record.resolution
    if steps is not None:
        steps = (*steps, *[np.nan] * (len(leads) - len(record.leads)))
    return replace(record, signal=signal, leads=leads, resolution=steps)


def add_from_frank(
    signal: NDArray[np.float32], leads: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Fill in those of the twelve leads that are missing from Frank's X, Y, Z by Dower's matrix.

    An estimate for an average body, unlike the limb leads that follow from two others: recorded
    leads stay as they are.

    Args:
        signal: (lead, time) in one unit.
        leads: canonical names of the rows, X, Y and Z among them.

    Returns:
        The signal with the new rows below, and the names of all rows.
    """
    missing = [name for name in LEADS if name not in leads]
    vector = signal[[list(leads).index(name) for name in FRANK_LEADS]]
    matrix = DOWER[[LEADS.index(name) for name in missing]]
    return np.concatenate([signal, (matrix @ vector).astype(np.float32)]), (*leads, *missing)


def without_leads(prepared: Prepared, is_dropped: NDArray[np.bool_]) -> Prepared:
    """Take out leads, such as those that fail a check of their quality; is_dropped: (12,)."""
    has_lead = prepared.has_lead & ~is_dropped
    signal = np.where(has_lead[:, None], prepared.signal, np.float32(0))
    return replace(prepared, signal=signal, has_lead=has_lead)


def _resolution(record: Record, has_lead: NDArray[np.bool_]) -> NDArray[np.float64]:
    if record.resolution is not None and record.leads == LEADS:
        return np.where(has_lead, record.resolution, np.nan)
    resolution = np.full(len(LEADS), np.nan)
    if record.resolution is not None:
        for name, step in zip(record.leads, record.resolution, strict=True):
            if name in LEADS:
                resolution[LEADS.index(name)] = step
    return np.where(has_lead, resolution, np.nan)


def _normalize(
    signal: NDArray[np.float32], has_lead: NDArray[np.bool_], how: str
) -> NDArray[np.float32]:
    if how == "none" or not has_lead.any():
        return signal
    if how == "lead_range":
        return _to_range(signal, has_lead)
    centred = signal[has_lead] - signal[has_lead].mean(axis=1, keepdims=True)
    if how == "record":
        deviation = np.sqrt(np.square(centred).mean(keepdims=True))
    else:
        deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True))
    normalized = np.zeros_like(signal)
    # A filter can leave a lead without anything (a slow drift, high-passed): it stays zero.
    normalized[has_lead] = centred / np.maximum(deviation, np.float32(_CONSTANT))
    return normalized


def _to_range(signal: NDArray[np.float32], has_lead: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each lead's smallest value becomes -1, its largest 1; missing leads stay zero."""
    present = signal[has_lead].astype(np.float64)
    low, high = present.min(axis=1, keepdims=True), present.max(axis=1, keepdims=True)
    scaled = np.zeros_like(signal)
    scaled[has_lead] = 2 * (present - low) / (high - low + 1e-8) - 1
    return scaled
