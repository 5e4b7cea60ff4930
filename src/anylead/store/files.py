"""Files that are either there and whole, or not there."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from anylead.errors import StoreError
from anylead.store.unfinished import release, remove_leftovers, unfinished

_PIECE = 2**18  # bytes that a processor still has at hand when they are written after the hash


class HashingFile:
    """A file opened for writing that keeps count and hash of what went into it."""

    def __init__(self, path: Path):
        self._file = path.open("wb", buffering=0)
        self._hash = sha256()
        self.num_bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        for begin in range(0, len(view), _PIECE):
            piece = view[begin : begin + _PIECE]
            self._hash.update(piece)
            while piece:
                piece = piece[self._file.write(piece) :]
        self.num_bytes += len(view)
        return len(view)

    def tell(self) -> int:
        """How many bytes were written."""
        return self.num_bytes

    def flush(self) -> None:
        """Nothing waits in a buffer."""

    def sha256(self) -> str:
        """Hash of all that was written."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Bring everything to the disk."""
        if not self.closed:
            self.closed = True
            try:
                os.fsync(self._file.fileno())
            finally:
                self._file.close()


@contextmanager
def whole_file(path: Path) -> Iterator[HashingFile]:
    """Write `path` under another name; it gets its own when all of it is on the disk.

    Raises:
        StoreError: the disk is full or the folder cannot be written; nothing stays behind.
    """
    temporary = unfinished(path)
    try:
        file = HashingFile(temporary)
        try:
            yield file
        finally:
            file.close()
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only process that writes a result, as a file or folder; others wait for it.

    Raises:
        StoreError: the folder around it cannot be written.
    """
    lock = _lock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield
    finally:
        release(lock)


def is_being_written(path: Path) -> bool:
    """Whether another process is writing this result now."""
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False  # no folder yet; who writes there is told what is wrong with it
    release(lock)
    return False


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f".{path.name}.lock"))


def write_result(path: Path, content: bytes) -> None:
    """Write a whole file, its folder too; what killed writers of it left there is removed.

    Raises:
        StoreError: the disk is full or the folder cannot be written; what was there is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
    except OSError as error:
        raise write_error(path, error) from error
    with whole_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> str:
    """Write a whole file; returns its hash."""
    with whole_file(path) as file:
        file.write(text.encode())
    return file.sha256()


def write_error(path: Path, error: OSError) -> StoreError:
    """What a user can do about a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "make room and run the same command again: it goes on where it stopped"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "choose a folder that you may write to"
    else:
        remedy = "check the path and the disk"
    return StoreError(f"{path}: cannot be written ({error.strerror or error}); {remedy}")


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder outlive a power cut, where the system lets us."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
