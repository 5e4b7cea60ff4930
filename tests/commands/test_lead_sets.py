"""Thresholds and the best epoch belong to lead sets, from fine-tuning to the answer of a model."""

import json

import numpy as np
import pytest

import anylead
from anylead.checkpoint import load_checkpoint
from anylead.commands import finetune
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.evaluation import EVALUATIONS, Settings
from anylead.leads import LEAD_SETS
from anylead.metrics.thresholds import best_f1_thresholds
from anylead.training.optimizer import OptimizerConfig
from anylead.training.settings import TrainConfig
from synthetic_store import open_store, store_folder

TINY = {"conv_layers": [[8, 4, 4], [8, 2, 2]], "dim": 8, "num_layers": 1, "ffn_dim": 8,
        "conv_pos_kernel": 8, "conv_pos_groups": 2}  # fmt: skip


def finetuned(out, **changes):
    recipe = finetune.Recipe(
        out=str(out),
        data=DataConfig(store=str(store_folder())),
        model=finetune.ModelConfig(encoder=EncoderChoice("tiny", TINY), train="full"),
        optimizer=OptimizerConfig(learning_rate=0.02),
        train=TrainConfig(epochs=2, batch_size=16, device="cpu", precision="fp32", is_quiet=True),
        **changes,
    )
    finetune.run(recipe)
    return json.loads((out / "model.json").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, finetuned(out, lead_sets="12 2 II")


def test_thresholds_are_chosen_for_each_lead_set_on_validation(run):
    out, described = run
    assert set(described["thresholds"]) == {*LEAD_SETS, "II"}
    settings = Settings(split="valid", device="cpu")
    opened = EVALUATIONS["classification"].open(out, load_checkpoint(out), settings)
    for name in ("12", "1", "II"):
        predictions = opened.predict(name)
        label = opened.labels.of(predictions.row)
        expected = best_f1_thresholds(label, predictions.probability)
        stored = [described["thresholds"][name][label] for label in opened.names]
        np.testing.assert_allclose(stored, expected, rtol=1e-4)
        decided = opened.evidence(name).arrays["is_predicted"]
        assert (decided == (predictions.probability >= np.array(stored))).all()
    assert described["thresholds"]["12"] != described["thresholds"]["1"]


def test_the_epoch_is_chosen_for_the_named_sets_and_the_best_of_each_is_told(run):
    _, described = run
    provenance = described["provenance"]
    assert set(provenance["best_of_set"]) == {"12", "2", "II"}
    kept = [described["valid_scores"][name] for name in ("12", "2", "II")]
    assert provenance["valid_auroc"] == pytest.approx(np.mean(kept))
    assert all(
        each["score"] >= described["valid_scores"][name] - 1e-12
        for name, each in provenance["best_of_set"].items()
    )


def test_a_model_answers_with_the_thresholds_of_the_leads_it_sees(run):
    out, described = run
    model = anylead.load(out, device="cpu")
    assert model.thresholds("II") == described["thresholds"]["II"]
    assert model.thresholds("I") == described["thresholds"]["1"]
    assert model.thresholds() == described["thresholds"]["12"]


def test_a_model_for_one_lead_set_has_thresholds_within_it(tmp_path):
    described = finetuned(tmp_path, leads="3")
    assert set(described["thresholds"]) == {"3", "2", "1"}


def test_sets_that_have_thresholds_can_be_named(tmp_path):
    described = finetuned(tmp_path, leads="3", threshold_sets="2 I,V2")
    assert set(described["thresholds"]) == set(described["valid_scores"]) == {"3", "2", "I,V2"}


def test_segments_are_scored_each_by_itself(run):
    out, _ = run
    checkpoint, store = load_checkpoint(out), open_store()
    by_level = {
        level: EVALUATIONS["classification"].open(
            out, checkpoint, Settings(level=level, device="cpu")
        )
        for level in ("recordings", "segments")
    }
    whole, parts = (by_level[level].predict("12") for level in ("recordings", "segments"))
    count = store.num_samples[whole.row] // 500
    assert parts.row.tolist() == np.repeat(whole.row, count).tolist()
    # Recordings of 10 s are two segments, whose mean is the recording's.
    means = parts.logits.reshape(len(whole.row), 2, -1).mean(axis=1)
    np.testing.assert_allclose(means, whole.logits, atol=1e-5)
    assert len(by_level["segments"].evidence("12").patient) == len(parts.row)


def test_a_run_is_scored_in_the_precision_that_is_asked_for(run):
    out, _ = run
    checkpoint = load_checkpoint(out)
    said = {
        name: EVALUATIONS["classification"]
        .open(out, checkpoint, Settings(device="cpu", precision=name))
        .predict("12")
        .logits
        for name in ("fp32", "bf16")
    }
    apart = np.abs(said["fp32"] - said["bf16"]).max()
    assert 0 < apart < 0.05 * np.abs(said["fp32"]).max()
