"""Sections of text, tables and figures -> one HTML file that needs nothing else.

The file holds its style and its pictures, names no address outside itself and runs no script (its
content security policy forbids both), so that it can be mailed, archived and opened offline.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from html import escape
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from matplotlib.figure import Figure

from anylead.metrics import bootstrap
from anylead.pictures.output import render, write_whole
from anylead.pictures.scores import Interval

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #595959; --paper: #ffffff;
  --line: #d5d5d5; --stripe: #f4f6f8; --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a9adb2; --paper: #16181b; --line: #3a3f45;
    --stripe: #1f2327; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 75rem; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .7rem; padding-top: .7rem;
  border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: .6rem 0; }
nav ul { margin: .3rem 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap;
  gap: .2rem 1.2rem; }
a { color: var(--accent); }
pre, .wide { overflow-x: auto; }
pre { padding: .7rem .9rem; background: var(--stripe); border: 1px solid var(--line);
  border-radius: .3rem; font-size: .85rem; line-height: 1.45; overflow-wrap: normal; }
table { border-collapse: collapse; width: max-content; font-size: .92rem;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption, figcaption { text-align: left; color: var(--soft); font-size: .9rem; padding: .3rem 0; }
th, td { padding: .35rem .8rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { white-space: nowrap; border-bottom: 2px solid var(--line); }
td { max-width: 30rem; }
td.number, th.number { text-align: right; white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--stripe); }
figure { display: inline-block; vertical-align: top; max-width: 100%;
  margin: 1rem 0; }
@media (min-width: 45rem) { figure { margin-right: 1.5rem; } }
.wide { margin: .8rem 0; }
figure .wide { margin: 0; }
.picture { background: #ffffff; border-radius: .3rem; width: fit-content; max-width: 100%; }
.picture svg { display: block; height: auto; }
@media print { .wide { overflow: visible; } h2, figure, table { break-inside: avoid; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_POINTS_TO_PIXELS = 96 / 72


class DataclassRow(Protocol):
    """Any dataclass instance."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Report:
    """An HTML page put together piece by piece; every piece returns the report itself.

    Args:
        title: of the page.
        language: of its words, for screen readers.
    """

    def __init__(self, title: str, language: str = "en"):
        self.title = title
        self.language = language
        self._parts: list[str] = []
        self._sections: list[str] = []
        self._figure_numbers = count(1)

    def section(self, title: str) -> "Report":
        """Begin a section; with two or more the page lists them at its top."""
        self._sections.append(title)
        return self._add(f'<h2 id="section-{len(self._sections)}">{escape(title)}</h2>')

    def text(self, text: str) -> "Report":
        """Paragraphs, parted by empty lines."""
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
        return self._add("\n".join(f"<p>{escape(part)}</p>" for part in paragraphs))

    def code(self, text: str) -> "Report":
        """Text whose lines and spaces stay as they are, such as a command."""
        return self._add(f'<pre tabindex="0"><code>{escape(text.strip())}</code></pre>')

    def table(
        self,
        rows: Iterable[Mapping[str, object] | DataclassRow],
        caption: str = "",
        digits: int = 3,
    ) -> "Report":
        """A table with one line per row.

        Args:
            rows: mappings or dataclass instances; the columns are their keys in the order in
                which they first occur, "_" read as a space. intervals become
                "0.931 [0.912, 0.948]"; None and NaN a dash.
            caption: what the table shows.
            digits: behind the point of floating numbers.
        """
        table = [_cells(row) for row in rows]
        columns = list(dict.fromkeys(name for row in table for name in row))
        is_number = {
            name: all(_is_number(row[name]) for row in table if row.get(name) is not None)
            for name in columns
        }
        attribute = {name: ' class="number"' if is_number[name] else "" for name in columns}
        head = "".join(
            f'<th scope="col"{attribute[name]}>{escape(name.replace("_", " "))}</th>'
            for name in columns
        )
        body = "\n".join(
            "<tr>"
            + "".join(
                f"<td{attribute[name]}>{escape(cell_text(row.get(name), digits))}</td>"
                for name in columns
            )
            + "</tr>"
            for row in table
        )
        title = f"<caption>{escape(caption)}</caption>" if caption else ""
        return self._add(
            f'<div class="wide" tabindex="0"><table>{title}<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody></table></div>"
        )

    def figure(self, figure: Figure, caption: str = "") -> "Report":
        """A figure as inline SVG; on a narrow screen it shrinks a little, then scrolls.

        Args:
            figure: from this room, or any matplotlib figure.
            caption: below the figure; also what a screen reader says of it.
        """
        svg = _inline_svg(figure, f"f{next(self._figure_numbers)}-", caption)
        text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return self._add(
            f'<figure><div class="picture wide" tabindex="0">{svg}</div>{text}</figure>'
        )

    def html(self) -> str:
        """The whole page."""
        links = "".join(
            f'<li><a href="#section-{i}">{escape(title)}</a></li>'
            for i, title in enumerate(self._sections, start=1)
        )
        contents = f"<nav><ul>{links}</ul></nav>" if len(self._sections) > 1 else ""
        parts = "\n".join(self._parts)
        return (
            f'<!DOCTYPE html>\n<html lang="{escape(self.language)}">\n<head>\n'
            '<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            f"<header><h1>{escape(self.title)}</h1>{contents}</header>\n"
            f"<main>\n{parts}\n</main>\n</body>\n</html>\n"
        )

    def save(self, path: Path) -> None:
        """Write the page, whole or not at all.

        Raises:
            AnyleadError: the file cannot be written.
        """
        # Lone surrogates, as in undecodable file names, have no UTF-8.
        write_whole(path, self.html().encode("utf-8", errors="replace"))

    def _add(self, part: str) -> "Report":
        self._parts.append(part)
        return self


def cell_text(value: object, digits: int = 3) -> str:
    """A value as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (Interval, bootstrap.Interval)):
        low, high = cell_text(value.low, digits), cell_text(value.high, digits)
        return f"{cell_text(value.value, digits)} [{low}, {high}]"
    if isinstance(value, np.generic):
        return cell_text(value.item(), digits)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _float_text(value, digits)
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(cell_text(part, digits) for part in value)
    return str(value)


def _float_text(value: float, digits: int) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    text = f"{value:.{digits}g}" if size >= 1e6 or 0 < size < 0.5 * 10**-digits else ""
    return (text or f"{value:,.{digits}f}").replace("-", "−")


def _is_number(value: object) -> bool:
    kinds = (int, float, Interval, bootstrap.Interval, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool)


def _cells(row: Mapping[str, object] | DataclassRow) -> dict[str, object]:
    if isinstance(row, Mapping):
        return dict(row)
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _inline_svg(figure: Figure, prefix: str, caption: str) -> str:
    """The figure's SVG as an element of a page, with names that are the page's only ones."""
    svg = render(figure, "svg", dpi=150).decode("utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    name = re.compile(r'\bid="|href="#|url\(#')
    svg = re.sub(r"<[^>]*>", lambda tag: name.sub(rf"\g<0>{prefix}", tag[0]), svg)
    width = figure.get_figwidth() * 72 * _POINTS_TO_PIXELS
    view_box = re.search(r'viewBox="[^"]*"', svg)
    label = f'role="img" aria-label="{escape(caption)}"' if caption else 'aria-hidden="true"'
    opening = (
        f"<svg {view_box[0] if view_box else ''} {label}"
        f' style="width: {width:.0f}px; max-width: 100%; min-width: {0.7 * width:.0f}px">'
    )
    return re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1)
