"""What was said against what was measured (after Bland and Altman, Lancet 1986)."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anylead.pictures import style

_MOST_POINTS = 5000  # more only make the file larger
_LIMITS = 1.96  # standard deviations


def agreement(target: NDArray[np.floating], predicted: NDArray[np.floating], name: str) -> Figure:
    """Predicted against true, and their difference against the true number.

    Args:
        target: (record,) what was measured; NaN is left out.
        predicted: (record,) what was said.
        name: what it is, for the axes.
    """
    known = np.flatnonzero(np.isfinite(target))
    true, said = target[known], predicted[known]
    difference = said - true
    shown = slice(None, None, max(1, -(-len(known) // _MOST_POINTS)))
    figure = style.new_figure(9.0, 4.0)
    left, right = figure.subplots(1, 2)
    for axes, height in ((left, said), (right, difference)):
        axes.plot(
            true[shown], height[shown], ".", color=style.BLUE, markersize=4, alpha=0.4,
            rasterized=True,
        )  # fmt: skip
    ends = [min(true.min(), said.min()), max(true.max(), said.max())]
    left.plot(ends, ends, color=style.INK, linewidth=1.0, linestyle="--", label="equal")
    style.finish(left, "", f"{style.plain(name)}, measured", "predicted")
    style.legend(left, loc="upper left")
    bias, spread = float(difference.mean()), float(difference.std())
    right.axhline(bias, color=style.VERMILION, linewidth=1.4, label=f"mean {bias:+.3g}")
    for sign in (-1, 1):
        right.axhline(
            bias + sign * _LIMITS * spread,
            color=style.VERMILION,
            linewidth=1.0,
            linestyle=":",
            label=f"95 % within ±{_LIMITS * spread:.3g} of it" if sign > 0 else None,
        )
    style.finish(right, "", f"{style.plain(name)}, measured", "predicted minus measured")
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.28 * (high - low))  # room for the legend
    style.legend(right, loc="upper left")
    return figure
