"""Scores side by side: by lead set with intervals, confusion of class pairs, identification."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from anylead.pictures import style


class Interval(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def score_by_lead_set(
    scores: Mapping[str, Mapping[str, tuple[float, float, float]]],
    score_name: str = "score",
    width: float | None = None,
) -> Figure:
    """A score against the leads a model may see, several models side by side.

    Args:
        scores: model -> lead set ("12", "6", ... or any name) -> (value, low, high). Lead sets
            stand in the order in which they first occur; a model may lack some.
        score_name: what the vertical axis says.
        width: inches; None is as much as the points need.
    """
    lead_sets = list(dict.fromkeys(name for row in scores.values() for name in row))
    width = width or max(5.2, 1.6 + 0.19 * len(lead_sets) * (len(scores) + 2))
    figure = style.new_figure(width, 3.9 + 0.22 * max(0, len(scores) - 1))
    axes = figure.add_subplot()
    for index, (model, by_set) in enumerate(scores.items()):
        color = style.SERIES[index % len(style.SERIES)]
        shift = (index - (len(scores) - 1) / 2) * 0.75 / max(2, len(scores))
        places = np.array([lead_sets.index(name) + shift for name in by_set])
        value, low, high = np.array(list(by_set.values()), dtype=np.float64).reshape(-1, 3).T
        axes.errorbar(
            places,
            value,
            yerr=np.maximum([value - low, high - value], 0),
            color=color,
            # Where colours come round again, markers do not.
            marker=style.MARKERS[(index + index // len(style.SERIES)) % len(style.MARKERS)],
            markersize=6,
            linewidth=0,
            elinewidth=1.7,
            capsize=3,
            label=style.plain(model),
        )
    axes.set_xticks(range(len(lead_sets)), [_lead_set_label(name) for name in lead_sets])
    axes.set_xlim(-0.6, len(lead_sets) - 0.4)
    for left in np.arange(len(lead_sets) - 1) + 0.5:
        axes.axvline(left, color=style.PALE, linewidth=0.6)
    style.finish(axes, "", "leads the model may see", f"{score_name}, 95 % interval")
    axes.grid(visible=False, axis="x")
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    if len(scores) > 1:
        _legend_above(figure, axes)
    return figure


def score_by_lead_set_narrow(
    scores: Mapping[str, Mapping[str, tuple[float, float, float]]], score_name: str = "score"
) -> Figure:
    """The same for a phone: lead sets below each other, so that none is out of sight.

    Args:
        scores, score_name: as for `score_by_lead_set`.
    """
    lead_sets = list(dict.fromkeys(name for row in scores.values() for name in row))
    figure = style.new_figure(3.7, 1.2 + (0.2 + 0.2 * len(scores)) * len(lead_sets))
    axes = figure.add_subplot()
    for index, (model, by_set) in enumerate(scores.items()):
        shift = (index - (len(scores) - 1) / 2) * 0.75 / max(2, len(scores))
        places = np.array([lead_sets.index(name) + shift for name in by_set])
        value, low, high = np.array(list(by_set.values()), dtype=np.float64).reshape(-1, 3).T
        axes.errorbar(
            value,
            places,
            xerr=np.maximum([value - low, high - value], 0),
            color=style.SERIES[index % len(style.SERIES)],
            marker=style.MARKERS[(index + index // len(style.SERIES)) % len(style.MARKERS)],
            markersize=5,
            linewidth=0,
            elinewidth=1.5,
            capsize=2.5,
            label=style.plain(model),
        )
    axes.set_yticks(range(len(lead_sets)), [_lead_set_label(name) for name in lead_sets])
    axes.set_ylim(len(lead_sets) - 0.4, -0.6)
    style.finish(axes, "", f"{score_name}, 95 % interval", "leads the model may see")
    axes.grid(visible=False, axis="y")
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    if len(scores) > 1:
        _legend_above(figure, axes)
    return figure


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    box = figure.legend(
        handles, labels, loc="outside upper left", fontsize=9, frameon=False, ncols=1
    )
    for text in box.get_texts():
        text.set_parse_math(False)


def _lead_set_label(name: str) -> str:
    """Lists of leads would run into each other on one line."""
    return style.plain(name).replace(",", ",\n")


def confusion_by_pair(
    predicted: NDArray[np.bool_], target: NDArray[Any], label_names: Sequence[str]
) -> Figure:
    """Which diagnosis is mistaken for which, where a record may have several.

    Row i, column j: of the records that have diagnosis i (and, off the diagonal, do not have j),
    the share for which j is predicted. The diagonal is the sensitivity.

    Args:
        predicted: (record, class) bool.
        target: (record, class) bool, or 0, 1 and NaN where it is unknown.
        label_names: per class.
    """
    share = pair_confusion(predicted, target)
    is_small = len(label_names) <= 15
    size = 2.4 + (0.46 if is_small else 0.33) * len(label_names)
    figure = style.new_figure(max(4.6, size + 0.6), max(4.0, size))
    axes = figure.add_subplot()
    image = axes.imshow(np.ma.masked_invalid(share), cmap="cividis", vmin=0, vmax=1)
    counts = (target == 1).sum(axis=0)
    names = [style.plain(name) for name in label_names]
    rows = [f"{name} ({count:,})" for name, count in zip(names, counts, strict=True)]
    axes.set_yticks(range(len(names)), rows, parse_math=False)
    axes.set_xticks(range(len(names)), names, parse_math=False, rotation=90)
    for i, j in np.ndindex(share.shape):
        is_known = np.isfinite(share[i, j])
        cell = axes.text(
            j,
            i,
            f"{100 * share[i, j]:.0f}" if is_known else "–",
            ha="center",
            va="center",
            fontsize=9 if is_small else 8,
            # cividis is dark below its middle; unknown cells are white
            color="white" if is_known and share[i, j] < 0.5 else "black",
        )
        cell.set_in_layout(False)  # inside the picture anyway; measuring hundreds takes seconds
    style.finish(axes, "Mistaken diagnoses, %", "predicted", "true (records)")
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), shrink=0.8)
    bar.ax.tick_params(labelsize=9, colors=style.INK)
    return figure


def pair_confusion(predicted: NDArray[np.bool_], target: NDArray[Any]) -> NDArray[np.float64]:
    """(class, class) shares as `confusion_by_pair` draws them; NaN where no record counts."""
    if predicted.shape != target.shape or target.ndim != 2:
        raise ValueError(f"predicted {predicted.shape}, target {target.shape}")
    has, lacks, calls = (
        flags.astype(np.float64) for flags in (target == 1, target == 0, predicted)
    )
    eligible = has.T @ lacks
    called = has.T @ (calls * lacks)
    np.fill_diagonal(eligible, has.sum(axis=0))
    np.fill_diagonal(called, (has * calls).sum(axis=0))
    return np.divide(called, eligible, out=np.full_like(called, np.nan), where=eligible > 0)


def identification_scores(
    genuine: NDArray[np.floating],
    impostor: NDArray[np.floating],
    cmc: NDArray[np.floating] | None = None,
    score_name: str = "similarity",
) -> Figure:
    """How well pairs of one person part from pairs of two: histogram, ROC and, if given, CMC.

    Args:
        genuine: (pair,) scores of two recordings of one person.
        impostor: (pair,) scores of recordings of two persons.
        cmc: (rank,) share of searches whose person is among the first 1, 2, ... of the gallery.
        score_name: what a score is.
    """
    num_panels = 2 if cmc is None else 3
    figure = style.new_figure(0.6 + 3.3 * num_panels, 3.5)
    panels = figure.subplots(1, num_panels)
    both = np.concatenate([genuine, impostor])
    bins = np.histogram_bin_edges(both, bins=40)
    for scores, color, hatch, name in (
        (impostor, style.ORANGE, "////", "two persons"),
        (genuine, style.BLUE, "", "one person"),
    ):
        weights = np.full(len(scores), 1 / max(1, len(scores)))
        fill = {"color": color, "alpha": 0.6, "hatch": hatch, "edgecolor": "white"}
        label = f"{name} ({len(scores):,})"
        panels[0].hist(scores, bins=bins, weights=weights, label=label, linewidth=0.3, **fill)
    style.finish(panels[0], "Scores of pairs", score_name, "share of pairs")
    panels[0].set_ylim(0, panels[0].get_ylim()[1] * 1.25)  # room for the legend
    style.legend(panels[0], loc="upper left")

    false_accept, true_accept, equal_error = verification_curve(genuine, impostor)
    panels[1].plot(false_accept, true_accept, color=style.BLUE, linewidth=1.8)
    panels[1].plot(
        equal_error, 1 - equal_error, "o", color=style.VERMILION, label=f"EER {equal_error:.3f}"
    )
    floor = 1 / max(10, len(impostor))
    panels[1].set(xscale="log", xlim=(floor, 1.2), ylim=(-0.02, 1.02))
    style.finish(panels[1], "Verification", "false accept rate", "true accept rate")
    style.legend(panels[1], loc="lower right")
    if cmc is not None:
        ranks = np.arange(1, len(cmc) + 1)
        panels[2].plot(ranks, cmc, color=style.GREEN, marker="o", markersize=4, linewidth=1.6)
        panels[2].set(ylim=(-0.02, 1.02))
        panels[2].xaxis.get_major_locator().set_params(integer=True)
        style.finish(panels[2], f"Search: rank 1 {cmc[0]:.3f}", "rank", "share found")
    return figure


def verification_curve(
    genuine: NDArray[np.floating], impostor: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """False and true accept rates over all thresholds, and the rate where both errors are equal."""
    thresholds = np.unique(np.concatenate([genuine, impostor]))[::-1]
    ordered_genuine, ordered_impostor = np.sort(genuine), np.sort(impostor)
    true_accept = 1 - np.searchsorted(ordered_genuine, thresholds) / len(genuine)
    false_accept = 1 - np.searchsorted(ordered_impostor, thresholds) / len(impostor)
    false_accept = np.concatenate([[0.0], false_accept])
    true_accept = np.concatenate([[0.0], true_accept])
    nearest = np.argmin(np.abs(false_accept - (1 - true_accept)))
    equal_error = (false_accept[nearest] + 1 - true_accept[nearest]) / 2
    return false_accept, true_accept, float(equal_error)
