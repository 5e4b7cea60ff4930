"""A server in a process of its own, on a free port of the loopback address."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import fitted_model
from anylead.checkpoint import save_checkpoint
from anylead.commands import enroll
from anylead.datasets import synthetic

SOURCE = Path(__file__).parents[2] / "src"

MAIN = "import sys; from anylead.commands.cli import main; sys.exit(main())"


def environment() -> dict[str, str]:
    """That of a process which finds this tree."""
    return {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


@contextmanager
def server(
    *options: str, model: Path | None = None, **variables: str
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Its address and process; stopped afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "serve", str(model or fitted_model.folder()), "--port", "0",
         "--device", "cpu", *options],
        env={**environment(), **variables},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        found = re.search(r"http://\S+:\d+", process.stdout.readline())
        if found is None:
            process.kill()
            raise RuntimeError(process.communicate()[1])
        yield found.group(), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def trusted(folder: Path) -> Path:
    """The same model with what one must know to trust it."""
    made = fitted_model.checkpoint()
    words = {
        "name": "rhythm-tiny",
        "thresholds": {
            name: dict.fromkeys(fitted_model.LABELS, limit)
            for name, limit in (("12", 0.5), ("2", 0.25))
        },
        "scores": {"12": {"auroc": [0.9, 0.85, 0.95]}, "2": {"auroc": [0.8, 0.75, 0.85]}},
        "training": {"data": "synthetic", "records": 100, "patients": 100, "generated": True},
    }
    save_checkpoint(folder, made.tensors, {**made.description, **words})
    return folder


def gallery(folder: Path, num_persons: int = 8) -> Path:
    """Persons p0, p1, ... enrolled with one recording each."""
    for person in range(num_persons):
        record = recording(person, 0)
        place = folder / "files" / f"p{person}"
        place.mkdir(parents=True)
        write(record, place / f"first-{person}.npz")
    enroll.run(
        enroll.Recipe(
            str(folder / "files"), str(folder / "gallery"), str(fitted_model.folder()), device="cpu"
        )
    )
    return folder / "gallery"


def recording(person: int, number: int):
    """One of two recordings of a generated person."""
    settings = synthetic.Settings(5.0, 100.0, 0)
    return synthetic._read((f"p{person}-{number}", (person, number)), settings)


def write(record, path: Path) -> Path:
    """As a NumPy file that says all about itself."""
    np.savez(
        path,
        signal=record.signal,
        leads=np.array(record.leads),
        sample_rate=record.sample_rate,
        unit=record.unit,
    )
    return path
