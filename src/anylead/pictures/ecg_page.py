"""An ECG as printed in a clinic: 25 mm/s, 10 mm/mV, on millimetre paper.

The page is drawn in millimetres (one set of axes over the whole figure), so that it has its true
size when printed at 100 %. Each lead is drawn about its median. Layout: `ecg_layout`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from anylead.errors import RecipeError
from anylead.pictures import style
from anylead.pictures.ecg_layout import (
    BIG_SQUARE,
    MAX_EXCURSION,
    MM_PER_MV,
    MM_PER_SECOND,
    NAME_POINTS,
    Arrangement,
    Trace,
    View,
    arrange,
    view,
)
from anylead.pictures.page_waves import Wave, band, tints
from anylead.pictures.recording import Recording

Paper = Literal["fit", "A4"]
_MARGIN = 5.0  # mm, around the grid
_LEFT = 15.0  # mm of grid before the traces, for the calibration mark
_LEAST_WIDTH = 100.0  # mm of grid
_A4 = (297.0, 210.0)  # mm, landscape
_SMALL_GAIN = 5.0  # mm/mV, for high voltages
_LINE = 4.6  # mm from one line of text to the next
_HEADER_POINTS, _NOTE_POINTS = 9.0, 8.0
_FINE, _COARSE = "#F9DDDD", "#EBA9A9"
_FOR, _AGAINST = style.BLUE, style.VERMILION
_UNSEEN = "#A6A6A6"
_STRONGEST = 0.55  # opacity of saliency 1; the trace and the grid still show through
_SALIENCY_STEPS = 8
_POINTS_PER_MM = style.POINTS_PER_INCH / style.MM_PER_INCH


@dataclass(frozen=True)
class _Page:
    """Sizes of one page in mm; y counts upward from its lower edge."""

    figure: Figure
    axes: Axes
    width: float
    height: float
    grid_left: float
    grid_top: float
    grid_width: float
    grid_height: float

    @property
    def trace_left(self) -> float:
        return self.grid_left + _LEFT


def ecg_page(
    record: Recording,
    *,
    layout: str | None = None,
    leads: str | Sequence[str] | None = None,
    saliency: NDArray[np.floating] | None = None,
    seen: Collection[str] | None = None,
    header: str | Sequence[str] | None = None,
    seconds: float | None = None,
    start: float = 0.0,
    gain: float | None = None,
    speed: float = MM_PER_SECOND,
    paper: Paper = "fit",
    note: str = "",
    waves: Sequence[Wave] = (),
) -> Figure:
    """Draw a recording on millimetre paper.

    Args:
        record: any recording; without voltage (unit "NU") the scale is chosen and stated.
        layout: "3x4+1" (3 rows, 4 columns, 1 rhythm strip), "6x2", "12x1", ...; None chooses.
        leads: a named set ("6"), a list ("I,II,V2" or names), or None for all recorded leads.
            Limb leads that were not recorded but follow from two others are drawn and marked "*".
        saliency: (lead, time) in [-1, 1], rows and samples as in `record.signal`; shaded behind
            the traces, what speaks for an answer in another colour than what speaks against it.
        seen: leads that a model saw; the others are grey. None is all.
        header: lines of text above the grid (`record_header` makes them); None is no header.
        seconds: length of the page; None is 10 s, or what there is.
        start: seconds into the recording.
        gain: mm/mV; None is 10, and 5 where the voltages are too high for the paper.
        speed: mm/s.
        paper: "fit" is as large as the rows need, "A4" always that, landscape.
        note: stands below the page, such as how the signal was filtered.
        waves: P, QRS and T of leads (`anylead.records.Mark`), tinted behind their traces.

    Raises:
        LeadError: a lead that is unknown or not there.
        RecipeError: a layout that cannot be read or is too small, a time outside the record, or
            more seconds than fit on the paper.
        ValueError: saliency of another shape, or outside [-1, 1].
    """
    lines = [header] if isinstance(header, str) else list(header or ())
    shown = view(record, leads, seconds, start, gain or MM_PER_MV, speed)
    places = arrange(shown, layout)
    hidden = frozenset(shown.leads) - frozenset(shown.leads if seen is None else seen)
    notes = _notes(record, shown, saliency, hidden, note)
    if paper == "A4":
        room = _room_on_a4(shown, lines, notes)
        if gain is None and places.height > room and record.unit == "mV":
            shown = view(record, leads, seconds, start, _SMALL_GAIN, speed)
            notes = _notes(record, shown, saliency, hidden, note)
        places = _centred(arrange(shown, layout, room), room)
        if places.is_tight:
            notes += "   ·   rows may overlap: more than fits the paper"
    page = _new_page(shown, places, lines, notes, paper)
    if saliency is not None:
        _check_saliency(record, saliency)
        for trace in places.traces:
            if not shown.is_derived[trace.lead]:
                row = saliency[record.leads.index(shown.leads[trace.lead])]
                part = row[shown.first + trace.first : shown.first + trace.last]
                _draw_saliency(page, shown, places, trace, np.asarray(part, dtype=np.float64))
    for trace in places.traces:
        own = [wave for wave in waves if wave[0] == shown.leads[trace.lead]]
        if own:
            baseline = page.grid_top - places.baselines[trace.row]
            boxes = tints(shown, trace, page.trace_left, baseline, own)
            page.axes.add_collection(boxes, autolim=False)
        _draw_trace(page, shown, places, trace, shown.leads[trace.lead] in hidden)
    for row in range(len(places.baselines)):
        _draw_mark(page, places, row, shown.mark)
    return page.figure


def record_header(record: Recording) -> tuple[str, ...]:
    """What the recording tells about itself, for the header of a page."""
    facts = [
        record.record_id,
        f"patient {record.patient_id}" if record.patient_id is not None else "",
        f"{record.age:g} years" if record.age is not None else "",
        record.sex or "",
        (record.start_time or "").replace("T", " "),
    ]
    lines = ("  ·  ".join(fact for fact in facts if fact), record.diagnosis or "")
    return tuple(line for line in lines if line)


def _texts(
    header: Sequence[str], notes: str, grid_width: float
) -> tuple[list[tuple[str, str]], list[str]]:
    """Lines above (text, weight) and below the grid."""
    above = [
        (line, "bold" if i == 0 else "normal")
        for i, text in enumerate(header)
        for line in style.wrap(text, grid_width, _HEADER_POINTS, 6, "bold" if i == 0 else "normal")
    ]
    return above, style.wrap(notes, grid_width, _NOTE_POINTS, 6)


def _edges(above: Sequence[object], below: Sequence[object]) -> tuple[float, float]:
    """Height of what stands above and below the grid, mm."""
    top = _MARGIN + (len(above) * _LINE + 1 if above else 0)
    return top, _MARGIN + len(below) * _LINE


def _room_on_a4(shown: View, header: Sequence[str], notes: str) -> float:
    """Height of the grid between the texts, mm, in whole squares."""
    grid_width = _A4[0] - 2 * _MARGIN
    most = (grid_width - _LEFT - 2) / shown.mm_per_second
    if shown.seconds > most:
        raise RecipeError(
            f"{shown.seconds:g} s at {shown.mm_per_second:g} mm/s: {most:.1f} s fit on A4; choose"
            " fewer --seconds, a smaller --speed, or --paper fit"
        )
    top, bottom = _edges(*_texts(header, notes + " " * 60, grid_width))
    return float(np.floor((_A4[1] - top - bottom - _LINE) / BIG_SQUARE) * BIG_SQUARE)


def _centred(places: Arrangement, room: float) -> Arrangement:
    """The rows in the middle of the grid, on its 5 mm lines where they fit."""
    free = max(0.0, room - places.height)
    lower = float(np.floor(free / 2 / BIG_SQUARE) * BIG_SQUARE)
    baselines = tuple(baseline + lower for baseline in places.baselines)
    return replace(places, baselines=baselines, height=room)


def _new_page(
    shown: View, places: Arrangement, header: list[str], notes: str, paper: Paper
) -> _Page:
    """The paper: grid, header above and notes below it."""
    traces_width = shown.seconds * shown.mm_per_second
    squares = np.ceil((_LEFT + traces_width + 2) / BIG_SQUARE)
    grid_width = max(float(squares) * BIG_SQUARE, _LEAST_WIDTH)
    if paper == "A4":
        grid_width = float(np.floor((_A4[0] - 2 * _MARGIN) / BIG_SQUARE) * BIG_SQUARE)
    above, below = _texts(header, notes, grid_width)
    top, bottom = _edges(above, below)
    width, height = grid_width + 2 * _MARGIN, top + places.height + bottom
    if paper == "A4":
        width, height = _A4
    size = (width / style.MM_PER_INCH, height / style.MM_PER_INCH)
    figure = Figure(figsize=size, dpi=style.DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    page = _Page(figure, axes, width, height, _MARGIN, height - top, grid_width, places.height)
    _draw_grid(page)
    for i, (line, weight) in enumerate(above):
        y = height - _MARGIN - i * _LINE
        _write(page, _MARGIN, y, line, _HEADER_POINTS, "top", weight)
    for i, line in enumerate(below):
        y = page.grid_top - places.height - 1.2 - i * _LINE
        _write(page, _MARGIN, y, line, _NOTE_POINTS, "top")
    return page


def _write(
    page: _Page, x: float, y: float, text: str, points: float, align: str, weight: str = "normal"
) -> None:
    page.axes.text(
        x,
        y,
        text,
        fontsize=points,
        fontfamily=style.FONT,
        fontweight=weight,
        color=style.INK,
        va=align,
        ha="left",
        parse_math=False,
        zorder=5,
    )


def _draw_grid(page: _Page) -> None:
    left, top = page.grid_left, page.grid_top
    right, bottom = left + page.grid_width, top - page.grid_height
    for gid, step, color, mm in (
        ("grid-1mm", 1.0, _FINE, 0.12),
        ("grid-5mm", BIG_SQUARE, _COARSE, 0.2),
    ):
        xs = left + np.arange(0, page.grid_width + 0.5, step)
        ys = top - np.arange(0, page.grid_height + 0.5, step)
        # One path for all lines of a kind keeps the file small.
        points = [point for x in xs for point in ((x, bottom), (x, top))]
        points += [point for y in ys for point in ((left, y), (right, y))]
        codes = [Outline.MOVETO, Outline.LINETO] * (len(points) // 2)
        _add_path(page, Outline(points, codes), color, mm, gid, zorder=1)


def _add_path(page: _Page, path: Outline, color: str, mm: float, gid: str, zorder: float) -> None:
    path.should_simplify = False  # it would drop some of the grid's lines
    patch = PathPatch(
        path,
        fill=False,
        edgecolor=color,
        linewidth=mm * _POINTS_PER_MM,
        clip_on=False,
        gid=gid,
        zorder=zorder,
        joinstyle="round",
        capstyle="butt",
    )
    page.axes.add_artist(patch)


def _draw_trace(
    page: _Page, shown: View, places: Arrangement, trace: Trace, is_hidden: bool
) -> None:
    """A lead's line, its name, and the tick that parts it from the column before."""
    name = shown.leads[trace.lead]
    gid = f"{'strip' if trace.is_strip else 'lead'}-{name}"
    baseline = page.grid_top - places.baselines[trace.row]
    millimetres = shown.millimetres[trace.lead, trace.first : trace.last]
    x = (
        page.trace_left
        + np.arange(trace.first, trace.last) * shown.mm_per_second / shown.sample_rate
    )
    page.axes.plot(
        x,
        baseline + millimetres,
        color=_UNSEEN if is_hidden else "black",
        linewidth=0.26 * _POINTS_PER_MM,
        solid_joinstyle="round",
        clip_on=False,
        gid=gid,
        zorder=4,
    )
    y = baseline + trace.name_above
    _write(page, x[0] + 0.8, y, shown.label(trace.lead), NAME_POINTS, "baseline", "bold")
    if trace.column > 0:
        ticks = [(x[0], baseline + sign * y) for sign in (-1, 1) for y in (2.0, 4.5)]
        codes = [Outline.MOVETO, Outline.LINETO] * 2
        _add_path(page, Outline(ticks, codes), style.INK, 0.2, f"{gid}-begins", zorder=3)


