"""Threads that wait: the processor time of a training step where a core is shared with others.

    python benchmarks/threads.py --seconds 30

Each process of the comparison takes its threads to one core after torch is loaded, so that a
thread that waits for another stands in its way, as on a machine that is busy elsewhere. "as loaded"
is what the libraries do by themselves, "anylead" what `anylead` tells them (engines/threads.py).
"""

import json
import os
import statistics
import subprocess
import sys
import time

import measure

WAYS = {"1 thread": (1, False), "2 threads, as loaded": (2, False), "2 threads, anylead": (2, True)}
STEPS = 10


def main() -> None:
    parser = measure.options(__doc__, seconds=30)
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--step", choices=list(WAYS), help="print the seconds of one way")
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(seconds_of(arguments.size, WAYS[arguments.step][0])))
        return
    if measure.num_cores() < 2:
        sys.exit("wants two cores: with one, OpenMP knows that its threads are in each other's way")
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    begin = time.perf_counter()
    while len(found["1 thread"]) < 3 or time.perf_counter() - begin < arguments.seconds:
        for way in WAYS:
            found[way].append(child(way, arguments.size))
    cpu_ms = {way: statistics.median(times) * 1e3 for way, times in found.items()}
    ratios = {way: value / cpu_ms["1 thread"] for way, value in cpu_ms.items()}
    measure.tell("threads", arguments, cpu_ms=cpu_ms, times_one_thread=ratios)


def child(way: str, size: str) -> float:
    """Processor seconds of a step in a process of its own."""
    from anylead.engines import threads

    number, is_told = WAYS[way]
    known = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    if is_told:
        threads.prepare(environment, number)
    command = [sys.executable, __file__, "--step", way, "--size", size]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(json.loads(told.stdout.splitlines()[-1]))


def seconds_of(size: str, number: int) -> float:
    """Processor seconds of a step, all threads on one core."""
    import torch
    from step import our_step

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(number)
    settings = {"size": size, "recordings": 8, "device": "cpu", "compile": False}
    run = our_step(type("Arguments", (), {**settings, "recompute": False}), torch.float32)
    run()
    begin = time.process_time()
    for _ in range(STEPS):
        run()
    return (time.process_time() - begin) / STEPS


if __name__ == "__main__":
    main()
