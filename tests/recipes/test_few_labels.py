"""The table of few labels, at the smallest size on generated data."""

import runpy
from pathlib import Path

import pytest

from anylead.commands.cli import main
from anylead.evaluation.scores import Settings

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "few_labels.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few") / "store"
    words = ["prepare", "synthetic", f"--out={folder}", "--options={num_patients: 24}"]
    assert main([*words, "--preprocess.sample_rate=100"]) == 0
    return folder


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch):
    """Scripts import their neighbours."""
    monkeypatch.syspath_prepend(SCRIPT.parent)


def test_each_row_is_trained_once_and_compared(store, tmp_path):
    script = runpy.run_path(str(SCRIPT))
    script["SETTINGS"][0.5] = script["SETTINGS"][0.01]
    more = ["--labels.task=rhythm", "--train.steps=1", "--train.batch_size=4"]
    more += ["--train.is_quiet=true"]
    settings = Settings(store=str(store), split="valid", num_resamples=20)
    rows = script["Rows"](store, tmp_path, "ptbxl-cpc", None, more)
    lines = list(script["table"](rows, 0.5, [0], settings))
    names = rows.names(0.5)
    assert lines[0].startswith("| 50% | pre-trained | 12 | .")
    assert len(lines) == 2 * (len(names) + 3 + 4)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/model.safetensors")}
    assert len(made) == len(names) == len(script["SETTINGS"][0.5]) - 1
    rows = script["Rows"](store, tmp_path, "ptbxl-cpc", "ptbxl-small", more)
    again = list(script["table"](rows, 0.5, [0], settings))
    assert [line for line in again if script["OTHER"] not in line] == lines
    assert len(again) == len(lines) + 2 * (1 + 5)
    assert {path: path.stat().st_mtime_ns for path in made} == made
