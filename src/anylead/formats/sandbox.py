"""Read files in a process of their own, where a library in C may crash, hang or eat memory.

HDF5 loops for ever on some damaged files and pyarrow ends the process on others; neither can be
caught where it happens. One child per process is started with the first file and kept; when it has
to be killed, the next file gets a new one.
"""

import atexit
import importlib
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from anylead import errors
from anylead.errors import AnyleadError, FormatError
from anylead.records import Record

SECONDS = 3.0  # for a small file
BYTES_PER_SECOND = 10e6
MEMORY_BYTES = 3 * 2**28
MEMORY_PER_BYTE = 16
START_SECONDS = 60.0
MAIN = "from anylead.formats import sandbox; sandbox.serve()"

_lock = threading.Lock()
_children: dict[int, "subprocess.Popen[bytes]"] = {}  # by the process that started it


def read(reader: str, path: Path, arguments: Mapping[str, Any]) -> Record:
    """Let the child call `anylead.formats.<reader>.read_here(path, **arguments)`.

    Args:
        reader: module in this room.
        path: the file.
        arguments: what JSON can carry.

    Raises:
        FormatError: raised there, or the child crashed, took too long, or ran out of memory.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error
    request = {
        "reader": reader,
        "path": str(path.absolute()),
        "arguments": dict(arguments),
        "memory": MEMORY_BYTES + MEMORY_PER_BYTE * size,
    }
    seconds = SECONDS + size / BYTES_PER_SECOND
    with _lock:
        child = _running_child()
        answer, signal = _ask(child, request, seconds)
        if answer is None:
            child.kill()
            code = child.wait()
            _children.pop(os.getpid(), None)
    if answer is None:
        ended = f"took over {seconds:.0f} s" if code == -9 else f"crashed ({code})"
        raise FormatError(
            f"{path}: broken or unsupported {reader} file: the library that reads it {ended};"
            " export it again or leave it out"
        )
    if "error" in answer:
        kind = getattr(errors, answer["error"])
        raise kind(answer["message"].replace(str(path.absolute()), str(path), 1))
    rows = np.frombuffer(signal, np.float32).reshape(answer.pop("shape"))
    tuples = {
        name: answer[name] and tuple(answer[name]) for name in ("leads", "resolution", "notes")
    }
    return Record(**{**answer, **tuples, "signal": rows.copy()})


def _stop() -> None:
    """End the child with this process."""
    for child in _children.values():
        with suppress(OSError):
            cast(BinaryIO, child.stdin).close()
            cast(BinaryIO, child.stdout).close()
        child.kill()
        child.wait()
    _children.clear()


def _after_fork() -> None:
    """A forked process gets a child of its own, and a lock that no one holds."""
    global _lock
    _lock = threading.Lock()
    _children.clear()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _running_child() -> "subprocess.Popen[bytes]":
    child = _children.get(os.getpid())
    if child is None or child.poll() is not None:
        _children.clear()
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
        )
        _children[os.getpid()] = child
        if _ask(child, {}, START_SECONDS)[0] is None:
            raise FormatError(f"{sys.executable}: cannot start the process that reads such files")
    return child


def _ask(
    child: "subprocess.Popen[bytes]", request: Mapping[str, Any], seconds: float
) -> tuple[dict[str, Any] | None, bytes]:
    """The answer and the bytes after it; None if the child ended or was killed meanwhile."""
    to_child, from_child = cast(BinaryIO, child.stdin), cast(BinaryIO, child.stdout)
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    try:
        to_child.write(json.dumps(request).encode() + b"\n")
        to_child.flush()
        line = from_child.readline()
        if not line:
            return None, b""
        answer = json.loads(line)
        size = 4 * math.prod(answer["shape"]) if "shape" in answer else 0
        signal = from_child.read(size)
        return (answer, signal) if len(signal) == size else (None, b"")
    except OSError:
        return None, b""
    finally:
        timer.cancel()


def serve() -> None:
    """The child: answer requests on standard input until it closes."""
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin.buffer:
        answer, signal = _answer(json.loads(line))
        answers.write(json.dumps(answer).encode() + b"\n" + signal)
        answers.flush()


def _answer(request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    if not request:
        return {}, b""
    module = importlib.import_module(f"anylead.formats.{request['reader']}")
    path = Path(request["path"])
    try:
        _limit_memory(request["memory"])
        record = module.read_here(path, **request["arguments"])
    except AnyleadError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except MemoryError:
        message = f"{path}: needs more than {request['memory'] >> 20} MiB; damaged, or split it"
        return {"error": "FormatError", "message": message}, b""
    fields = {**asdict(record), "shape": record.signal.shape}
    signal = np.ascontiguousarray(fields.pop("signal")).tobytes()
    return fields, signal


def _limit_memory(allowed: int) -> None:
    """Let this process grow by `allowed` bytes (where the system can count them: Linux)."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + allowed, most))
