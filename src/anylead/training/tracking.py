"""What a run tells: a CSV, TensorBoard, and one line on the screen."""

import csv
import io
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LOG, BOARD = "log.csv", "tensorboard"
_FLUSH_SECONDS = 10.0


class Tracker:
    """Logs of one run; a resumed run goes on in the same files.

    Args:
        folder: of the run; None writes nothing.
        title: stands before the progress bar.
        num_steps: of the whole run.
        first_step: where this run starts; rows of the log from there on are dropped.
        is_shown: whether to draw a progress bar.
    """

    def __init__(
        self, folder: Path | None, title: str, num_steps: int, first_step: int, is_shown: bool
    ):
        self.path = None if folder is None else folder / LOG
        self._rows = [] if self.path is None else _rows_before(self.path, first_step)
        self._flushed = monotonic()
        self._board = None if folder is None else _summary_writer(folder)
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            disable=not is_shown,
        )
        self._task = self._bar.add_task(title, total=num_steps, completed=first_step, told="")

    def __enter__(self) -> "Tracker":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
        self.flush()
        if self._board is not None:
            self._board.close()

    def advance(self, step: int, told: str) -> None:
        """Move the progress bar."""
        self._bar.update(self._task, completed=step, told=told)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Keep one row of numbers."""
        self._rows.append({"step": float(step), **values})
        if monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def flush(self) -> None:
        """Write the CSV, whole; also called at every checkpoint."""
        self._flushed = monotonic()
        if self.path is None or not self._rows:
            return
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.7g}" for name, value in row.items()} for row in self._rows
        )
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(text.getvalue())
        temporary.replace(self.path)


def _rows_before(path: Path, first_step: int) -> list[dict[str, float]]:
    if first_step == 0 or not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    return [row for row in rows if row["step"] <= first_step]


def _summary_writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # slow to import

    return SummaryWriter(str(folder / BOARD))
