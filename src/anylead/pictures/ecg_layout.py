"""Where each lead goes on an ECG page, in millimetres.

A page has rows of columns, filled column by column as in a clinic (I, II, III in the first column
of a "3x4" page), and rhythm strips below. Time runs on from column to column, so that a page of
10 s shows 2.5 s of each lead; a rhythm strip shows all of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylead.errors import LeadError, RecipeError
from anylead.leads import LEAD_SETS, LEADS, LIMB_LEADS, complete_limb_leads, lead_name
from anylead.pictures import style
from anylead.pictures.recording import Recording

MM_PER_SECOND = 25.0
MM_PER_MV = 10.0
BIG_SQUARE = 5.0  # mm
MAX_SECONDS = 120.0
MAX_EXCURSION = 50.0  # mm; an artefact of many mV shall not push the other leads off the page
NAME_POINTS, NAME_HEIGHT = 10.0, 3.4  # size of the letters, and their height in mm
_RHYTHM_LEADS = ("II", "V1", "V5")
_UNIT_STEPS = (10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True, eq=False)
class View:
    """The part of a recording that a page shows.

    Attributes:
        leads: names in the order of the page.
        millimetres: (lead, time) excursion about the lead's median; NaN where nothing was recorded.
        is_derived: per lead, whether it was computed from other limb leads.
        is_cut: per lead, whether it leaves `MAX_EXCURSION` and was cut there.
        first: index of the first sample shown.
        sample_rate: Hz.
        mm_per_unit: the gain, usually 10 for mV; a fitting scale for signals without voltage.
        mm_per_second: the speed of the paper.
        mark: mm of the calibration mark, 1 mV.
    """

    leads: tuple[str, ...]
    millimetres: NDArray[np.float64]
    is_derived: tuple[bool, ...]
    is_cut: tuple[bool, ...]
    first: int
    sample_rate: float
    mm_per_unit: float
    mm_per_second: float = MM_PER_SECOND
    mark: float = MM_PER_MV

    def label(self, lead: int) -> str:
        """The name as it stands on the page; computed leads carry a star."""
        return self.leads[lead] + ("*" if self.is_derived[lead] else "")

    @property
    def seconds(self) -> float:
        """Length of what is shown."""
        return float(self.millimetres.shape[1] / self.sample_rate)


@dataclass(frozen=True)
class Trace:
    """A lead's place on the page.

    Attributes:
        lead: index into the view.
        row, column: place.
        first, last: samples of the view.
        name_above: mm from the baseline to the foot of the lead's name.
        is_strip: whether it is a rhythm strip.
    """

    lead: int
    row: int
    column: int
    first: int
    last: int
    name_above: float
    is_strip: bool = False


@dataclass(frozen=True)
class Arrangement:
    """Traces and where their rows lie.

    Attributes:
        traces: in reading order.
        baselines: per row, mm below the top of the grid, on its 5 mm lines.
        height: of the grid, mm.
        columns: number of columns.
        is_tight: whether rows had to move together to fit the paper.
    """

    traces: tuple[Trace, ...]
    baselines: tuple[float, ...]
    height: float
    columns: int
    is_tight: bool = False


def choose_leads(record: Recording, leads: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of the leads to draw: a named set, a list, or (None) all that were recorded.

    Raises:
        LeadError: a name that is unknown or stands twice, or none.
    """
    if leads is None:
        others = [name for name in record.leads if name not in LEADS]
        return (*(name for name in LEADS if name in record.leads), *others)
    if isinstance(leads, str):
        if leads.strip() in LEAD_SETS:
            return LEAD_SETS[leads.strip()]
        leads = [part for part in leads.replace(";", ",").split(",") if part.strip()]
    names = tuple(lead_name(name) for name in leads)
    if not names or len(set(names)) != len(names):
        raise LeadError(f"leads {list(leads)}: want different names, or a set of {list(LEAD_SETS)}")
    return names


def view(
    record: Recording,
    leads: str | Sequence[str] | None = None,
    seconds: float | None = None,
    start: float = 0.0,
    gain: float = MM_PER_MV,
    speed: float = MM_PER_SECOND,
) -> View:
    """Cut out what a page shows, computing limb leads that were not recorded but follow.

    Args:
        record: any recording.
        leads: see `choose_leads`.
        seconds: length; None is 10 s, or what there is.
        start: seconds into the recording.
        gain: mm/mV.
        speed: mm/s.

    Raises:
        LeadError: a lead that was neither recorded nor follows from those that were.
        RecipeError: a time outside the recording, or a page longer than two minutes.
    """
    names = choose_leads(record, leads)
    first, last = _samples(record, seconds, start)
    rows, is_derived = _rows(record, names)
    shown = rows[:, first:last].astype(np.float64)
    shown[~np.isfinite(shown)] = np.nan
    for row in shown:
        if not np.isnan(row).all():
            row -= np.nanmedian(row)
    if not (1 <= gain <= 100 and 0.5 <= speed <= 200):
        raise RecipeError(f"gain {gain:g} mm/mV, speed {speed:g} mm/s: want 1-100 and 0.5-200")
    mm_per_unit = gain if record.unit == "mV" else _fitting_scale(shown)
    is_cut = np.any(np.abs(shown * mm_per_unit) > MAX_EXCURSION, axis=1)
    return View(
        leads=names,
        millimetres=np.clip(shown * mm_per_unit, -MAX_EXCURSION, MAX_EXCURSION),
        is_derived=is_derived,
        is_cut=tuple(is_cut.tolist()),
        first=first,
        sample_rate=record.sample_rate,
        mm_per_unit=mm_per_unit,
        mm_per_second=speed,
        mark=gain if record.unit == "mV" else MM_PER_MV,
    )