def _draw_mark(page: _Page, places: Arrangement, row: int, mark: float) -> None:
    """The calibration mark: 1 mV high, 5 mm wide."""
    baseline = page.grid_top - places.baselines[row]
    x = page.grid_left + np.array([3.0, 5.0, 5.0, 10.0, 10.0, 12.0])
    y = baseline + np.array([0.0, 0.0, mark, mark, 0.0, 0.0])
    outline = Outline(np.column_stack([x, y]))
    _add_path(page, outline, "black", 0.26, f"calibration-{row}", zorder=4)


def _draw_saliency(
    page: _Page, shown: View, places: Arrangement, trace: Trace, saliency: NDArray[np.float64]
) -> None:
    """Shade the time of one trace, 1 mm at a time, in steps of opacity."""
    per_mm = shown.sample_rate / shown.mm_per_second
    edges = np.arange(0, len(saliency) / per_mm, 1.0)
    starts = np.minimum((edges * per_mm).astype(int), len(saliency) - 1)
    strength = np.maximum.reduceat(saliency, starts)  # a short peak must not be averaged away
    weakest = np.minimum.reduceat(saliency, starts)
    strength = np.where(strength >= -weakest, strength, weakest)
    level = np.round(strength * _SALIENCY_STEPS).astype(int)
    baseline = page.grid_top - places.baselines[trace.row]
    low, high = (baseline + reach for reach in band(shown, trace))
    left = page.trace_left + trace.first / per_mm
    length = len(saliency) / per_mm
    boxes, colors = [], []
    changes = np.flatnonzero(np.diff(level)) + 1
    for begin, end in zip([0, *changes], [*changes, len(level)], strict=True):
        if level[begin] != 0:
            x0, x1 = left + edges[begin], left + min(float(end), length)
            boxes.append([(x0, low), (x0, high), (x1, high), (x1, low)])
            color = _FOR if level[begin] > 0 else _AGAINST
            colors.append(to_rgba(color, _STRONGEST * abs(level[begin]) / _SALIENCY_STEPS))
    shades = PolyCollection(boxes, facecolors=colors, linewidths=0, zorder=2, clip_on=False)
    shades.set_gid(f"saliency-{'strip-' if trace.is_strip else ''}{shown.leads[trace.lead]}")
    page.axes.add_collection(shades, autolim=False)


