"""Curves of a training run and of a classifier's probabilities.

Every function takes arrays and returns a figure; a class that cannot be scored (no positive or no
negative record) is named in the legend as such and not drawn.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from anylead.pictures import style

_MOST_POINTS = 400  # of a curve
_NOTHING = np.zeros(0)
# Columns of a log that belong on one panel, by a part of their name; the rest get their own.
_PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("code perplexity", ("perplexity",)),
    ("learning rate", ("learning_rate", "_lr_")),
    ("loss", ("loss", "contrast", "_local_", "_global_", "segments", "diversity", "penalty")),
)


def training_curves(rows: Iterable[Mapping[str, object]], step: str = "step") -> Figure:
    """Losses, code perplexity, learning rate and every other logged number against the step.

    Args:
        rows: one mapping per logged step, such as a `csv.DictReader`; empty cells are left out,
            and columns that are not numbers too.
        step: the column that counts.

    Raises:
        ValueError: the step column is missing, or nothing else is a number.
    """
    log = _columns(rows)
    if step not in log:
        raise ValueError(f"no column {step!r} in the log; there are {', '.join(log) or 'none'}")
    panels = _panels([name for name in log if name != step and np.isfinite(log[name]).any()])
    if not panels:
        raise ValueError("the log holds no numbers besides its steps")
    num_columns = 1 if len(panels) == 1 else 2
    num_rows = math.ceil(len(panels) / num_columns)
    figure = style.new_figure(5.4 if num_columns == 1 else 8.4, 0.3 + 2.7 * num_rows)
    for index, (title, names) in enumerate(panels.items()):
        axes = figure.add_subplot(num_rows, num_columns, index + 1)
        for name, look in zip(names, style.series_styles(), strict=False):
            _curve(axes, log[step], log[name], name, look)
        style.finish(axes, title.replace("_", " "), x="step")
        axes.margins(x=0.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        if len(names) > 1:
            style.legend(axes)
    return figure


def _columns(rows: Iterable[Mapping[str, object]]) -> dict[str, NDArray[np.float64]]:
    table = list(rows)
    names = dict.fromkeys(name for row in table for name in row if name)
    return {name: np.array([_number(row.get(name)) for row in table]) for name in names}


def _number(cell: object) -> float:
    try:
        return float(str(cell))
    except ValueError:
        return math.nan


def _panels(names: Sequence[str]) -> dict[str, list[str]]:
    """Titles of panels -> columns on them, losses first."""
    panels: dict[str, list[str]] = {"loss": []}
    for name in names:
        panels.setdefault(_panel(name), []).append(name)
    return {title: members for title, members in panels.items() if members}


def _panel(name: str) -> str:
    words = "_" + name.lower().replace("/", "_").replace(".", "_") + "_"
    for title, parts in _PANELS:
        if any(part in words for part in parts):
            return title
    return name


def _curve(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    name: str,
    look: Mapping[str, Any],
) -> None:
    """A line; of a long noisy log also the running mean, with the log itself behind it."""
    is_there = np.isfinite(x) & np.isfinite(y)
    x, y = x[is_there], y[is_there]
    width = len(y) // 50
    dots: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(y) <= 30 else {}
    if width < 4:
        axes.plot(x, y, linewidth=1.6, label=style.plain(name), **dots, **look)
        return
    kernel = np.ones(width)
    mean = np.convolve(y, kernel, "same") / np.convolve(np.ones(len(y)), kernel, "same")
    axes.plot(x, y, color=look["color"], linewidth=0.6, alpha=0.3)
    axes.plot(x, mean, linewidth=1.7, label=style.plain(name), **look)


def roc_curves(
    probability: NDArray[np.floating], target: NDArray[Any], label_names: Sequence[str]
) -> Figure:
    """Receiver operating characteristic of every class, best first in the legend.

    Args:
        probability: (record, class).
        target: (record, class) bool, or 0, 1 and NaN where it is unknown.
        label_names: per class.
    """
    from sklearn.metrics import auc, roc_curve  # slow to import

    curves = []
    for i, name in _scored(probability, target, label_names):
        false_positive, true_positive, _ = roc_curve(*_known(target, probability, i))
        curves.append(
            (float(auc(false_positive, true_positive)), name, false_positive, true_positive)
        )
    figure, axes = _class_curves(curves, "AUROC", target, label_names)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.9, zorder=1)
    style.finish(axes, "ROC", "1 − specificity", "sensitivity")
    return figure


def precision_recall_curves(
    probability: NDArray[np.floating], target: NDArray[Any], label_names: Sequence[str]
) -> Figure:
    """Precision against recall of every class; arguments as of `roc_curves`."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = []
    for i, name in _scored(probability, target, label_names):
        precision, recall, _ = precision_recall_curve(*_known(target, probability, i))
        score = float(average_precision_score(*_known(target, probability, i)))
        curves.append((score, name, recall, precision))
    figure, axes = _class_curves(curves, "AUPRC", target, label_names)
    style.finish(axes, "Precision and recall", "recall (sensitivity)", "precision")
    return figure


