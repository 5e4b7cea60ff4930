"""What commands show: lines, tables, bars, and what the library logs. The only place with rich.

Names of files and people come from outside, so nothing that is printed is ever taken for markup.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

_SECONDS_BETWEEN_LINES = 30.0  # of progress, where no bar can be drawn
_GAP = 2


def say(where: Console, text: str) -> None:
    """Text as it is, whatever the console does with markup."""
    where.print(Text(text), soft_wrap=True)


def say_box(where: Console, name: str, version: str) -> None:
    """Which model was taken where none was named."""
    say(where, f"model: {name} {version} (in the box)")


def console(stderr: bool = False) -> Console:
    """A console that prints text as it is, without markup, emoji, colours or broken lines."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def nowhere() -> Console:
    """A console that prints nothing, where a caller gets what there is to say."""
    return Console(quiet=True)


def show_table(
    where: Console, header: Sequence[str], rows: Sequence[Sequence[str]], num_keys: int = 1
) -> None:
    """A table no cell of which is broken; columns beyond the width follow in a table below.

    Args:
        where: to print.
        header: of the columns.
        rows: cells, which may have several lines.
        num_keys: the first columns, which every part of the table has.
    """
    widths = [
        max(len(line) for cell in column for line in cell.split("\n"))
        for column in zip(header, *rows, strict=True)
    ]
    for chosen in _that_fit(widths, num_keys, where.width):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP, 0, 0))
        for number in chosen:
            # The last column takes what is left; what is longer goes on in the next line.
            table.add_column(Text(header[number]), no_wrap=number != chosen[-1], overflow="fold")
        for row in rows:
            table.add_row(*(Text(row[number]) for number in chosen))
        where.print(table, soft_wrap=False)


def _that_fit(widths: Sequence[int], num_keys: int, width: int) -> list[list[int]]:
    """Numbers of the columns of each part of a table."""
    keys = list(range(num_keys))
    parts: list[list[int]] = [[]]
    free = width - sum(widths[key] + _GAP for key in keys)
    left = free
    for number in range(num_keys, len(widths)):
        needed = widths[number] + _GAP
        if needed > left and parts[-1]:
            parts.append([])
            left = free
        parts[-1].append(number)
        left -= needed
    return [[*keys, *part] for part in parts]


def print_json(value: Any) -> None:
    """For programs, on standard output; what is not known is null."""
    print(json.dumps(value, indent=1, default=str, ensure_ascii=False))


@contextmanager
def doing(where: Console, text: str) -> Iterator[None]:
    """Say on a terminal what takes its time, for the time of the block."""
    if not where.is_terminal:
        yield
        return
    with where.status(Text(text)):
        yield


class Bar:
    """Progress: a bar on a terminal, elsewhere a line now and then.

    Args:
        where: to print.
        title: stands before it.
        total: of what is counted.
        done: of it, before this run.
        stays: the bar is still to be seen when all is done.
    """

    def __init__(self, where: Console, title: str, total: int, done: int, stays: bool = False):
        self.title, self.total, self.done, self.told = title, total, done, ""
        self._where = where
        self._told_at = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=where,
            transient=not stays,
            disable=not where.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, completed=done, told="")
        self._bar.start()

    def to(self, done: int, told: str | None = None) -> None:
        """So many are done; `told` is a word beside the bar, such as the speed."""
        self.done = done
        self.told = self.told if told is None else told
        self._bar.update(self._task, completed=done, told=self.told)
        late = time.monotonic() - self._told_at >= _SECONDS_BETWEEN_LINES
        if late and not self._where.is_terminal:
            self._told_at = time.monotonic()
            line = f"{self.title}: {self.done:,} of {self.total:,}  {self.told}"
            say(self._where, line.rstrip())

    def by(self, number: int = 1) -> None:
        """So many more are done."""
        self.to(self.done + number)

    def stop(self) -> None:
        """Take the bar away, or leave it as it is."""
        self._bar.stop()


@contextmanager
def progress(where: Console, title: str, total: int, done: int = 0) -> Iterator[Bar]:
    """A bar for the time of the block."""
    bar = Bar(where, title, total, done)
    try:
        yield bar
    finally:
        bar.stop()


@contextmanager
def shown() -> Iterator[None]:
    """Within the block the library's log goes to standard error, progress as a bar."""
    log = logging.getLogger("anylead")
    handler = _Handler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        handler.close()
        log.removeHandler(handler)
        log.setLevel(level)


class _Handler(logging.Handler):
    """Lines as they are; records with a `progress` (title, done, total, told) as a bar."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        # The server keeps a log of its own, with times.
        self.addFilter(lambda record: not record.name.startswith("anylead.server"))
        self._bar: Bar | None = None

    def emit(self, record: logging.LogRecord) -> None:
        moved = getattr(record, "progress", None)
        if moved is not None:
            self._move(*moved)
            return
        name = "warning: " if record.levelno >= logging.WARNING else ""
        say(console(stderr=True), f"{name}{record.getMessage()}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        super().close()

    def _move(self, title: str, done: int, total: int, told: str) -> None:
        if self._bar is None or self._bar.title != title:
            if self._bar is not None:
                self._bar.stop()
            self._bar = Bar(console(stderr=True), title, total, done, stays=True)
        self._bar.to(done, told)
        if done >= total:
            self._bar.stop()
            self._bar = None
