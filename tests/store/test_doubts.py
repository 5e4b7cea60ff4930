"""Labels that can teach nothing are told."""

import io

import pytest
from rich.console import Console

from anylead.commands import prepare
from anylead.datasets import Corpus
from anylead.signals import PreprocessConfig
from corpora import RECORDS


def read(item):
    from dataclasses import replace

    number, labels = item[1]
    return replace(RECORDS[number], labels=labels)


def told(tmp_path, labels, names=None):
    """What `prepare` prints about labels."""
    items = [(f"r{n}", (n, each)) for n, each in enumerate(labels)]
    corpus = Corpus("test", items, read, names or {})
    screen = io.StringIO()
    recipe = prepare.Recipe("test", tmp_path / "store", num_workers=1,
                            preprocess=PreprocessConfig(sample_rate=100))  # fmt: skip
    prepare.run(recipe, Console(file=screen, width=300), corpus)
    return [line for line in screen.getvalue().splitlines() if line.startswith("Labels ")]


@pytest.mark.parametrize(
    ("labels", "names", "found"),
    [
        ([{"dx": ()}] * 4, {"dx": ("AF", "SB")}, "not one of 4 recordings has one of its classes"),
        ([{}] * 3, {"dx": ("AF", "SB")}, "not one of 3 recordings is labelled"),
        ([{"dx": ("SR",)}] * 4, {}, "all 4 recordings have the same, SR"),
        ([{"dx": ("SR",)}, {}, {"dx": ("SR",)}], {}, "all 2 recordings have the same, SR"),
    ],
)
def test_labels_that_teach_nothing_are_told(tmp_path, labels, names, found):
    (line,) = told(tmp_path, labels, names)
    assert line.startswith(f"Labels dx: {found}")


def test_labels_that_differ_are_not_spoken_of(tmp_path):
    labels = [{"dx": ("SR",)}, {"dx": ("AF",)}, {"dx": ()}]
    assert told(tmp_path, labels, {"dx": ("AF", "SR")}) == []
    assert told(tmp_path / "none", [{}] * 3) == []
