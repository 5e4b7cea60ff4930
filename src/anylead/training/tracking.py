"""What a run tells: a CSV, TensorBoard, and a line in the log for how far it is."""

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

LOG, BOARD = "log.csv", "tensorboard"
_FLUSH_SECONDS = 10.0
_TOLD = logging.getLogger(__name__)


class Tracker:
    """Logs of one run; a resumed run goes on in the same files.

    Args:
        folder: of the run; None writes nothing.
        title: of the run, where its progress is told.
        num_steps: of the whole run.
        first_step: where this run starts; rows of the log from there on are dropped.
        is_shown: whether to tell its progress, to the logger of this module.
        sinks: of `anylead.training.trackers`, where its numbers go besides; closed with it.
    """

    def __init__(
        self,
        folder: Path | None,
        title: str,
        num_steps: int,
        first_step: int,
        is_shown: bool,
        sinks: Sequence[Any] = (),
    ):
        self.path = None if folder is None else folder / LOG
        self._rows = [] if self.path is None else _rows_before(self.path, first_step)
        self._flushed = monotonic()
        self._board = None if folder is None else _summary_writer(folder)
        self._title, self._num_steps, self._is_shown = title, num_steps, is_shown
        self._sinks = sinks

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.flush()
        if self._board is not None:
            self._board.close()
        for sink in self._sinks:
            sink.close(is_whole=kind is None)

    def advance(self, step: int, told: str) -> None:
        """Tell how far the run is; who listens to the log may draw `progress` as a bar."""
        if self._is_shown:
            moved = (self._title, step, self._num_steps, told)
            _TOLD.info("%s: step %d of %d, %s", *moved, extra={"progress": moved})

    def log(self, step: int, values: dict[str, float]) -> None:
        """Keep one row of numbers."""
        self._rows.append({"step": float(step), **values})
        if monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        for sink in self._sinks:
            sink.log(step, values)

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
