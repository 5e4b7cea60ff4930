"""What every benchmark shares: options, fair timing, and the one JSON line.

Two things are compared only by running them in turn in one process, because a busy machine slows
both alike. Two clocks are kept: the wall, and the processor time of the process, which another
process on the machine disturbs less.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def options(doc: str, seconds: float) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=seconds, help="to measure for")
    parser.add_argument("--threads", type=int, default=0, help="0 = as many as there are cores")
    return parser


def set_threads(number: int) -> int:
    """Limit torch and what it calls; returns how many threads are used."""
    import torch

    torch.set_num_threads(number or num_cores())
    return torch.get_num_threads()


def num_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alternate(
    calls: Mapping[str, Callable[[], object]], seconds: float, at_least: int = 3
) -> dict[str, dict[str, float]]:
    """Run the calls in turn until the time is over; the first round only warms up.

    Returns:
        name -> {"wall_s", "cpu_s"} medians of a call, and "times", how often it was timed.
    """
    walls: dict[str, list[float]] = {name: [] for name in calls}
    processors: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    begin, rounds = time.perf_counter(), 0
    while rounds < at_least or time.perf_counter() - begin < seconds:
        names = list(calls)
        for name in names if rounds % 2 == 0 else reversed(names):
            wall, processor = time.perf_counter(), time.process_time()
            calls[name]()
            walls[name].append(time.perf_counter() - wall)
            processors[name].append(time.process_time() - processor)
        rounds += 1
    return {
        name: {
            "wall_s": statistics.median(walls[name]),
            "cpu_s": statistics.median(processors[name]),
            "times": len(walls[name]),
        }
        for name in calls
    }


def ratio(measured: Mapping[str, Mapping[str, float]], reference: str, ours: str) -> dict[str, Any]:
    """How many times faster `ours` is than `reference`, by both clocks."""
    return {
        clock: measured[reference][f"{clock}_s"] / measured[ours][f"{clock}_s"]
        for clock in ("wall", "cpu")
    }


def peak_memory_mb() -> float:
    """The most memory this process has held, in MB."""
    for line in _lines(Path("/proc/self/status")):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    import resource  # elsewhere; counts what a parent held before it started this process

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tell(benchmark: str, arguments: argparse.Namespace, **found: Any) -> None:
    """Print the result as one line of JSON."""
    settings = {name: str(v) if isinstance(v, Path) else v for name, v in vars(arguments).items()}
    line = {"benchmark": benchmark, **settings, **machine(), **found}
    print(json.dumps(_rounded(line)), flush=True)


def machine() -> dict[str, Any]:
    """Where it ran, and how busy that machine was."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {"cpu": model, "cores": num_cores(), "load": os.getloadavg()[0]}


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return value
