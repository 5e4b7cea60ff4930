"""The models that come with the package say about themselves what a user must know."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import anylead
from anylead import datasets
from anylead.commands.cli import main
from anylead.leads import parse_leads

BOX = Path(anylead.__file__).parent / "box"
LARGEST = 10e6
SETS = ("12", "6", "3", "2", "1", "II", "V1,V2,V3,V4,V5,V6", "V1")
FOLDER = BOX / "ptbxl-small"
ENCODER = BOX / "ptbxl-cpc"


@pytest.fixture(scope="module")
def described():
    return json.loads((FOLDER / "model.json").read_text())


@pytest.fixture(scope="module")
def model():
    return anylead.load(FOLDER, device="cpu")


def test_it_fits_into_the_wheel_with_its_card_and_no_folder_of_a_machine(described):
    assert (FOLDER / "model.safetensors").stat().st_size <= LARGEST
    card = (FOLDER / "README.md").read_text()
    assert "Not for" in card and "CC BY 4.0" in card and "10.13026/kfzx-aw45" in card
    recipe = described["provenance"]["recipe"]
    assert "store" not in recipe["data"] and "checkpoint" not in recipe["model"]


@pytest.mark.parametrize("leads", SETS)
def test_with_these_leads_it_knows_thresholds_calibration_and_scores(described, leads):
    labels = set(described["label_names"])
    decided = set(described["thresholds"][leads])  # no class too rare to be measured has one
    assert decided <= labels
    assert {label for label in labels if label.startswith("superdiagnostic/")} <= decided
    assert set(described["calibration"][leads]) == labels
    assert all(slope > 0 for slope, _ in described["calibration"][leads].values())
    for score in described["scores"][leads].values():
        value, low, high = score["auroc"]
        assert 0.5 < low <= value <= high <= 1


@pytest.mark.parametrize("leads", SETS)
def test_with_these_leads_it_answers_alike_for_equal_recordings(model, leads):
    record = next(iter(datasets.records("synthetic", num_patients=1, sample_rate=500.0)))
    said = model.predict(record, use_leads=leads)
    assert set(said) == set(model.label_names)
    assert all(math.isfinite(value) and 0 <= value <= 1 for value in said.values())
    rows = [record.leads.index(name) for name in reversed(parse_leads(leads))]
    turned = model.predict(
        record.signal[rows], sample_rate=500.0, leads=[record.leads[row] for row in rows]
    )
    assert turned == pytest.approx(said, abs=1e-4)


def test_rhythms_that_any_lead_shows_are_told_apart(model):
    """Generated ECGs, far from the training data: fast, slow and irregular beats must show."""
    made = datasets.records("synthetic", num_patients=60, records_per_patient=1, sample_rate=100.0)
    fast, slow = [], []
    for record in made:
        said = model.predict(record, use_leads="II")
        rhythm = record.labels["rhythm"]
        if "STACH" in rhythm:
            fast.append(said["rhythm/STACH"] - said["rhythm/SBRAD"])
        elif "SBRAD" in rhythm:
            slow.append(said["rhythm/STACH"] - said["rhythm/SBRAD"])
    assert fast and slow
    assert min(fast) > max(slow)


def test_the_encoder_fits_too_and_says_what_it_is():
    assert (ENCODER / "model.safetensors").stat().st_size <= LARGEST
    card = (ENCODER / "README.md").read_text()
    assert "Not for" in card and "without labels" in card and "10.13026/kfzx-aw45" in card
    described = json.loads((ENCODER / "model.json").read_text())
    assert described["kind"] == "pretraining" and described["training"]["method"] == "cpc+cmsc"
    recipe = described["provenance"]["recipe"]
    assert "store" not in recipe["data"] and "out" not in recipe


@pytest.mark.parametrize("leads", SETS)
def test_with_these_leads_halves_of_a_recording_are_most_alike(leads):
    """Generated ECGs of persons it never saw; by chance one half in 20 finds the other."""
    model = anylead.load("ptbxl-cpc", device="cpu")
    made = datasets.records("synthetic", num_patients=20, records_per_patient=1, sample_rate=100.0)
    signals = np.stack([record.signal for record in made])
    how = {"sample_rate": 100.0, "leads": "12", "use_leads": leads}
    halves = [
        np.stack([model.embed(one, **how) for one in half])
        for half in (signals[..., :500], signals[..., 500:])
    ]
    first, second = (half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves)
    found = (first @ second.T).argmax(axis=1)
    assert (found == np.arange(20)).mean() > 0.7


def test_a_model_is_fine_tuned_from_it_by_its_name(tmp_path):
    store, out = tmp_path / "store", tmp_path / "run"
    prepare = ["prepare", "synthetic", f"--out={store}", "--options={num_patients: 12}"]
    assert main([*prepare, "--preprocess.sample_rate=100"]) == 0
    words = ["finetune", f"--data.store={store}", f"--out={out}", "--model.checkpoint=ptbxl-cpc"]
    assert main([*words, "--model.train=full", "--train.steps=1", "--train.batch_size=4"]) == 0
    described = json.loads((out / "model.json").read_text())
    assert described["provenance"]["pretraining"]["method"] == "cpc+cmsc"


def test_an_encoder_has_no_scores_to_pack(tmp_path, capsys):
    words = ["pack", f"--model={ENCODER}", f"--out={tmp_path / 'packed'}"]
    assert main([*words, "--num_resamples=20"]) != 0
    assert "num_resamples" in capsys.readouterr().err
    assert main(words) == 0
    packed = anylead.load(tmp_path / "packed")
    record = next(iter(datasets.records("synthetic", num_patients=1)))
    assert np.array_equal(packed.embed(record), anylead.load("ptbxl-cpc").embed(record))
