"""Intervals between heartbeats over the hours of a recording."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anylead.pictures import style

_HOUR, _MINUTE = 3600.0, 60.0
_USUAL = (500.0, 1500.0)  # ms; always in sight, so that a steady rhythm looks steady
_LOWEST, _HIGHEST = 200.0, 3000.0  # ms; what lies beyond is told, and drawn at the edge


def tachogram(time: NDArray[np.floating], rr_ms: NDArray[np.floating], title: str = "") -> Figure:
    """One point for each beat.

    Args:
        time: (beat,) seconds from the start.
        rr_ms: (beat,) interval to the beat before; NaN is left out.
        title: stands above.
    """
    known = np.isfinite(rr_ms)
    time, rr = np.asarray(time)[known], np.asarray(rr_ms)[known]
    lasts = time[-1] if len(time) else 0.0
    units = ((_HOUR, "hours"), (3 * _MINUTE, "minutes"), (0.0, "seconds"))
    unit = next(name for least, name in units if lasts >= least)
    per = {"hours": _HOUR, "minutes": _MINUTE, "seconds": 1.0}[unit]
    figure = style.new_figure(11.0, 4.0)
    axes = figure.subplots()
    axes.plot(
        time / per, rr.clip(_LOWEST, _HIGHEST), ".", color=style.BLUE, alpha=0.5,
        markersize=2.0 if len(time) > 2000 else 4.0, rasterized=True,
    )  # fmt: skip
    shown = (*rr.clip(_LOWEST, _HIGHEST), *_USUAL)
    axes.set_ylim(min(shown) - 50, max(shown) + 50)
    beyond = int(((rr < _LOWEST) | (rr > _HIGHEST)).sum())
    told = f", {beyond} beyond {_LOWEST:g} to {_HIGHEST:g} ms" if beyond else ""
    style.finish(axes, f"{title}: {len(rr):,} intervals{told}".removeprefix(": "),
                 f"{unit} from the start", "RR, ms")  # fmt: skip
    rates = axes.secondary_yaxis("right", functions=(_turned, _turned))
    rates.set_ylabel("beats a minute", fontsize=10, color=style.INK)
    rates.tick_params(labelsize=9, colors=style.INK)
    rates.set_yticks([rate for rate in (30, 40, 50, 60, 75, 100, 150, 200)
                      if _inside(60_000 / rate, axes.get_ylim())])  # fmt: skip
    return figure


def _turned(value: Any) -> Any:
    """From ms to beats a minute, and back."""
    return 60_000 / np.maximum(np.asarray(value, dtype=np.float64), 1.0)


def _inside(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
