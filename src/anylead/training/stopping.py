"""A polite end: SIGTERM, which clusters send before they take a machine away, and Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], str]]:
    """Within the block SIGTERM and the first Ctrl-C only set a flag; a second Ctrl-C ends at once.

    Yields what tells which of them came, or "".
    """
    asked: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""  # only the main thread may change how signals are handled
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and _NAMES[signal.SIGINT] in asked:
            raise KeyboardInterrupt
        asked.append(_NAMES[signal.Signals(number)])

    before = {number: signal.signal(number, ask) for number in _NAMES}
    try:
        yield lambda: asked[0] if asked else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
