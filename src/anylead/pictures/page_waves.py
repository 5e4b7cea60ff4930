"""P, QRS and T tinted behind the trace of a lead."""

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba

from anylead.pictures import style
from anylead.pictures.ecg_layout import Trace, View

COLORS = {"P": style.BLUE, "QRS": style.PURPLE, "T": style.GREEN}
_OPACITY = 0.28
Wave = tuple[str, str, float, float]  # lead, name, onset and offset in seconds


def tints(
    shown: View, trace: Trace, left: float, baseline: float, waves: Sequence[Wave]
) -> PolyCollection:
    """A box for each wave that lies in a trace, as high as the trace.

    Args:
        shown: what the page shows.
        trace: of one lead.
        left: mm at which the page's traces begin.
        baseline: mm of the trace.
        waves: of the lead, in seconds of the recording.
    """
    low, high = band(shown, trace)
    begins, ends = ((shown.first + n) / shown.sample_rate for n in (trace.first, trace.last))
    boxes, colors = [], []
    for _, name, onset, offset in waves:
        first, last = max(onset, begins), min(offset, ends)
        if name in COLORS and first < last:
            x0, x1 = (
                left + (time - shown.first / shown.sample_rate) * shown.mm_per_second
                for time in (first, last)
            )
            y0, y1 = baseline + low, baseline + high
            boxes.append([(x0, y0), (x0, y1), (x1, y1), (x1, y0)])
            colors.append(to_rgba(COLORS[name], _OPACITY))
    made = PolyCollection(boxes, facecolors=colors, linewidths=0, zorder=2, clip_on=False)
    made.set_gid(f"waves-{'strip-' if trace.is_strip else ''}{shown.leads[trace.lead]}")
    return made


def band(shown: View, trace: Trace) -> tuple[float, float]:
    """Millimetres from the baseline that a trace needs, down and up."""
    millimetres = shown.millimetres[trace.lead, trace.first : trace.last]
    finite = millimetres[np.isfinite(millimetres)]
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    return min(-4.0, low - 1), max(4.0, high + 1)
