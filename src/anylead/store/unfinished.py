"""Files that are being written: their names, locks, and what killed processes left of them."""

import glob
import os
import platform
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock

TEMPORARY = ".unfinished"


def unfinished(path: Path) -> Path:
    """The name under which this process writes a file."""
    return path.with_name(f"{_begin(path)}{os.getpid()}{TEMPORARY}")


def remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that were killed while they wrote `path` left there."""
    begin = _begin(path)
    for leftover in path.parent.glob(f"{glob.escape(begin)}*{TEMPORARY}"):
        number = leftover.name[len(begin) : -len(TEMPORARY)]
        if number.isdecimal() and not _is_running(int(number)):
            leftover.unlink(missing_ok=True)


def release(lock: BaseFileLock) -> None:
    """Let others have a lock, and leave no file of it."""
    # Removed while it is held: who waits for a file that is gone tries again with a new one.
    with suppress(OSError):
        Path(lock.lock_file).unlink()
    lock.release()


def _begin(path: Path) -> str:
    # Machines that share a folder may give their processes the same number.
    return f"{path.name}.{platform.node() or 'here'}."


def _is_running(process: int) -> bool:
    if os.name == "nt":  # the call below would end it there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or no number of a process
        return True
    return True
