"""How things show themselves in a notebook: small tables that need no style of their own."""

from collections.abc import Mapping
from html import escape


def table(title: str, rows: Mapping[str, object]) -> str:
    """HTML of a heading and a row for each fact; facts that are None are left out."""
    cells = [
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
        if value is not None
    ]
    return f"<strong>{escape(title)}</strong><table>{''.join(cells)}</table>"
