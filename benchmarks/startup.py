"""Start-up: `anylead --help`, and the time from the command to the end of the first step.

    python benchmarks/startup.py --seconds 10

The first step is that of `anylead pretrain` at tiny size on a small prepared store, in a fresh
process. The bound of --help is Python itself (`python -c pass`).
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import measure


def main() -> None:
    parser = measure.options(__doc__, seconds=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _anylead(
            "prepare", "synthetic", "--out", str(folder / "store"), "--options",
            '{"num_patients": 20}',
        )  # fmt: skip
        train = ["--train.steps=1", "--train.batch_size=4", "--train.is_quiet=true"]
        train += [f"--data.store={folder / 'store'}", f"--out={folder / 'run'}"]
        train += ["--train.overwrite"]
        found = measure.alternate(
            {
                "python": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
                "help": lambda: _anylead("--help"),
                "first_step": lambda: _anylead("pretrain", "--encoder.size=tiny", *train),
            },
            arguments.seconds,
        )
    measure.tell("startup", arguments, seconds_of={way: t["wall_s"] for way, t in found.items()})


def _anylead(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "anylead", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