def _check_saliency(record: Recording, saliency: NDArray[np.floating]) -> None:
    if saliency.shape != record.signal.shape:
        raise ValueError(f"saliency {saliency.shape} for a signal of {record.signal.shape}")
    if not (np.isfinite(saliency).all() and np.abs(saliency).max() <= 1):
        raise ValueError("saliency: want finite values in [-1, 1]; see saliency.to_unit_range")


def _notes(
    record: Recording,
    shown: View,
    saliency: NDArray[np.floating] | None,
    hidden: Collection[str],
    note: str,
) -> str:
    """Speed, gain and whatever a reader must know about the picture, below the grid."""
    first = shown.first / shown.sample_rate
    if record.unit == "mV":
        gain = f"{shown.mm_per_unit:g} mm/mV"
    else:
        gain = (
            f"{shown.mm_per_unit:g} mm/NU: normalised units, no voltage"
            f" (mark: {MM_PER_MV / shown.mm_per_unit:g} NU)"
        )
    notes = [
        f"{shown.mm_per_second:g} mm/s",
        gain,
        f"{first:.1f} to {first + shown.seconds:.1f} s of {record.seconds:.1f} s",
        f"{record.sample_rate:g} Hz",
        *([note] if note else []),
    ]
    if any(shown.is_derived):
        notes.append("* computed from the recorded limb leads")
    silent = [shown.label(lead) for lead, row in enumerate(shown.millimetres) if _is_silent(row)]
    if silent:
        notes.append(f"no signal: {', '.join(silent)}")
    cut = [name for name, is_cut in zip(shown.leads, shown.is_cut, strict=True) if is_cut]
    if cut:
        notes.append(f"{', '.join(cut)}: cut at {MAX_EXCURSION:g} mm from the median")
    if hidden:
        names = [name for name in shown.leads if name in hidden]
        notes.append(f"grey, not seen by the model: {', '.join(names)}")
    if saliency is not None:
        against = ", orange: against it" if saliency.min() < 0 else ""
        notes.append(f"shaded blue: speaks for the answer{against}, the darker the more")
    return "   ·   ".join(notes)


def _is_silent(row: NDArray[np.float64]) -> bool:
    """Whether a lead is flat, or was not recorded at all."""
    finite = row[np.isfinite(row)]
    return len(finite) == 0 or bool(np.ptp(finite) == 0)
