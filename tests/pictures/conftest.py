"""Recordings and measures that the tests of pictures share."""

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from anylead.leads import LEADS
from anylead.pictures.output import SETTINGS
from anylead.records import Record


def _ecg(leads=LEADS, seconds=10.0, sample_rate=250.0, scale=1.0, seed=0, **facts) -> Record:
    """Beats of a narrow and a broad bump, of another size in every lead."""
    random = np.random.default_rng(seed)
    moment = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = (moment / 0.8) % 1.0
    beat = np.exp(-(((phase - 0.3) / 0.02) ** 2)) + 0.25 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    sizes = random.uniform(-1.5, 1.5, size=(len(leads), 1))
    signal = scale * (sizes * beat + random.normal(0, 0.01, (len(leads), len(moment))))
    return Record(signal.astype(np.float32), tuple(leads), sample_rate, **facts)


def _text_boxes(figure: Figure) -> dict[str, list[Bbox]]:
    """Visible texts and where they stand, in pixels."""
    with mpl.rc_context(SETTINGS):
        return _measure(figure)


def _measure(figure: Figure) -> dict[str, list[Bbox]]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    ticks = [
        (
            tick,
            axes.axison and tick in axis._update_ticks(),
        )  # those beyond the limits are not drawn
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
    ]
    unseen = {label for tick, seen in ticks if not seen for label in (tick.label1, tick.label2)}
    boxes: dict[str, list[Bbox]] = {}
    for text in figure.findobj(Text):
        if text not in unseen and text.get_visible() and text.get_text().strip():
            boxes.setdefault(text.get_text(), []).append(text.get_window_extent(renderer))
    return boxes


def _texts_outside(figure: Figure) -> list[str]:
    page = figure.bbox
    return [
        name
        for name, boxes in _text_boxes(figure).items()
        for box in boxes
        # Half a pixel: boxes are rounded up to whole pixels.
        if box.x0 < page.x0 - 0.5
        or box.x1 > page.x1 + 0.5
        or box.y0 < page.y0 - 0.5
        or box.y1 > page.y1 + 0.5
    ]


@pytest.fixture(scope="session")
def ecg() -> Callable[..., Record]:
    return _ecg


@pytest.fixture(scope="session")
def text_boxes() -> Callable[[Figure], dict[str, list[Bbox]]]:
    return _text_boxes


@pytest.fixture(scope="session")
def texts_outside() -> Callable[[Figure], list[str]]:
    return _texts_outside
