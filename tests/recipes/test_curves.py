"""The curves, at the smallest size on generated data."""

import runpy
import sys
from pathlib import Path

from anylead.commands.cli import main

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_each_row_stands_beside_the_base_and_is_trained_once(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    script = runpy.run_path(str(FOLDER / "curves.py"))
    store = tmp_path / "store"
    prepare = ["prepare", "synthetic", f"--out={store}", "--options={num_patients: 24}"]
    assert main([*prepare, "--preprocess.sample_rate=100"]) == 0
    rows = ["50% of the patients", "0.5 x the channels", "7 epochs"]
    words = [str(store), str(tmp_path / "runs"), "--leads", "I", "--rows", *rows]
    words += ["--labels.task=rhythm", "--train.steps=1", "--train.batch_size=4"]
    monkeypatch.setattr(sys, "argv", ["curves.py", *words, "--train.is_quiet=true"])
    capsys.readouterr()
    script["main"]()
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "| leads | row | rhythm |"
    assert [line.split(" | ")[1] for line in lines] == ["base", *rows]
    assert all(line.count("; ") == 1 for line in lines[1:])
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/model.safetensors")}
    assert len(made) == 4
    sizes = {path.parent.name: path.stat().st_size for path in made}
    assert sizes["I_0.5_x_the_channels"] < sizes["I_base"] / 2
    script["main"]()
    assert capsys.readouterr().out.splitlines() == [head, *lines]
    assert {path: path.stat().st_mtime_ns for path in made} == made
