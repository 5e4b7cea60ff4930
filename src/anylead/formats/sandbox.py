"""Read files in a process of their own, where a library in C may crash, hang or eat memory.

HDF5 loops for ever on some damaged files and pyarrow ends the process on others; neither can be
caught where it happens. One child per process is started with the first file and kept; when it has
to be killed, the next file gets a new one.

A child is kept only while it owes no answer: whatever interrupts the waiting (Ctrl-C, a signal
handler that raises, MemoryError) ends it, and each answer carries the number of its request.
Time limits count what the child computes, so neither a machine that slept nor a slow disk costs a
healthy file; one that only waits for long is ended, tried once more, and told as that.
"""

import atexit
import importlib
import itertools
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from io import FileIO
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from anylead import errors
from anylead.errors import AnyleadError, FormatError, SourceError
from anylead.formats.guard import is_source_fault
from anylead.records import Record

SECONDS = 3.0  # of computing, for a small file
BYTES_PER_SECOND = 10e6
WAITING = 20.0  # times as long may pass, most of it waiting for the disk or for a core
MEMORY_BYTES = 3 * 2**28
MEMORY_PER_BYTE = 16
END_SECONDS = 5.0  # a killed process ends at once
START_SECONDS = 60.0
LENGTH = struct.Struct("<Q")  # of the JSON of an answer; the samples follow it
MAIN = "from anylead.formats import sandbox; sandbox.serve()"

_lock = threading.RLock()  # a signal handler may read, too
_children: dict[int, "subprocess.Popen[bytes]"] = {}  # by the process that started it
_numbers = itertools.count()  # of requests


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
    seconds = SECONDS + size / BYTES_PER_SECOND
    request = {
        "reader": reader,
        "path": str(path.absolute()),
        "arguments": dict(arguments),
        "memory": MEMORY_BYTES + MEMORY_PER_BYTE * size,
        "seconds": seconds,
    }
    answer, samples = _answer_of_a_child(path, reader, request, seconds)
    if "error" in answer:
        kind = getattr(errors, answer["error"])
        raise kind(answer["message"].replace(str(path.absolute()), str(path), 1))
    rows = np.frombuffer(samples, np.float32).reshape(answer.pop("shape"))
    tuples = {
        name: None if answer[name] is None else tuple(answer[name])
        for name in ("leads", "resolution", "notes")
    }
    return Record(**{**answer, **tuples, "signal": rows})


def _answer_of_a_child(
    path: Path, reader: str, request: Mapping[str, Any], seconds: float
) -> tuple[dict[str, Any], bytearray]:
    for _ in range(2):
        with _lock, _idle_child() as child:
            answer, samples = _ask(child, request, WAITING * seconds)
        if answer is not None:
            return answer, samples
        if child.returncode != -signal.SIGKILL:
            is_slow = child.returncode == -signal.SIGXCPU
            ended = f"took over {seconds:.0f} s" if is_slow else f"crashed ({child.returncode})"
            raise FormatError(
                f"{path}: broken or unsupported {reader} file: the library that reads it {ended};"
                " export it again or leave it out"
            )
        # It only waited, or was killed from outside: the file may well be whole.
    raise SourceError(
        f"{path}: not read: no answer within {WAITING * seconds:.0f} s, twice; disk or machine are"
        " too slow just now, or short of memory: try again"
    )


def _stop() -> None:
    """End the child with this process."""
    for child in _children.values():
        _end(child)
    _children.clear()


def _after_fork() -> None:
    """A forked process gets a child of its own, and a lock that no one holds."""
    global _lock
    _lock = threading.RLock()
    _children.clear()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def _idle_child() -> Iterator["subprocess.Popen[bytes]"]:
    """A child that owes no answer; it is kept only if the block ends and it is alive then."""
    # A signal may raise between any two steps; the child is always where one of them finds it.
    mine = os.getpid()
    child = _children.get(mine)
    try:
        _children.clear()
        if child is None or child.poll() is not None:
            if child is not None:
                _end(child)
            child = _new_child()
        yield child
        if child.poll() is None and mine not in _children:
            _children[mine] = child
        else:
            _end(child)
    except BaseException:
        if child is not None:
            if _children.get(mine) is child:
                del _children[mine]
            _end(child)
        raise


