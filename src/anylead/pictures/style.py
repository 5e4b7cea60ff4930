"""What all pictures share: colours, text that is never markup, figures without global state.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), told apart by people with
any of the common kinds of colour blindness; line styles and markers repeat the distinction.
"""

import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.textpath import text_to_path

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"

# Yellow is left out: on white paper a thin yellow line cannot be seen.
SERIES = (BLUE, VERMILION, GREEN, PURPLE, SKY_BLUE, ORANGE, BLACK)
LINE_STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.2)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

INK = "#1A1A1A"
GREY = "#8C8C8C"
PALE = "#DDDDDD"
FONT = "DejaVu Sans"  # comes with matplotlib, so texts measure the same everywhere
DPI = 100  # of layouts; texts measure a little differently at other resolutions
MM_PER_INCH = 25.4
POINTS_PER_INCH = 72.0


def plain(text: str) -> str:
    """One line without control characters, which an SVG may not hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def new_figure(width: float, height: float) -> Figure:
    """A white figure, outside pyplot, whose layout keeps every label inside.

    Args:
        width, height: inches.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    return Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)


def finish(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Name the axes of a panel and give it the common look; the texts are never markup."""
    axes.set_title(plain(title), fontsize=10.5, color=INK, loc="left", parse_math=False)
    axes.set_xlabel(plain(x), fontsize=10, color=INK, parse_math=False)
    axes.set_ylabel(plain(y), fontsize=10, color=INK, parse_math=False)
    axes.tick_params(labelsize=9, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def legend(axes: Axes, **where: Any) -> None:
    """A legend in the common look."""
    box = axes.legend(fontsize=9, frameon=False, labelcolor=INK, **where)
    for text in box.get_texts():
        text.set_parse_math(False)


def legend_beside(figure: Figure, axes: Axes, title: str = "") -> Legend:
    """A legend to the right of the panels, for names too long or too many to stand inside."""
    handles, labels = axes.get_legend_handles_labels()
    box = figure.legend(
        handles,
        labels,
        loc="outside right upper",
        fontsize=9,
        frameon=False,
        labelcolor=INK,
        title=plain(title) or None,
        title_fontsize=9,
        alignment="left",
    )
    for text in box.get_texts():
        text.set_parse_math(False)
    return box


def series_styles() -> Iterator[dict[str, Any]]:
    """Colour and line style of one series after another; 28 before they repeat."""
    for index in count():
        style = LINE_STYLES[index // len(SERIES) % len(LINE_STYLES)]
        yield {"color": SERIES[index % len(SERIES)], "linestyle": style}


@lru_cache(maxsize=4096)
def text_width_mm(text: str, points: float, weight: str = "normal") -> float:
    """Width of a line of text in mm."""
    font = FontProperties(family=FONT, size=points, weight=weight)
    with warnings.catch_warnings():  # a letter that the font lacks is drawn as a box, not told
        warnings.simplefilter("ignore", UserWarning)
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / POINTS_PER_INCH * MM_PER_INCH


def wrap(
    text: str, width_mm: float, points: float, max_lines: int, weight: str = "normal"
) -> list[str]:
    """Break a text into lines that fit a width; an ellipsis tells what was left out.

    Args:
        text: any text; its own line breaks count as spaces.
        width_mm: the longest line.
        points: font size.
        max_lines: lines beyond it are left out.
        weight: "normal" or "bold".
    """
    lines = [""]
    for word in plain(text).split():
        candidate = f"{lines[-1]} {word}".strip()
        if text_width_mm(candidate, points, weight) <= width_mm:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:  # a word wider than the line is broken where it must
            if lines[-1] and text_width_mm(lines[-1] + letter, points, weight) > width_mm:
                lines.append("")
            lines[-1] += letter
        if len(lines) > max_lines:
            break
    if len(lines) <= max_lines:
        return [line for line in lines if line]
    last = lines[max_lines - 1]
    while last and text_width_mm(f"{last}…", points, weight) > width_mm:
        last = last[:-1]
    return [*lines[: max_lines - 1], f"{last}…"]
