"""From recordings of persons to "who is this", through the command line."""

import csv
import json

import pytest

from anylead import datasets
from anylead.commands.cli import main
from anylead.formats import wfdb_write
from synthetic_store import store_folder

TINY = [
    "--model.encoder.kind=resnet1d",
    "--model.encoder.size=tiny",
    "--identity.scale=16",
    "--identity.margin=0.2",
    "--identity.classes=patients",
    "--optimizer.learning_rate=0.005",
]
RUN = ["--train.batch_size=16", "--train.epochs=30", "--train.is_quiet=true"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("identification") / "run"
    store = f"--data.store={store_folder()}"
    assert main(["finetune", "--task=identification", store, f"--out={out}", *TINY, *RUN]) == 0
    return out


def test_evaluation_scores_gallery_and_probe_of_other_sessions(model, tmp_path):
    arguments = ["--split=train", "--lead_sets=12 1", "--num_resamples=50", "--num_draws=2"]
    assert main(["evaluate", str(model), f"--out={tmp_path}", *arguments]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert [row["lead_set"] for row in scores] == ["12", "1"]
    assert scores[0]["num_records"] == 16
    # Persons of the training, other crops: well above the 1 in 16 of chance.
    assert scores[0]["macro"]["rank_1"]["value"] > 0.3
    assert scores[0]["macro"]["rank_5"]["value"] >= scores[0]["macro"]["rank_1"]["value"]
    report = (tmp_path / "report.html").read_text()
    assert "Identification by lead set" in report and "two recordings of each patient" in report


def test_halves_are_compared_only_when_asked_and_labelled(model, tmp_path):
    arguments = ["--lead_sets=12", "--num_resamples=20", "--num_draws=1", "--sessions=halves"]
    assert main(["evaluate", str(model), f"--out={tmp_path}", *arguments]) == 0
    assert "much easier than another recording" in (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two recordings of six persons, in a folder for each."""
    root = tmp_path_factory.mktemp("files")
    made = datasets.records("synthetic", num_patients=6, sample_rate=100.0)
    for record in made:
        folder = root / record.patient_id
        folder.mkdir(exist_ok=True)
        wfdb_write.write(record, folder / f"{record.record_id}.hea")
    return root


def identify(files, gallery, out, *more):
    place = f"{files}/*/*-1.hea"
    assert main(["identify", place, f"--gallery={gallery}", f"--out={out}", *more]) == 0
    with out.open() as file:
        return list(csv.DictReader(file))


def test_enrolled_persons_are_named_and_others_are_unknown(model, files, tmp_path):
    gallery, out = tmp_path / "gallery", tmp_path / "answers.csv"
    place = f"{files}/*/*-0.hea"
    assert main(["enroll", place, f"--gallery={gallery}", f"--model={model}"]) == 0
    rows = identify(files, gallery, out, "--threshold=-1")
    assert [row["person"] for row in rows] == [row["person_1"] for row in rows]
    persons = {f"p{i:06d}" for i in range(6)}
    assert {row["person_1"] for row in rows} <= persons
    assert len({row["person_2"] for row in rows} | {row["person_1"] for row in rows}) > 1
    assert all(
        row["person"] == "unknown" for row in identify(files, gallery, out, "--threshold=1.1")
    )
    known = f"{files}/p000000/*-0.hea"  # the very recording that was enrolled
    assert main(["identify", known, f"--gallery={gallery}", f"--out={out}"]) == 0
    with out.open() as file:
        assert next(csv.DictReader(file))["person"] == "p000000"


def test_another_model_is_refused(model, files, tmp_path, capsys):
    gallery, other = tmp_path / "gallery", tmp_path / "other"
    place = f"{files}/*/*-0.hea"
    assert main(["enroll", place, f"--gallery={gallery}", f"--model={model}"]) == 0
    run = ["--train.batch_size=16", "--train.epochs=1", "--train.is_quiet=true", "--train.seed=5"]
    store = f"--data.store={store_folder()}"
    assert main(["finetune", "--task=identification", store, f"--out={other}", *TINY, *run]) == 0
    assert main(["enroll", place, f"--gallery={gallery}", f"--model={other}"]) == 2
    assert "other weights" in capsys.readouterr().err


def test_a_new_gallery_wants_a_model(files, tmp_path, capsys):
    assert main(["enroll", f"{files}/*/*-0.hea", f"--gallery={tmp_path / 'new'}"]) == 2
    assert "name the model with --model" in capsys.readouterr().err


def test_runs_of_two_tasks_are_not_scored_together(model, tmp_path, capsys):
    out = tmp_path / "dx"
    store = f"--data.store={store_folder()}"
    tiny = TINY[:2]
    run = ["--train.batch_size=16", "--train.epochs=1", "--train.is_quiet=true"]
    assert main(["finetune", store, f"--out={out}", *tiny, *run]) == 0
    assert main(["evaluate", f"{out},{model}"]) == 2
    assert "several kinds (classification, identification)" in capsys.readouterr().err