def _samples(record: Recording, seconds: float | None, start: float) -> tuple[int, int]:
    if not 0 <= start < record.seconds:
        raise RecipeError(f"start {start:g} s: the recording has {record.seconds:g} s")
    length = min(10.0, record.seconds - start) if seconds is None else seconds
    if not 0 < length <= MAX_SECONDS:
        raise RecipeError(
            f"{length:g} seconds on a page: want more than 0, at most {MAX_SECONDS:g}"
        )
    first = min(round(start * record.sample_rate), record.signal.shape[1] - 1)
    last = min(first + max(1, round(length * record.sample_rate)), record.signal.shape[1])
    return first, last


def _rows(
    record: Recording, names: tuple[str, ...]
) -> tuple[NDArray[np.float32], tuple[bool, ...]]:
    """(lead, time) in the order of `names`, and which rows were computed."""
    missing = [name for name in names if name not in record.leads]
    computed: dict[str, NDArray[np.float32]] = {}
    # Normalising per lead breaks Einthoven's law, so nothing is derived without voltages.
    if record.unit == "mV" and any(name in LIMB_LEADS for name in missing):
        signal, has_lead = record.canonical()
        completed, has_more = complete_limb_leads(signal, has_lead)
        computed = {LEADS[i]: completed[i] for i in np.flatnonzero(has_more & ~has_lead)}
    absent = [name for name in missing if name not in computed]
    if absent:
        raise LeadError(
            f"{record.record_id or 'recording'}: {', '.join(absent)} neither recorded nor"
            f" computable; choose among {', '.join((*record.leads, *computed))}"
        )
    by_name = dict(zip(record.leads, record.signal, strict=True)) | computed
    return np.stack([by_name[name] for name in names]), tuple(name in computed for name in names)


def _fitting_scale(signal: NDArray[np.float64]) -> float:
    """Millimetres per unit, a round number that keeps 99.9 % of the samples within 20 mm."""
    finite = np.abs(signal[np.isfinite(signal)])
    reach = float(np.quantile(finite, 0.999)) if len(finite) else 0.0
    return next((step for step in _UNIT_STEPS if reach * step <= 20), _UNIT_STEPS[-1])


