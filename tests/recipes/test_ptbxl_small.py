"""The chain that makes ptbxl-small, at the smallest size on generated data."""

import json
from pathlib import Path

import pytest

import anylead
from anylead.commands.cli import main
from synthetic_store import open_store, store_folder

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
SMALL = ["--train.steps=2", "--train.batch_size=8", "--train.is_quiet=true"]
TINY = '{"dim": 32, "num_layers": 1, "num_heads": 2, "ffn_dim": 32, "conv_pos_groups": 2}'
LEADS = ("12", "II", "V1,V2,V3,V4,V5,V6")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    tasks = "+".join(open_store().manifest.label_names)
    store = f"--data.store={store_folder()}"
    first = ["pretrain", str(FOLDER / "pretrain_ptbxl_small.yaml"), f"--out={out / 'first'}"]
    assert main([*first, store, *SMALL, f"--encoder.overrides={TINY}"]) == 0
    second = ["finetune", str(FOLDER / "finetune_ptbxl_small.yaml"), f"--out={out / 'second'}"]
    second += [f"--model.checkpoint={out / 'first'}", f"--labels.task={tasks}"]
    assert main([*second, store, *SMALL, '--model.encoder.overrides={"layer_drop": 0.1}']) == 0
    third = ["pack", str(FOLDER / "pack_ptbxl_small.yaml"), f"--model={out / 'second'}"]
    third += [f"--out={out / 'third'}", f"--lead_sets={' '.join(LEADS)}", "--num_resamples=20"]
    assert main(third) == 0
    return out


def test_the_packed_model_knows_itself_with_each_set_of_leads(runs):
    described = json.loads((runs / "third" / "model.json").read_text())
    num = len(described["label_names"])
    for leads in LEADS:
        assert len(described["thresholds"][leads]) == num
        assert len(described["calibration"][leads]["slope"]) == num
        for score in described["scores"][leads].values():
            low, high = score["auroc"][1:]
            assert 0 <= low <= score["auroc"][0] <= high <= 1
    assert described["training"]["pretraining"]["method"] == "data2vec+cmsc"
    assert described["training"]["hash"] == open_store().manifest.content_hash
    assert str(runs) not in json.dumps(described)
    assert "Not for" in (runs / "third" / "README.md").read_text()


def test_the_packed_model_predicts_what_the_run_predicts(runs):
    record = next(iter(anylead.datasets.records("synthetic", num_patients=1)))
    packed, run = (anylead.load(runs / name).predict(record) for name in ("third", "second"))
    assert packed == run
    assert set(packed) == set(open_store().label_names("+".join(open_store().manifest.label_names)))


def test_its_scores_are_those_of_evaluate_task_by_task(runs):
    main(["evaluate", str(runs / "third"), f"--store={store_folder()}", "--split=valid",
          "--num_resamples=20", f"--lead_sets={LEADS[1]}", f"--out={runs}"])  # fmt: skip
    scores = json.loads((runs / "scores.json").read_text())["scores"]
    described = json.loads((runs / "third" / "model.json").read_text())
    expected = {task: score["auroc"][0] for task, score in described["scores"]["II"].items()}
    found = {row["run"].rpartition(" ")[2]: row["macro"]["auroc"]["value"] for row in scores}
    if len(expected) == 1:
        found = {next(iter(expected)): next(iter(found.values()))}
    assert found == pytest.approx(expected, abs=2e-5)