def _scored(
    probability: NDArray[np.floating], target: NDArray[Any], label_names: Sequence[str]
) -> list[tuple[int, str]]:
    """Index and name of the classes with both positive and negative records."""
    if probability.shape != target.shape or probability.shape[1:] != (len(label_names),):
        raise ValueError(
            f"probability {probability.shape}, target {target.shape}, {len(label_names)} names"
        )
    both = (target == 1).any(axis=0) & (target == 0).any(axis=0)
    return [(i, name) for i, name in enumerate(label_names) if both[i]]


def _known(
    target: NDArray[Any], probability: NDArray[np.floating], i: int
) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Targets and probabilities of a class, of the records for which it is known."""
    rows = ~np.isnan(target[:, i])
    return target[rows, i].astype(bool), probability[rows, i]


def _class_curves(
    curves: list[tuple[float, str, NDArray[np.float64], NDArray[np.float64]]],
    score_name: str,
    target: NDArray[Any],
    label_names: Sequence[str],
) -> tuple[Figure, Axes]:
    looks = dict(zip(label_names, style.series_styles(), strict=False))  # one look in all figures
    drawn = {name: (x, y) for _, name, x, y in curves}
    ranked = sorted(curves, key=lambda curve: (-curve[0], curve[1]))
    labels = {name: f"{style.plain(name)}  {score:.3f}" for score, name, _, _ in ranked}
    for i, name in enumerate(label_names):
        if name not in drawn:
            kind = "negative" if (target[:, i] == 1).any() else "positive"
            labels[name] = f"{style.plain(name)}  no {kind} record"
    height = max(4.0, 0.8 + 0.2 * len(labels))
    beside = max(style.text_width_mm(label, 9) for label in labels.values()) / style.MM_PER_INCH
    figure = style.new_figure(height + beside + 0.8, height)  # the panel is about square
    axes = figure.add_subplot()
    for name, label in labels.items():
        x, y = _thinned(*drawn.get(name, (_NOTHING, _NOTHING)))
        look = looks[name] if name in drawn else {"linestyle": " "}
        axes.plot(x, y, linewidth=1.5, label=label, drawstyle="steps-post", **look)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    style.legend_beside(figure, axes, score_name)
    return figure, axes


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some of many points: what a figure cannot show need not be in the file."""
    if len(x) <= _MOST_POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(int))
    return x[kept], y[kept]


def reliability_diagram(
    probability: NDArray[np.floating],
    target: NDArray[Any],
    label_names: Sequence[str],
    num_bins: int = 10,
) -> Figure:
    """How often a diagnosis is true among those given a probability: all classes pooled, and each.

    Args:
        probability: (record, class) in [0, 1].
        target: (record, class) bool, or 0, 1 and NaN where it is unknown.
        label_names: per class; with more than six only the pooled curve is drawn.
        num_bins: bins of equal width.

    The bars on the pooled curve are Wilson's 95 % intervals; ECE is the expected calibration error,
    the mean distance to the diagonal weighted by the count of each bin.
    """
    figure = style.new_figure(5.2, 5.2)
    axes, counts_axes = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.9)
    if 1 < len(label_names) <= 6:
        for i, (name, look) in enumerate(zip(label_names, style.series_styles(), strict=False)):
            true, given = _known(target, probability, i)
            stated, observed, _, error = _calibration(given, true, num_bins)
            label = f"{style.plain(name)}  ECE {error:.3f}"
            axes.plot(stated, observed, linewidth=1.1, marker=".", label=label, **look)
    true, given = _known(target.reshape(-1, 1), probability.reshape(-1, 1), 0)
    stated, observed, counts, error = _calibration(given, true, num_bins)
    low, high = _wilson(observed, counts)
    pooled = "all classes" if len(label_names) > 1 else style.plain(label_names[0])
    axes.errorbar(
        stated,
        observed,
        yerr=np.maximum([observed - low, high - observed], 0),
        color=style.BLACK,
        marker="o",
        markersize=4.5,
        linewidth=1.9,
        elinewidth=1.0,
        capsize=2.5,
        label=f"{pooled}  ECE {error:.3f}",
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    style.finish(axes, "Reliability", y="share that is true")
    style.legend(axes, loc="upper left")
    bins = np.linspace(0, 1, num_bins + 1)
    counts_axes.hist(given, bins=bins, color=style.SKY_BLUE, edgecolor="white")
    counts_axes.set(yscale="log", ylim=(0.8, 1.5 * max(7, counts.max())))
    counts_axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    counts_axes.yaxis.set_minor_formatter(NullFormatter())
    style.finish(counts_axes, x="stated probability", y="count")
    return figure


def _calibration(
    probability: NDArray[np.floating], target: NDArray[Any], num_bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], float]:
    """Per filled bin: mean probability, share of positives, count; and the expected error."""
    which = np.minimum((probability * num_bins).astype(int), num_bins - 1)
    counts = np.bincount(which, minlength=num_bins)
    filled = counts > 0
    stated = np.bincount(which, weights=probability, minlength=num_bins)[filled] / counts[filled]
    observed = np.bincount(which, weights=target, minlength=num_bins)[filled] / counts[filled]
    error = float(np.sum(np.abs(stated - observed) * counts[filled]) / max(1, counts.sum()))
    return stated, observed, counts[filled], error


def _wilson(
    share: NDArray[np.float64], count: NDArray[np.int64], z: float = 1.959964
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's 95 % interval of a share (Wilson 1927)."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half
