"""Files that nobody vouches for -> Records, in a process that may crash, hang or be ended.

The process is anyio's (`anyio.to_process`); it imports this module and the formats, no torch.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple, Unpack

import numpy as np
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from anylead import formats
from anylead.errors import FormatError, SourceError
from anylead.formats.guard import guarded
from anylead.records import Record
from anylead.server.limits import Limits, RefusalError

_MEMORY_BYTES = 2**30  # that a process may grow by
_COLUMNS = 1200
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Overview(NamedTuple):
    """A long recording on the width of a page.

    seconds: of the whole recording.
    lead: that is shown.
    low, high: smallest and largest value of each column, in the unit of the recording.
    """

    seconds: float
    lead: str
    low: list[float]
    high: list[float]


async def read(
    folder: Path, names: Sequence[str], limits: Limits, processes: CapacityLimiter
) -> list[Record]:
    """The recordings in files of a folder.

    Args:
        folder: holds nothing but the files of one request.
        names: the files that stand for a recording.
        limits: of time and of ECG.
        processes: how many may read at once.

    Raises:
        RefusalError: too long, or the process took too long or ended.
        FormatError, LeadError: a file that cannot be read.
    """
    return await _apart(processes, limits, names[0], read_here, folder, tuple(names), limits)


async def read_part(
    path: Path, start: float, seconds: float, limits: Limits, processes: CapacityLimiter
) -> tuple[Record, Overview | None]:
    """A part of one recording, however long that is, and an overview of the whole.

    Raises:
        RefusalError, FormatError, LeadError: as for `read`.
    """
    return await _apart(processes, limits, path.name, read_part_here, path, start, seconds, limits)


async def _apart(
    processes: CapacityLimiter,
    limits: Limits,
    name: str,
    work: Callable[[Unpack[Arguments]], Result],
    *arguments: *Arguments,
) -> Result:
    async with processes:
        try:
            async with asyncio.timeout(limits.reading_seconds):
                return await to_process.run_sync(
                    work, *arguments, cancellable=True, limiter=CapacityLimiter(1)
                )
        except TimeoutError:
            message = f"not read within {limits.reading_seconds:g} s; damaged, or send less"
        except BrokenWorkerProcess:
            message = "the process that read it ended; damaged, or send less"
        except MemoryError:
            message = f"reading needs more than {_MEMORY_BYTES >> 20} MiB; damaged, or send less"
    raise RefusalError(422, f"{name}: {message}")


async def start(processes: CapacityLimiter) -> None:
    """Have a process ready, so that the first upload does not wait for imports."""
    async with processes:
        await to_process.run_sync(read_here, Path(), (), Limits(), limiter=CapacityLimiter(1))


def read_here(folder: Path, names: Sequence[str], limits: Limits) -> list[Record]:
    """What the process does; amounts are checked file by file."""
    _bound(limits.reading_seconds)
    records, seconds = [], 0.0
    for name in names:
        record = _read(folder / name)
        seconds += record.seconds
        if seconds > limits.ecg_seconds:
            raise too_much_ecg(seconds, limits)
        records.append(record)
    return records


def read_part_here(
    path: Path, start: float, seconds: float, limits: Limits
) -> tuple[Record, Overview | None]:
    """What the process does."""
    _bound(limits.reading_seconds)
    return part_of(_read(path), start, seconds)


def part_of(record: Record, start: float, seconds: float) -> tuple[Record, Overview | None]:
    """A part of a recording, and an overview where that is not the whole.

    Raises:
        RefusalError: the part begins after the end.
    """
    if record.seconds <= seconds and start == 0:
        return record, None
    if start >= record.seconds:
        raise RefusalError(422, f"start {start:g} s: the recording has {record.seconds:.1f} s")
    lead = "II" if "II" in record.leads else record.leads[0]
    row = record.signal[record.leads.index(lead)]
    edges = np.linspace(0, len(row), min(_COLUMNS, len(row)), endpoint=False).astype(int)
    row = np.nan_to_num(row - np.nanmedian(row))
    low, high = np.minimum.reduceat(row, edges), np.maximum.reduceat(row, edges)
    overview = Overview(record.seconds, lead, np.round(low, 3).tolist(), np.round(high, 3).tolist())
    first = round(start * record.sample_rate)
    last = first + max(1, round(seconds * record.sample_rate))
    return replace(record, signal=record.signal[:, first:last].copy()), overview


def too_much_ecg(seconds: float, limits: Limits) -> RefusalError:
    """More than a request may hold."""
    return RefusalError(
        413, f"{seconds:.0f} s of ECG; a request may hold {limits.ecg_seconds:.0f} s, split it"
    )


def pickled(name: str) -> RefusalError:
    """A file that could run code."""
    return RefusalError(415, f"{name}: pickles can run code and are refused; send an ECG file")


def _read(path: Path) -> Record:
    """One file; messages name it without the folder it lies in for the moment."""
    try:
        with guarded(path, "ECG"):
            return formats.read(path)
    except SourceError as error:
        raise SourceError(str(error).replace(f"{path.parent}/", "")) from None
    except FormatError as error:
        message = str(error).replace(f"{path.parent}/", "")
        if formats.find_format(path) is None and _looks_pickled(path):
            raise pickled(path.name) from None
        raise FormatError(message) from None


def _looks_pickled(path: Path) -> bool:
    content = path.read_bytes()
    is_stream = content[:1] == b"\x80" and content[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return (is_stream and content.endswith(b".")) or b"data.pkl" in content[:200]


def _bound(seconds: float) -> None:
    """Limits that the kernel keeps, also when the server is gone (where it has them: Linux)."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = int(time.process_time())
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (used + int(seconds) + 2, most))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        allowed = pages * resource.getpagesize() + _MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (allowed, most))
