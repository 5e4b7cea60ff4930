"""From attributions (any sign, any rate) to what an ECG page can shade, and a summary picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anylead.leads import LEADS
from anylead.pictures import style
from anylead.pictures.recording import Recording


def to_unit_range(
    attribution: NDArray[np.floating], percentile: float = 99.5
) -> NDArray[np.float32]:
    """Strength of attributions in [0, 1].

    Args:
        attribution: (lead, time); only its size counts, values that are not finite count as 0.
        percentile: of the sizes, becomes 1, so that one outlier does not hide all the rest.
    """
    size = np.abs(np.nan_to_num(attribution, nan=0.0, posinf=0.0, neginf=0.0))
    top = float(np.percentile(size, percentile))
    top = top if top > 0 else float(size.max())
    share: NDArray[np.float32] = np.clip(size / (top or 1.0), 0, 1).astype(np.float32)
    return share


def onto_record(
    attribution: NDArray[np.floating],
    record: Recording,
    leads: Sequence[str] = LEADS,
    start: float = 0.0,
    seconds: float | None = None,
) -> NDArray[np.float32]:
    """Bring a model's attributions to the rows and samples of a recording.

    Args:
        attribution: (lead, time) of what the model saw, at any rate.
        record: the recording as it was read.
        leads: names of the rows of `attribution`; leads of the record not among them get 0.
        start: where in the recording the model began to look, seconds.
        seconds: how much of it the model saw; None is to the end.

    Returns:
        (lead, time) shaped as `record.signal`, each moment the value of the nearest one; 0 where
        the model did not look.
    """
    if attribution.ndim != 2 or len(attribution) != len(leads):
        raise ValueError(f"attribution {attribution.shape} for {len(leads)} leads")
    length = record.seconds - start if seconds is None else seconds
    moment = (np.arange(record.signal.shape[1]) + 0.5) / record.sample_rate
    place = np.floor((moment - start) / length * attribution.shape[1]).astype(int)
    is_seen = (place >= 0) & (place < attribution.shape[1])
    result = np.zeros(record.signal.shape, dtype=np.float32)
    for row, name in enumerate(record.leads):
        if name in leads:
            result[row, is_seen] = attribution[list(leads).index(name), place[is_seen]]
    return result


def smooth(saliency: NDArray[np.floating], samples: int) -> NDArray[np.float32]:
    """Running mean over time, by windows cut short at both ends; (lead, time)."""
    width = max(1, min(samples, saliency.shape[1]))
    kernel = np.ones(width)
    share = np.convolve(np.ones(saliency.shape[1]), kernel, "same")
    rows = [np.convolve(row, kernel, "same") / share for row in saliency]
    return np.stack(rows).astype(np.float32)


def saliency_by_lead(saliency: NDArray[np.floating], leads: Sequence[str]) -> Figure:
    """What share of the whole each lead has.

    Args:
        saliency: (lead, time), not negative.
        leads: names of the rows.
    """
    if saliency.ndim != 2 or len(saliency) != len(leads):
        raise ValueError(f"saliency {saliency.shape} for {len(leads)} leads")
    total = float(saliency.sum())
    share = saliency.sum(axis=1) / total if total > 0 else np.zeros(len(leads))
    figure = style.new_figure(4.8, 1.1 + 0.26 * len(leads))
    axes = figure.add_subplot()
    bars = axes.barh(range(len(leads)), 100 * share, color=style.BLUE, height=0.7)
    axes.bar_label(bars, [f"{100 * part:.0f} %" for part in share], padding=3, fontsize=9)
    axes.set_yticks(range(len(leads)), [style.plain(name) for name in leads])
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.0, 112 * float(share.max())))
    style.finish(axes, "", "share of the attribution, %")
    axes.grid(visible=False, axis="y")
    return figure


def deletion_curve(
    curves: dict[str, NDArray[np.floating]], y_name: str = "predicted probability"
) -> Figure:
    """The prediction while the most salient moments are taken away, against taking others.

    Args:
        curves: name ("most salient first", "at random") -> (step,) predictions from nothing
            deleted to everything deleted.
        y_name: what is predicted.
    """
    figure = style.new_figure(5.2, 3.6)
    axes = figure.add_subplot()
    for (name, curve), look in zip(curves.items(), style.series_styles(), strict=False):
        deleted = np.linspace(0, 100, len(curve))
        axes.plot(deleted, curve, linewidth=1.7, label=style.plain(name), **look)
    style.finish(axes, "Deletion", "deleted, % of lead-time", y_name)
    style.legend(axes)
    return figure
