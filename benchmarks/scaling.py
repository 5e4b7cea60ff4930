"""Ranks on one machine: the step of 1, 2, ... gloo processes on the same recordings.

    python benchmarks/scaling.py --ranks 1 2 --seconds 20

Each rank uses one thread. On a machine with at least as many free cores as ranks the efficiency is
the time of one rank with its share of the recordings, over the time of all ranks together. The same
command measures GPUs of a node with `--device cuda`.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import torch
from step import our_step

from anylead.training.distributed import join_world


def main() -> None:
    parser = measure.options(__doc__, seconds=20)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--recordings", type=int, default=8, help="of each rank")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--meeting", help="of the ranks that this command starts")
    arguments = parser.parse_args()
    if arguments.meeting:
        _rank(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        seconds = {str(size): _measure(arguments, size, Path(folder)) for size in arguments.ranks}
    first = seconds[str(arguments.ranks[0])]
    measure.tell(
        "scaling",
        arguments,
        step_s=seconds,
        efficiency={size: first / value for size, value in seconds.items()},
    )


def _measure(arguments, size: int, folder: Path) -> float:
    out = folder / f"{size}.txt"
    command = [sys.executable, __file__, "--meeting", str(out), "--size", arguments.size]
    command += ["--recordings", str(arguments.recordings), "--device", arguments.device]
    command += ["--seconds", str(arguments.seconds / len(arguments.ranks))]
    processes = [
        subprocess.Popen(
            command,
            env=os.environ
            | {
                "WORLD_SIZE": str(size),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(29600 + size),
            },
        )
        for rank in range(size)
    ]
    if any(process.wait() for process in processes):
        raise SystemExit("a rank has failed")
    return float(out.read_text())


def _rank(arguments) -> None:
    torch.set_num_threads(1)
    if arguments.device == "cuda":
        arguments.device = f"cuda:{os.environ['LOCAL_RANK']}"
    world = join_world(torch.device(arguments.device))
    arguments.compile = arguments.recompute = False
    take = our_step(arguments, torch.float32, world)
    take()
    times, end = [], torch.tensor(time.time() + arguments.seconds, dtype=torch.float64)
    is_over = torch.zeros(())
    while not is_over:
        begin = time.perf_counter()
        take()
        times.append(time.perf_counter() - begin)
        is_over = world.sum(torch.tensor(float(time.time() > end), device=arguments.device))
    if world.is_main:
        Path(arguments.meeting).write_text(str(sorted(times)[len(times) // 2]))


if __name__ == "__main__":
    main()
