"""Full disclosure: hours of one lead on A4 pages, a minute a row, as Holter readers print it."""

from collections.abc import Iterator

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anylead.errors import LeadError
from anylead.leads import lead_name
from anylead.pictures import style
from anylead.pictures.recording import Recording

_PAPER = (210.0, 297.0)  # mm
_LEFT, _RIGHT, _TOP, _BOTTOM = 22.0, 8.0, 16.0, 12.0
_ROWS = 30
_COLUMNS_PER_MM = 10
_MM_PER_MV = 4.0


def full_disclosure(
    record: Recording, lead: str | None = None, row_seconds: float = 60.0, title: str = ""
) -> Iterator[Figure]:
    """One page after another, until the recording ends.

    Args:
        record: of any length.
        lead: None takes II, or the first lead there is.
        row_seconds: of a row; 30 rows are on a page.
        title: stands above every page.

    Raises:
        LeadError: the lead is not there.
    """
    name = lead_name(lead) if lead is not None else _usual(record)
    if name not in record.leads:
        raise LeadError(f"{name}: not recorded; there are {', '.join(record.leads)}")
    row = record.signal[record.leads.index(name)]
    row = row - np.float32(np.nanmedian(row))
    gain = _MM_PER_MV
    if record.unit != "mV":
        gain = _MM_PER_MV / max(1e-9, float(np.nanpercentile(np.abs(row), 99.5)))
    page_seconds = row_seconds * _ROWS
    num_pages = max(1, int(np.ceil(record.seconds / page_seconds - 1e-9)))
    for page in range(num_pages):
        yield _page(record, row, name, gain, page, num_pages, row_seconds, title)


def _usual(record: Recording) -> str:
    return "II" if "II" in record.leads else record.leads[0]


def _page(
    record: Recording,
    signal: NDArray[np.float32],
    name: str,
    gain: float,
    page: int,
    num_pages: int,
    row_seconds: float,
    title: str,
) -> Figure:
    width, height = _PAPER
    size = (width / style.MM_PER_INCH, height / style.MM_PER_INCH)
    figure = Figure(figsize=size, dpi=style.DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    distance = (height - _TOP - _BOTTOM) / _ROWS
    lines = []
    for i in range(_ROWS):
        begin = (page * _ROWS + i) * row_seconds
        if begin >= record.seconds:
            break
        baseline = height - _TOP - (i + 0.5) * distance
        part = signal[
            round(begin * record.sample_rate) : round((begin + row_seconds) * record.sample_rate)
        ]
        line = _line(part, record.sample_rate, row_seconds, gain)
        lines.append(line + np.array([_LEFT, baseline]))
        axes.text(_LEFT - 2, baseline, _clock(begin), fontsize=7, ha="right", va="center",
                  fontfamily=style.FONT, color=style.INK)  # fmt: skip
    axes.add_collection(
        LineCollection(lines, colors="black", linewidths=0.3, joinstyle="round"), autolim=False
    )
    scale = "no voltage" if record.unit != "mV" else f"{gain:g} mm/mV"
    facts = [title, name, f"{row_seconds:g} s a row", scale, f"page {page + 1} of {num_pages}"]
    axes.text(8, height - 7, style.plain("  ·  ".join(fact for fact in facts if fact)), fontsize=9,
              fontweight="bold", fontfamily=style.FONT, color=style.INK, va="top",
              parse_math=False)  # fmt: skip
    return figure


def _line(
    part: NDArray[np.float32], sample_rate: float, row_seconds: float, gain: float
) -> NDArray[np.float64]:
    """(point, 2) mm; of samples that fall on one tenth of a millimetre the lowest and highest."""
    per_second = (_PAPER[0] - _LEFT - _RIGHT) / row_seconds
    part = np.nan_to_num(part)
    x = np.arange(len(part)) / sample_rate * per_second
    edges = np.flatnonzero(np.diff(np.floor(x * _COLUMNS_PER_MM), prepend=-1))
    low, high = np.minimum.reduceat(part, edges), np.maximum.reduceat(part, edges)
    y = np.stack([low, high], axis=1).ravel() * gain
    return np.stack([np.repeat(x[edges], 2), np.clip(y, -8, 8)], axis=1).astype(np.float64)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
