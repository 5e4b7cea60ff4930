"""A small store of generated ECGs, made once for all tests of one worker."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console

from anylead.commands import prepare
from anylead.signals import PreprocessConfig
from anylead.store import Store


@cache
def store_folder(num_patients: int = 20, sample_rate: float = 100.0) -> Path:
    """20 patients, 2 recordings of 10 s each, at 100 Hz."""
    folder = Path(mkdtemp(prefix="anylead-test-")) / "store"
    prepare.run(
        prepare.Recipe(
            dataset="synthetic",
            out=folder,
            options={"num_patients": num_patients},
            preprocess=PreprocessConfig(sample_rate=sample_rate),
            num_workers=1,
        ),
        Console(quiet=True),
    )
    return folder


def open_store(num_patients: int = 20, sample_rate: float = 100.0) -> Store:
    """The same, opened."""
    return Store.open(store_folder(num_patients, sample_rate))