def arrange(shown: View, layout: str | None = None, room: float | None = None) -> Arrangement:
    """Give every lead its place, rows far enough apart that neighbours do not touch.

    Args:
        shown: from `view`.
        layout: "ROWSxCOLUMNS", such as "6x2", and "+N" for N rhythm strips. Fewer leads than
            places leave out what stays empty. None chooses by the number of leads.
        room: mm that the rows must not exceed; they then may touch. None is as much as they need.

    Raises:
        RecipeError: a layout that cannot be read or has too few places.
    """
    count = len(shown.leads)
    rows, columns, strips = _read_layout(layout or _usual_layout(count))
    if rows * columns < count:
        raise RecipeError(f"layout {layout}: {rows * columns} places for {count} leads")
    rows, columns = min(rows, count), -(-count // rows)
    num_samples = shown.millimetres.shape[1]
    edges = [round(num_samples * column / columns) for column in range(columns + 1)]
    parts = [(lead // rows, *edges[lead // rows : lead // rows + 2]) for lead in range(count)]
    traces = [
        Trace(lead, lead % rows, column, first, last, _name_above(shown, lead, first, last))
        for lead, (column, first, last) in enumerate(parts)
    ]
    if columns > 1:  # with one column every lead is shown in full already
        rhythm = _rhythm(shown.leads)[:strips]
        traces += [
            Trace(lead, rows + i, 0, 0, num_samples, _name_above(shown, lead, 0, num_samples), True)
            for i, lead in enumerate(rhythm)
        ]
    baselines, height = _stack(shown, traces, edges)
    is_tight = room is not None and height > room
    if room is not None and is_tight:
        baselines, height = _squeezed(shown, traces, baselines, room)
    return Arrangement(tuple(traces), baselines, height, columns, is_tight)


def _squeezed(
    shown: View, traces: Sequence[Trace], baselines: tuple[float, ...], room: float
) -> tuple[tuple[float, ...], float]:
    """Rows at even distances on a sheet that is too small for them; none leaves the sheet."""
    spans = [(t.row, *_span(shown.millimetres[t.lead, t.first : t.last])) for t in traces]
    last = len(baselines) - 1
    above = min(room / 3, max(shown.mark, *(high for row, _, high in spans if row == 0)) + 4)
    below = min(room / 3, max(8.0, *(-low for row, low, _ in spans if row == last)) + 2)
    step = (room - above - below) / max(1, last)
    return tuple(above + step * row for row in range(last + 1)), room


def _usual_layout(count: int) -> str:
    if count <= 4:
        return f"{count}x1"
    return f"3x{-(-count // 3)}+1" if count <= 12 else f"{-(-count // 4)}x4+1"


def _read_layout(layout: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)(?:\+(\d))?", layout.strip().lower())
    if match is None:
        raise RecipeError(f"layout {layout!r}: want ROWSxCOLUMNS[+STRIPS], such as 3x4+1 or 12x1")
    rows, columns, strips = match.groups(default="0")
    return int(rows), int(columns), int(strips)


def _rhythm(leads: tuple[str, ...]) -> list[int]:
    usual = [leads.index(name) for name in _RHYTHM_LEADS if name in leads]
    return usual + [index for index in range(len(leads)) if index not in usual]


def _name_above(shown: View, lead: int, first: int, last: int) -> float:
    """A name stands clear of the beginning of its trace, unless that is an artefact."""
    width = style.text_width_mm(shown.label(lead), NAME_POINTS, "bold") + 2
    num_samples = max(1, int(width / shown.mm_per_second * shown.sample_rate))
    beginning = shown.millimetres[lead, first:last][:num_samples]
    highest = float(beginning[np.isfinite(beginning)].max(initial=0.0))
    return max(5.0, min(highest, _reach(shown.millimetres[lead], shown.sample_rate)) + 1)


def _reach(row: NDArray[np.float64], sample_rate: float) -> float:
    """How far up a lead goes, (time,) -> mm, artefacts left out.

    An artefact is what goes half as far again as the usual second: it is drawn, over its
    neighbours if need be, but the rows do not move apart for it.
    """
    highest = float(row[np.isfinite(row)].max(initial=0.0))
    num_seconds = int(len(row) / sample_rate)
    if num_seconds < 3:
        return highest
    seconds = np.array_split(np.nan_to_num(row), num_seconds)
    usual = float(np.median([second.max() for second in seconds]))
    return min(highest, max(20.0, 1.5 * usual))


def _stack(
    shown: View, traces: Sequence[Trace], edges: Sequence[int]
) -> tuple[tuple[float, ...], float]:
    """Baselines (mm below the top) and height; distances are whole 5 mm squares."""
    num_rows = 1 + max(trace.row for trace in traces)
    columns = len(edges) - 1
    # The last column stands for the calibration mark at the left of each row.
    up = np.full((num_rows, columns + 1), shown.mark)
    down = np.full((num_rows, columns + 1), 3.0)
    for trace in traces:
        row, place = shown.millimetres[trace.lead], (trace.row, trace.column)
        most_up, most_down = (_reach(sign * row, shown.sample_rate) for sign in (1, -1))
        for column in range(columns) if trace.is_strip else [trace.column]:
            low, high = _span(row[edges[column] : edges[column + 1]])
            up[trace.row, column] = max(up[trace.row, column], min(high, most_up))
            down[trace.row, column] = max(down[trace.row, column], min(-low, most_down))
        up[place] = max(up[place], trace.name_above + NAME_HEIGHT)
    depths = [0.0]
    least = 30.0 if num_rows <= 4 else 20.0
    for above, below in zip(down, up[1:], strict=False):
        needed = float((above + below).max()) + 1
        depths.append(depths[-1] + max(least, _whole_squares(needed)))
    # Artefacts may lie over their neighbours, but not leave the grid.
    spans = [(t, *_span(shown.millimetres[t.lead, t.first : t.last])) for t in traces]
    over = max(up[0].max(), *(high - depths[trace.row] for trace, _, high in spans))
    under = max(depths[-1] + 8, *(depths[trace.row] - low for trace, low, _ in spans))
    top = _whole_squares(over + 2)
    return tuple(top + depth for depth in depths), top + _whole_squares(under + 2)


def _span(part: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest of a part of a trace, mm; the baseline counts."""
    part = part[np.isfinite(part)]
    return float(part.min(initial=0.0)), float(part.max(initial=0.0))


def _whole_squares(mm: float) -> float:
    return float(np.ceil(mm / BIG_SQUARE - 1e-9) * BIG_SQUARE)
