"""How many threads a command uses, and that they sleep soon when they wait.

`--threads N` bounds all that a command computes with, its worker processes together. Without it a
process takes the physical cores that it may use (a container's share of them, or a rank's).
"""

import os
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits

from anylead.errors import RecipeError

OPTION = "--threads"
# Set by the option, so that worker processes know it, too.
VARIABLE = "ANYLEAD_THREADS"
# What OpenMP, MKL and OpenBLAS read when they are loaded.
_LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# A thread of GNU's OpenMP that has nothing to do looks 300,000 times, some milliseconds, whether
# there is work before it sleeps, one of Intel's for 200 ms. Where cores are busy elsewhere that is
# most of the processor time of a training step (benchmarks/threads.py).
_WAITING = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}
_CORES = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores, as the system counts them, that this process may use."""
    if VARIABLE in os.environ:
        return whole_number(os.environ[VARIABLE], VARIABLE)
    return min(len(_allowed()), _quota(_QUOTA))


def physical_cores() -> int:
    """The same, where two threads of one core count once."""
    if VARIABLE in os.environ:
        return whole_number(os.environ[VARIABLE], VARIABLE)
    return min(_distinct(_allowed(), _CORES), _quota(_QUOTA))


def take_option(words: Sequence[str]) -> tuple[list[str], int | None]:
    """The words of a command line without `--threads N`, and N where they have it.

    Raises:
        RecipeError: no number of threads.
    """
    left, number = [], None
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name != OPTION:
            left.append(word)
        else:
            number = whole_number(value if equals else next(rest, ""), OPTION)
    return left, number


def prepare(environment: MutableMapping[str, str], number: int | None) -> None:
    """Tell the libraries, before they are loaded; what the user has set stays.

    Args:
        environment: of this process.
        number: that `--threads` gave; None shares the physical cores among the ranks of this
            machine.
    """
    if not {"OMP_WAIT_POLICY", *_WAITING} & environment.keys():
        environment.update(_WAITING)
    if number is not None:
        environment[VARIABLE] = str(number)
        environment.update(dict.fromkeys(_LIBRARIES, str(number)))
    elif not set(_LIBRARIES) & environment.keys():
        ranks = int(environment.get("LOCAL_WORLD_SIZE", "1"))
        environment["OMP_NUM_THREADS"] = str(max(1, physical_cores() // ranks))


@contextmanager
def within(number: int) -> Iterator[None]:
    """So many threads within the block, in a process that does other things after it."""
    names = (VARIABLE, *_LIBRARIES, *_WAITING)
    before = {name: os.environ.get(name) for name in names}
    torch = sys.modules.get("torch")
    threads_before = torch.get_num_threads() if torch else 0
    with threadpool_limits(number):
        prepare(os.environ, number)
        if torch is not None:
            torch.set_num_threads(number)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            if torch is not None:
                torch.set_num_threads(threads_before)


def limit(number: int) -> None:
    """Let this process compute in so many threads, in what is loaded and in what is not yet."""
    os.environ.update(dict.fromkeys(_LIBRARIES, str(number)))
    threadpool_limits(number)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(number)


def whole_number(text: str, name: str) -> int:
    """A number of threads.

    Raises:
        RecipeError: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise RecipeError(f"{name} {text!r}: want a number of threads, 1 or more")
    return int(text)


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _distinct(cores: set[int], folder: Path) -> int:
    """How many of them are cores of their own."""
    found = set()
    for core in cores:
        try:
            found.add((folder / f"cpu{core}/topology/thread_siblings_list").read_text())
        except OSError:
            found.add(str(core))
    return len(found)


def _quota(path: Path) -> int:
    """Whole cores that the container may use at a time; very many where it has no limit."""
    try:
        share, period = path.read_text().split()
        return max(1, int(share) // int(period))
    except (OSError, ValueError):
        return 1 << 20