def _new_child() -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", MAIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,  # what is waited for must not lie in a buffer here
        env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
    )
    try:
        if _ask(child, {}, START_SECONDS)[0] is None:
            raise SourceError(f"{sys.executable}: cannot start the process that reads such files")
    except BaseException:
        _end(child)
        raise
    return child


def _end(child: "subprocess.Popen[bytes]") -> None:
    with suppress(OSError):
        child.kill()
    # Not for ever: an interruption within Popen.poll leaves its lock locked.
    with suppress(subprocess.TimeoutExpired):
        child.wait(END_SECONDS)
    for pipe in (child.stdin, child.stdout):
        with suppress(OSError):
            cast(BinaryIO, pipe).close()


def _ask(
    child: "subprocess.Popen[bytes]", request: Mapping[str, Any], seconds: float
) -> tuple[dict[str, Any] | None, bytearray]:
    """The answer and the bytes after it; None if the child ended or was killed meanwhile."""
    to_child, from_child = cast(BinaryIO, child.stdin), cast(BinaryIO, child.stdout)
    number = next(_numbers)
    until = time.monotonic() + seconds
    samples = bytearray()
    try:
        to_child.write(json.dumps({**request, "number": number}).encode() + b"\n")
        (length,) = LENGTH.unpack(_receive(from_child, LENGTH.size, until))
        answer = json.loads(_receive(from_child, length, until))
        if answer.pop("number") != number:
            raise EOFError("an answer to another request")
        if "shape" in answer:
            samples = _receive(from_child, 4 * math.prod(answer["shape"]), until)
        return answer, samples
    except (OSError, EOFError):
        pass
    if time.monotonic() < until:
        with suppress(subprocess.TimeoutExpired):
            child.wait(1)  # how it ended says why
    if child.returncode is None:
        child.kill()
        with suppress(subprocess.TimeoutExpired):
            child.wait(END_SECONDS)
    return None, samples


def _receive(pipe: BinaryIO, size: int, until: float) -> bytearray:
    """So many bytes of the child; EOFError if it ends, or the time does (of `time.monotonic`)."""
    received = bytearray(size)
    rest = memoryview(received)
    while rest:
        if not wait([pipe.fileno()], max(0.0, until - time.monotonic())):
            raise EOFError("no answer in time")
        count = cast(FileIO, pipe).readinto(rest)
        if not count:
            raise EOFError("the child ended")
        rest = rest[count:]
    return received


def serve() -> None:
    """The child: answer requests on standard input until it closes."""
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Ctrl-C reaches every process of a terminal; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer, samples = _answer(request)
        head = json.dumps({**answer, "number": request["number"]}).encode()
        answers.write(LENGTH.pack(len(head)) + head)
        answers.write(samples)
        answers.flush()


def _answer(request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes | memoryview]:
    if "reader" not in request:
        return {}, b""
    module = importlib.import_module(f"anylead.formats.{request['reader']}")
    path = Path(request["path"])
    try:
        _limit_memory(request["memory"])
        _limit_computing(request["seconds"])
        record = module.read_here(path, **request["arguments"])
    except AnyleadError as error:
        kind = "SourceError" if is_source_fault(error) else type(error).__name__
        return {"error": kind, "message": str(error)}, b""
    except MemoryError:
        message = f"{path}: needs more than {request['memory'] >> 20} MiB; damaged, or split it"
        return {"error": "FormatError", "message": message}, b""
    told = {field.name: getattr(record, field.name) for field in fields(record)}
    rows = np.ascontiguousarray(told.pop("signal"))
    return {
        **told,
        "labels": dict(record.labels),
        "unknown": {},
        "shape": rows.shape,
    }, rows.data.cast("B")


def _limit_memory(allowed: int) -> None:
    """Let this process grow by `allowed` bytes (where the system can count them: Linux)."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + allowed, most))


def _limit_computing(seconds: float) -> None:
    """Let this process compute for so long from now on; SIGXCPU ends it then (POSIX)."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        used = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds), most))
