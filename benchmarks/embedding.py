"""Embedding all recordings of a store: seconds, and hours for a million of them.

    python benchmarks/embedding.py MODEL STORE --precision bf16

`anylead embed` as a user calls it, with its default number of processes: start, reading, model and
file included. "cpu_s" is the processor time of all of them.
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
    parser.add_argument("model", help="a folder, or the name of a model")
    parser.add_argument("store")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    number = Store.open(arguments.store).num_records
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "anylead", "embed", arguments.store, arguments.model),
            *("--out", str(Path(folder) / "vectors.parquet")),
            *("--precision", arguments.precision, "--num_workers", str(arguments.workers)),
            *(["--threads", str(arguments.threads)] if arguments.threads else []),
        ]
        begin, processor = time.perf_counter(), _of_children()
        subprocess.run(command, check=True)
        wall, processor = time.perf_counter() - begin, _of_children() - processor
    measure.tell(
        "embedding",
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
