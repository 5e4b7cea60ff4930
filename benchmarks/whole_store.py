"""Embedding, judging or delineating every recording of a store: seconds, and hours for a million.

    python benchmarks/whole_store.py embed STORE --precision bf16
    python benchmarks/whole_store.py delineate STORE --workers 2

The command as a user calls it: start, reading, model and file included. "cpu_s" is the processor
time of all its processes.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure

from anylead.store import Store


def main() -> None:
    parser = measure.options(__doc__, seconds=0)
    parser.add_argument("command", choices=["embed", "predict", "delineate"])
    parser.add_argument("store")
    parser.add_argument("--model", default="ptbxl-small", help="a folder, or the name of a model")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--workers", type=int, default=0, help="0 = as the command does")
    arguments = parser.parse_args()
    number = Store.open(arguments.store).num_records
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "anylead", arguments.command, arguments.store),
            *("--model", arguments.model, "--out", str(Path(folder) / "out.parquet")),
            *("--precision", arguments.precision, "--num_workers", str(arguments.workers)),
            *(["--threads", str(arguments.threads)] if arguments.threads else []),
        ]
        begin, processor = time.perf_counter(), _of_children()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, processor = time.perf_counter() - begin, _of_children() - processor
    measure.tell(
        f"whole store, {arguments.command}",
        arguments,
        records=number,
        wall_s=wall,
        cpu_s=processor,
        records_per_s=number / wall,
        hours_per_million=wall / number * 1e6 / 3600,
        core_hours_per_million=processor / number * 1e6 / 3600,
    )


def _of_children() -> float:
    """Processor seconds of processes that have ended, with those they started."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
