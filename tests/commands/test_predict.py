"""`anylead predict` and `anylead models`, from the command line to the file."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest

import anylead
import fitted_model
from anylead.checkpoint import save_checkpoint
from anylead.commands.cli import main
from anylead.errors import CheckpointError
from anylead.evaluation.scores import find_runs
from anylead.inference import named


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number, record in enumerate(fitted_model.recordings()[:5]):
        signal = np.tile(record.signal, 2)
        told = {"leads": list(record.leads), "sample_rate": fitted_model.RATE, "unit": "mV"}
        np.savez(folder / f"{number}.npz", signal=signal, **told)
    return folder


@pytest.fixture(scope="module")
def model():
    return str(fitted_model.folder())


def run(*words):
    return main(["predict", *map(str, words)])


def test_files_patterns_and_a_folder_give_the_same_rows(files, model, tmp_path):
    paths = sorted(files.glob("*.npz"))
    assert run(*paths, model, "-o", tmp_path / "a.csv") == 0
    assert run(files / "*.npz", model, "-o", tmp_path / "b.csv") == 0
    assert run(files, model, "-o", tmp_path / "c.csv") == 0
    several, pattern, folder = (pandas.read_csv(tmp_path / f"{name}.csv") for name in "abc")
    assert several.equals(pattern)
    assert several.drop(columns="record_id").equals(folder.drop(columns="record_id"))
    expected = [row["AFIB"] for row in fitted_model.model().predict(paths)]
    assert several["probability.AFIB"].tolist() == pytest.approx(expected)
    assert set(several["leads"]) == {"I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"}


def test_windows_have_a_row_each_with_its_time(files, model, tmp_path):
    assert run(files / "0.npz", model, "--windows", "-o", tmp_path / "a.jsonl") == 0
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(row["start"], row["seconds"]) for row in rows] == [(0.0, 5.0), (5.0, 5.0)]
    assert all("medical device" in row["notice"] for row in rows)
    assert all(row["model"]["version"] for row in rows)


def test_a_lead_that_is_not_there_is_not_seen(files, model, tmp_path, capsys):
    assert run(files / "0.npz", model, "--leads", "I,V2") == 0
    assert "2 of 12 leads seen (I, V2)" in capsys.readouterr().out


def test_a_wrong_ending_is_an_error_before_any_work(files, model, capsys):
    assert run(files, model, "-o", "answers.xls") == 2
    assert "ending '.xls'; want one of .parquet, .csv, .json, .jsonl" in capsys.readouterr().err
    assert main(["embed", str(files), model, "-o", "e.txt"]) == 2
    assert "ending '.txt'" in capsys.readouterr().err


def test_json_on_the_screen_is_what_a_file_would_hold(files, model, tmp_path, capsys):
    paths = [files / "0.npz", files / "1.npz"]
    assert run(*paths, model, "-o", tmp_path / "a.json") == 0
    capsys.readouterr()
    assert run(*paths, model, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "a.json").read_text())
    assert run(*paths, model, "--json", "-o", tmp_path / "b.json") == 2
    assert "json: prints the answers" in capsys.readouterr().err


def test_what_is_there_is_not_written_over(files, model, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("mine")
    assert run(files, model, "-o", tmp_path / "a.csv") == 2
    assert "there already" in capsys.readouterr().err
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_noise_gets_no_answer_unless_forced(model, tmp_path, capsys):
    noise = np.random.default_rng(0).standard_normal((12, 1000)).astype(np.float32)
    np.savez(tmp_path / "n.npz", signal=noise, leads=list(anylead.leads.LEADS), sample_rate=100.0,
             unit="mV")  # fmt: skip
    assert run(tmp_path / "n.npz", model) == 0
    shown = capsys.readouterr().out
    assert "no answer: no heart beat" in shown
    assert "AFIB" not in shown
    assert run(tmp_path / "n.npz", model, "--force") == 0
    shown = capsys.readouterr().out
    assert shown.index("doubtful: no heart beat") < shown.index("AFIB")


def test_without_a_model_the_one_in_the_box_answers_and_says_so(files, capsys):
    assert run(files / "0.npz") == 0
    told = capsys.readouterr()
    version = anylead.load(named.default(), device="cpu").about.version
    assert f"model: {named.default()} {version} (in the box)" in told.err.splitlines()
    assert f"model {named.default()}" in told.out


def test_a_model_without_a_classifier_is_told_what_to_do(files, capsys):
    made = fitted_model.checkpoint()
    save_checkpoint(files.parent / "m", made.tensors, {**made.description, "kind": "pretraining"})
    assert run(files / "0.npz", files.parent / "m") == 2
    assert "has no head to predict with" in capsys.readouterr().err


def test_the_box_holds_what_its_table_says_and_is_small():
    box = [model for model in anylead.list_models() if model.where == "box"]
    assert {model.name for model in box} >= {"synthetic-tiny"}
    assert {model.name for model in box} <= set(named.BOX)
    tiny = anylead.load("synthetic-tiny", device="cpu")
    answer = tiny.answer(fitted_model.recordings()[0], use_leads="2")
    assert "generated ECGs only" in answer.model.trained
    assert answer.is_measured
    assert sum(file.stat().st_size for file in tiny.source.iterdir()) < 1e6


def test_models_are_listed_also_for_programs(capsys):
    assert main(["models"]) == 0
    assert "ecg-fm-finetuned" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"synthetic-tiny", "ecg-fm", "ecg-fm-finetuned"} <= {each["name"] for each in listed}
    assert {each["licence"] for each in listed if each["where"] == "hub"} == {"MIT"}


def test_a_public_encoder_is_listed_and_says_where_its_weights_are(files, capsys):
    listed = {model.name: model for model in anylead.list_models()}
    assert listed["st_mem"].where == "yours"
    assert "CC BY-NC" in listed["st_mem"].licence
    assert run(files / "0.npz", "st_mem") == 2
    assert "convert FILE -o DIR --preset st_mem" in capsys.readouterr().err


def test_a_misspelt_name_says_which_is_near():
    with pytest.raises(CheckpointError, match="did you mean synthetic-tiny"):
        anylead.load("sinthetic-tiny")
    with pytest.raises(CheckpointError, match="known are"):
        anylead.load("nothing-like-it-9")


def test_a_misspelt_name_among_the_files_says_which_is_near(files, capsys):
    assert run(files, "ptbxl-smal") == 2
    assert "did you mean ptbxl-small?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["a,b", "c[d]", "e*f", "100%20", "-dash", "new\nline", b"\xff\xe9"]
)
def test_a_file_may_have_any_name(name, files, model, tmp_path, monkeypatch):
    name = os.fsdecode(name)
    folder = tmp_path / "named"
    folder.mkdir()
    shutil.copy(files / "0.npz", folder / f"{name}.npz")
    monkeypatch.chdir(folder)
    told = b"\\xff\\xe9".decode() if "\udcff" in name else name
    for number, source in enumerate((f"./{name}.npz", ".")):
        out = tmp_path / f"{number}.jsonl"
        assert run(source, model, "-o", out) == 0
        (line,) = out.read_text(encoding="utf-8").splitlines()
        assert told in json.loads(line)["record"]


def test_training_starts_from_a_name(tmp_path):
    from anylead.commands.parts import EncoderChoice, starting_encoder

    encoder = starting_encoder("synthetic-tiny", EncoderChoice())
    theirs = anylead.load("synthetic-tiny", device="cpu").encoder.state_dict()
    assert all((encoder.state_dict()[name] == value).all() for name, value in theirs.items())


def test_a_run_may_be_called_anything(files, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "run [x], y")
    assert run(files, "run [x], y", "-o", "e.jsonl") == 0
    told = json.loads(Path("e.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert "run [x], y" in str(told["model"])
    assert find_runs("run [x], y") == find_runs("run*") == [Path("run [x], y")]
