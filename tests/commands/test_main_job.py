"""From a store to scores, through the command line, at the smallest size."""

import csv
import json

import pytest
import yaml

from anylead import checkpoint
from anylead.commands.cli import main
from synthetic_store import store_folder

TINY = [
    "--encoder.size=tiny",
    '--encoder.overrides={"dim": 16, "num_layers": 1, "ffn_dim": 16, "conv_pos_kernel": 8}',
]
RUN = ["--train.batch_size=8", "--train.steps=2", "--train.is_quiet=true", "--train.log_every=1"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    store = f"--data.store={store_folder()}"
    recipe = out / "recipe.yaml"
    recipe.write_text("method: wav2vec2_cmsc\naugment: [{name: random_lead_mask, prob: 0.5}]\n")
    assert main(["pretrain", str(recipe), store, f"--out={out / 'pre'}", *TINY, *RUN]) == 0
    finetune = ["finetune", store, f"--out={out / 'fine'}", f"--model.checkpoint={out / 'pre'}"]
    assert main([*finetune, *RUN, "--train.steps=8", "--train.epochs=1"]) == 0
    return out


def test_a_run_keeps_its_recipe_log_and_provenance(folders):
    recipe = yaml.safe_load((folders / "pre" / "recipe.yaml").read_text())
    assert recipe["augment"] == [{"name": "random_lead_mask", "prob": 0.5}]
    log = (folders / "pre" / "log.csv").read_text().splitlines()
    assert log[0].startswith("step,local,accuracy")
    assert len(log) == 3
    described = checkpoint.load_checkpoint(folders / "pre").description
    assert described["kind"] == "pretraining"
    assert described["preprocess"]["sample_rate"] == 100.0
    assert described["provenance"]["recipe"] == recipe
    assert described["provenance"]["steps"] == 2


@pytest.mark.parametrize(("options", "looks"), [([], [4, 8]), (["--validate_every=5"], [8])])
def test_the_last_step_is_kept_and_validation_waits_as_told(tmp_path, options, looks):
    finetune = ["finetune", f"--data.store={store_folder()}", f"--out={tmp_path}", "--keep=last"]
    encoder = [f"--model.{option.removeprefix('--')}" for option in TINY]
    assert main([*finetune, *encoder, *RUN, *options, "--train.steps=9"]) == 0
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["step"]) for row in rows if row["valid_auroc"]] == looks
    kept = checkpoint.load_checkpoint(tmp_path).description["provenance"]
    assert kept["steps"] == 9 and 0 <= kept["valid_auroc"] <= 1


def test_a_kept_recipe_makes_the_same_weights_again(folders, tmp_path):
    again = ["pretrain", str(folders / "pre" / "recipe.yaml"), f"--out={tmp_path}"]
    assert main(again) == 0
    first, second = (
        checkpoint.load_checkpoint(folder).tensors for folder in (folders / "pre", tmp_path)
    )
    assert all((first[name] == second[name]).all() for name in first)


def test_evaluate_scores_every_lead_set_and_writes_a_report(folders, capsys):
    assert main(["evaluate", str(folders / "fine"), "--num_resamples=20"]) == 0
    printed = capsys.readouterr().out
    scores = json.loads((folders / "fine" / "scores.json").read_text())["scores"]
    assert [row["lead_set"] for row in scores] == ["12", "6", "4", "3", "2", "1"]
    for row in scores:
        auroc = row["macro"]["auroc"]
        assert auroc["low"] <= auroc["value"] <= auroc["high"]
    html = (folders / "fine" / "report.html").read_text()
    assert "<svg" in html
    assert "report.html" in printed
    for told in (
        *("--lead_sets &#x27;12 6 4 3 2 1&#x27;", "--num_resamples 20", "sinus rhythm (SR)"),
        *(">positives<", ">patients<", ">threshold<", ">12 leads<", ">1 lead<"),
        *("4: I, II, III, V2;", "<summary>Leads 1</summary>", "rows need not sum to 100"),
    ):
        assert told in html
    assert "Differences between runs" not in html


def test_finetuning_starts_from_the_weights_of_the_checkpoint(folders, tmp_path):
    frozen = ["--model.train=linear_probe", f"--model.checkpoint={folders / 'pre'}"]
    store = f"--data.store={store_folder()}"
    assert main(["finetune", store, f"--out={tmp_path}", *RUN, *frozen, "--train.steps=4"]) == 0
    before = checkpoint.load_checkpoint(folders / "pre").part("encoder")
    after = checkpoint.load_checkpoint(tmp_path).part("encoder")
    assert all((before[name] == after[name]).all() for name in before)
