"""Sections of text, tables and figures -> one HTML file that needs nothing else.

The file holds its style and its pictures and names no address outside itself (its content security
policy forbids it), so that it can be mailed, archived and opened offline. The only script is the
one that sorts tables; the policy knows it by its hash.
"""

import math
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
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
table { border-collapse: collapse; width: 100%; font-size: .92rem;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption, figcaption { text-align: left; color: var(--soft); font-size: .9rem; padding: .3rem 0; }
th, td { padding: .35rem .8rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { border-bottom: 2px solid var(--line); vertical-align: bottom; }
td { max-width: 30rem; }
td.number, th.number { text-align: right; }
.interval { white-space: nowrap; color: var(--soft); font-size: .9em; }
tbody tr:nth-child(even) { background: var(--stripe); }
th button { all: unset; cursor: pointer; font-weight: inherit; text-decoration: underline dotted; }
th button:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
details { margin: .8rem 0; border-left: 3px solid var(--line); padding-left: .9rem; }
summary { cursor: pointer; font-weight: 600; padding: .2rem 0; }
figure { display: inline-block; vertical-align: top; max-width: 100%;
  margin: 1rem 0; }
figure.full { display: block; }
figure.full .picture { width: 100%; }
.narrow { display: none; }
@media (min-width: 45rem) { figure { margin-right: 1.5rem; } figure.full { margin-right: 0; } }
@media (max-width: 45rem) {
  .narrow { display: block; } .broad { display: none; }
  /* a row becomes a card: nothing has to scroll out of sight */
  thead { position: absolute; left: -99rem; }
  table, tbody, caption { display: block; }
  tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
    gap: .1rem .8rem; padding: .5rem 0; border-bottom: 2px solid var(--line); }
  td, td.number { display: block; max-width: none; padding: .1rem .4rem; border: 0;
    text-align: left; white-space: normal; }
  td:first-child { grid-column: 1 / -1; font-weight: 600; }
  td:not(:first-child)::before { content: attr(data-name); display: block; color: var(--soft);
    font-size: .8rem; }
}
.wide { margin: .8rem 0; }
figure .wide { margin: 0; }
.picture { background: #ffffff; border-radius: .3rem; width: fit-content; max-width: 100%; }
.picture svg { display: block; height: auto; }
@media print { .wide { overflow: visible; } h2, figure, table { break-inside: avoid; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# A click on the head of a column sorts by it: numbers with numbers, cells without one last.
_SORT = """for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement, table = row.closest("table");
    const index = [...row.children].indexOf(head), body = table.tBodies[0];
    const isDown = head.getAttribute("aria-sort") === "descending";
    for (const each of row.children) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isDown ? "ascending" : "descending");
    const isNumber = head.classList.contains("number");
    const key = (line) => {
      const text = line.children[index].textContent.trim();
      const number = parseFloat(text.replaceAll(",", "").replace("\u2212", "-"));
      return isNumber ? (Number.isNaN(number) ? null : number) : text;
    };
    const ordered = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -1 : x > y ? 1 : 0) * (isDown ? 1 : -1);
    });
    body.append(...ordered);
  });
}
"""
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
        self._is_sortable = False

    def section(self, title: str) -> "Report":
        """Begin a section; with two or more the page lists them at its top."""
        self._sections.append(title)
        return self._add(f'<h2 id="section-{len(self._sections)}">{escape(title)}</h2>')

    def text(self, text: str) -> "Report":
        """Paragraphs, parted by empty lines."""
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
        return self._add("\n".join(f"<p>{escape(part)}</p>" for part in paragraphs))

    @contextmanager
    def fold(self, title: str, is_open: bool = False) -> Iterator[None]:
        """What is added inside can be folded away."""
        opened = " open" if is_open else ""
        self._add(f"<details{opened}><summary>{escape(title)}</summary>")
        yield
        self._add("</details>")

    def code(self, text: str) -> "Report":
        """Text whose lines and spaces stay as they are, such as a command."""
        return self._add(f'<pre tabindex="0"><code>{escape(text.strip())}</code></pre>')

    def table(
        self,
        rows: Iterable[Mapping[str, object] | DataclassRow],
        caption: str = "",
        digits: int = 3,
        is_sortable: bool = False,
    ) -> "Report":
        """A table with one line per row.

        Args:
            rows: mappings or dataclass instances; the columns are their keys in the order in
                which they first occur, "_" read as a space. intervals become
                "0.931 [0.912, 0.948]"; None and NaN a dash.
            caption: what the table shows.
            digits: behind the point of floating numbers.
            is_sortable: whether a click on the head of a column sorts by it.
        """
        self._is_sortable = self._is_sortable or is_sortable
        table = [_cells(row) for row in rows]
        columns = list(dict.fromkeys(name for row in table for name in row))
        is_number = {
            name: all(_is_number(row[name]) for row in table if row.get(name) is not None)
            for name in columns
        }
        attribute = {name: ' class="number"' if is_number[name] else "" for name in columns}
        shown = {name: escape(name.replace("_", " ")) for name in columns}
        button = '<button type="button">{}</button>' if is_sortable else "{}"
        head = "".join(
            f'<th scope="col"{attribute[name]}>{button.format(shown[name])}</th>'
            for name in columns
        )
        body = "\n".join(
            "<tr>"
            + "".join(
                f'<td{attribute[name]} data-name="{shown[name]}">'
                f"{_cell_html(row.get(name), digits)}</td>"
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

    def figure(self, figure: Figure, caption: str = "", narrow: Figure | None = None) -> "Report":
        """A figure as inline SVG; on a narrow screen it shrinks a little, then scrolls.

        Args:
            figure: from this room, or any matplotlib figure.
            caption: below the figure; also what a screen reader says of it.
            narrow: stands in its place on a phone; the first one then fills the page.
        """
        svg = _inline_svg(figure, f"f{next(self._figure_numbers)}-", caption, narrow is not None)
        text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        picture = f'<div class="picture wide" tabindex="0">{svg}</div>'
        if narrow is None:
            return self._add(f"<figure>{picture}{text}</figure>")
        small = _inline_svg(narrow, f"f{next(self._figure_numbers)}-", caption, True)
        return self._add(
            f'<figure class="full"><div class="picture broad">{svg}</div>'
            f'<div class="picture narrow">{small}</div>{text}</figure>'
        )

    def html(self) -> str:
        """The whole page."""
        links = "".join(
            f'<li><a href="#section-{i}">{escape(title)}</a></li>'
            for i, title in enumerate(self._sections, start=1)
        )
        contents = f"<nav><ul>{links}</ul></nav>" if len(self._sections) > 1 else ""
        parts = "\n".join(self._parts)
        script, policy = "", _POLICY
        if self._is_sortable:
            digest = b64encode(sha256(_SORT.encode()).digest()).decode()
            script, policy = (
                f"<script>{_SORT}</script>\n",
                f"{_POLICY}; script-src 'sha256-{digest}'",
            )
        return (
            f'<!DOCTYPE html>\n<html lang="{escape(self.language)}">\n<head>\n'
            '<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            f"<header><h1>{escape(self.title)}</h1>{contents}</header>\n"
            f"<main>\n{parts}\n</main>\n{script}</body>\n</html>\n"
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


def _cell_html(value: object, digits: int) -> str:
    """The same; an interval may stand below its value."""
    text = escape(cell_text(value, digits))
    if isinstance(value, (Interval, bootstrap.Interval)):
        number, bounds = text.split(" ", 1)
        return f'{number} <span class="interval">{bounds}</span>'
    return text


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


def _inline_svg(figure: Figure, prefix: str, caption: str, fills: bool = False) -> str:
    """The figure's SVG as an element of a page, with names that are the page's only ones."""
    svg = render(figure, "svg", dpi=150).decode("utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    name = re.compile(r'\bid="|href="#|url\(#')
    svg = re.sub(r"<[^>]*>", lambda tag: name.sub(rf"\g<0>{prefix}", tag[0]), svg)
    width = figure.get_figwidth() * 72 * _POINTS_TO_PIXELS
    view_box = re.search(r'viewBox="[^"]*"', svg)
    size = (
        f"width: 100%; max-width: {1.4 * width:.0f}px"
        if fills
        else f"width: {width:.0f}px; max-width: 100%; min-width: {0.7 * width:.0f}px"
    )
    label = f'role="img" aria-label="{escape(caption)}"' if caption else 'aria-hidden="true"'
    opening = f'<svg {view_box[0] if view_box else ""} {label} style="{size}">'
    return re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1)
