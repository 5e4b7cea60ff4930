"""Every recipe of the repository runs, at the smallest size on generated data."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from anylead.commands.benchmark import UNSEEN
from anylead.commands.cli import main
from anylead.models import ENCODER_SIZES
from anylead.store import Store
from anylead.tables.memory import step_bytes
from recipes import desk_runs
from recipes.small_corpora import make_stores, real_pairs

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
RECIPES = sorted(path.name for path in FOLDER.glob("*.yaml"))
TABLES = [name for name in RECIPES if "rows" in yaml.safe_load((FOLDER / name).read_text())]
PAPER = [name for name in TABLES if name.startswith("paper")]
OURS = [name for name in TABLES if name.startswith(("paper_table", "small_table"))]
OTHERS = [name for name in RECIPES if name not in TABLES]
TINY = {
    "size": "tiny",
    "overrides": {
        "conv_layers": [[8, 4, 4], [8, 2, 2]],
        "dim": 8,
        "num_layers": 1,
        "ffn_dim": 8,
        "conv_pos_kernel": 8,
        "conv_pos_groups": 2,
    },
}
ENCODER_ROWS = {
    "encoders_ptbxl.yaml": [
        *("W2V+CMSC", "W2V+CMSC, attentive probe", "HuBERT-ECG, small"),
        *("ECG-JEPA, small, random weights, linear probe", "ECG-CPC, small, cpc"),
    ],
    "small_encoders.yaml": ["ours", "xresnet1d", "MERL ViT"],
    "small_objectives.yaml": ["W2V+CMSC", "JEPA+CMSC", "ECG-JEPA, random weights"],
    "small_objectives_rlm.yaml": ["JEPA+RLM", "MAE", "CPC+RLM"],
}
LOCAL = {"dim": 8, "num_codes": 8, "num_negatives": 10}


def shrunk(name, rows):
    """The same table in small: two steps of each run, tiny, one lead set, seed, share; some rows.

    Stores, splits, exclusions, tasks, labels, scores and the reference stay as they are.
    """
    values = yaml.safe_load((FOLDER / name).read_text())
    values["rows"] = [row for row in values["rows"] if row["name"] in rows]
    for row in values["rows"]:
        of_another_depth = "dims" in row.get("encoder", {}).get("overrides", {})
        if "kind" in row.get("encoder", {}) and not of_another_depth:
            row["encoder"]["size"] = "tiny"
        row.pop("fractions", None)
    values |= {"encoder": TINY, "lead_sets": ["2"], "unseen": ["II"], "seeds": [0]}
    values["pretrain"] = values.get("pretrain", {}) | {"local": LOCAL}
    values["pretrain"]["train"] = {"steps": 2, "batch_size": 8}
    values["finetune"]["train"] = {"steps": 2, "batch_size": 16}
    for task in values["tasks"].values():
        task.setdefault("evaluate", {})["num_resamples"] = 20
        if "fractions" in task:
            task["fractions"] = task["fractions"][-1:]
    if "published" in values:
        values["published"] = {
            task: {row: numbers[:1] for row, numbers in rows.items()}
            for task, rows in values["published"].items()
        }
    return values


def some_rows(name):
    """The reference; of the first tables also a row of random weights, and one model for all."""
    if name in ENCODER_ROWS:
        return ENCODER_ROWS[name]
    if "table1" not in name:
        return ["W2V+CMSC+RLM"]
    rows = yaml.safe_load((FOLDER / name).read_text())["rows"]
    one = [row["name"] for row in rows if row.get("training") == ["padded"] and "pretrain" in row]
    return ["W2V+CMSC+RLM", "random frozen encoder, linear probe", *one]


@pytest.mark.parametrize("name", TABLES)
def test_everything_that_a_table_needs_is_there(name, desk, monkeypatch, capsys):
    """The recipe as it stands, in the folder that holds the stores of its header."""
    monkeypatch.chdir(desk)
    assert main(["benchmark", str(FOLDER / name), "--check_only", "true", "--devices", "cpu"]) == 0
    assert "everything is there" in capsys.readouterr().out


@pytest.mark.timeout(400)  # ten seconds where nothing else computes
@pytest.mark.parametrize("name", TABLES)
def test_a_table_runs(name, desk, tmp_path, monkeypatch):
    monkeypatch.chdir(desk)
    values = shrunk(name, some_rows(name))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    out = tmp_path / "out"
    assert main(["benchmark", str(tmp_path / "recipe.yaml"), f"--out={out}", "--devices=cpu"]) == 0
    table = (out / "table.md").read_text()
    assert "Failed" not in table and "LEAKS" not in table
    for row in values["rows"]:
        assert f"| {row['name']} |" in table


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_tables_are_made_as_the_paper_made_them(name):
    values = yaml.safe_load((FOLDER / name).read_text())
    training = "per_lead_set" if name == "paper_table2.yaml" else "finetuned_per_lead_set"
    assert values["training"] == [training]
    assert values["pretrain"]["data"]["samples"] == "every"
    assert values["finetune"]["data"]["samples"] == "every"
    diagnosis, identification = values["tasks"]["diagnosis"], values["tasks"]["identification"]
    assert diagnosis["labels"]["task"] == "cinc2021" and values["scores"] == {"diagnosis": "cinc"}
    assert diagnosis["evaluate"]["level"] == "segments"
    assert (
        diagnosis["optimizer"]["weight_decay"] == identification["optimizer"]["weight_decay"] == 0
    )
    assert not [
        row
        for row in values["rows"]
        if row.get("finetune", {}).get("augment") and row.get("training") != ["padded"]
    ]  # no lead masking in fine-tuning


@pytest.mark.parametrize("name", PAPER)
def test_all_recordings_of_pretraining_are_classes_and_pairs_of_sessions_are_tested(name):
    values = yaml.safe_load((FOLDER / name).read_text())
    identification = values["tasks"]["identification"]
    assert identification["identity"] == {"classes": "records", "scale": 192.0, "margin": 1.0}
    learned = {key: values["pretrain"]["data"][key] for key in ("store", "scheme")}
    assert learned.items() <= identification["data"].items()
    tested = identification["evaluate"]
    assert tested["sessions"] == "first_recordings" and tested["split"] == "all"
    pairs = {"store": tested["store"], "only": "pairs"}
    assert (
        pairs in identification["data"]["exclude"]
        and pairs in values["pretrain"]["data"]["exclude"]
    )


@pytest.mark.parametrize("name", PAPER)
def test_convolutions_are_trained_from_random_weights_and_frozen_after_pretraining(name):
    """As the code of 2022 has it; the recipe for identification alone agrees with the tables."""
    values = yaml.safe_load((FOLDER / name).read_text())
    assert "model" not in values["finetune"]  # the default: frozen where a checkpoint is given
    rows = {row["name"]: row for row in values["rows"]}
    for row in values["rows"]:
        is_pretrained = "pretrain" in row
        assert is_pretrained != ("train" in row.get("finetune", {}).get("model", {}))
    if "random init" in rows:
        assert rows["random init"]["finetune"]["model"]["train"] == "full"
        assert rows["random init"]["finetune_encoder"]["feature_grad_scale"] == 1.0
        header = " ".join((FOLDER / name).read_text().replace("#", " ").split())
        assert "as the code of 2022 has it" in header
    alone = yaml.safe_load((FOLDER / "finetune_identification.yaml").read_text())
    identification = values["tasks"]["identification"]
    assert alone["model"]["train"] == "frozen_features"
    for field in ("identity", "optimizer", "schedule"):
        assert alone[field] == identification[field]
    assert alone["model"]["encoder"]["overrides"] == values["finetune_encoder"]


@pytest.mark.parametrize("name", PAPER)
def test_the_contrast_of_each_row_is_said_in_the_recipe(name):
    for row in yaml.safe_load((FOLDER / name).read_text())["rows"]:
        if "cmsc" in row.get("pretrain", {}).get("method", ""):
            assert row["pretrain"]["contrast"] in ("two_way", "nt_xent")
    assert "NT-Xent (nt_xent)" in (FOLDER / name).read_text()


@pytest.mark.parametrize("name", OURS)
def test_a_random_frozen_encoder_stands_at_every_share_of_labels_over_three_seeds(name):
    """Three seeds are three pre-trainings, and at a share of the labels three draws of patients."""
    values = yaml.safe_load((FOLDER / name).read_text())
    (row,) = [row for row in values["rows"] if row["name"] == "random frozen encoder, linear probe"]
    assert "pretrain" not in row and row["finetune"]["model"]["train"] == "linear_probe"
    assert "fractions" not in row and "training" not in row  # as all other rows
    assert len(set(values["seeds"])) >= 3
    assert "seed" not in values["pretrain"]["train"]


@pytest.mark.parametrize("name", OURS)
def test_a_table_names_its_reference_and_the_margin_of_equivalence(name):
    values = yaml.safe_load((FOLDER / name).read_text())
    assert values["reference"] in [row["name"] for row in values["rows"]]
    assert values["margin"] > 0


@pytest.mark.parametrize("name", OURS)
def test_one_model_for_all_lead_sets_is_shown_on_sets_that_it_was_never_trained_on(name):
    values = yaml.safe_load((FOLDER / name).read_text())
    columns = (
        {*values["lead_sets"], *values.get("unseen", UNSEEN)}
        if "lead_sets" in values
        else {*UNSEEN}
    )
    padded = [row for row in values["rows"] if "padded" in row.get("training", values["training"])]
    for row in padded:
        named = row.get("finetune", {}).get("lead_sets", "").split()
        assert set(UNSEEN) <= columns and not set(UNSEEN) & set(named)


@pytest.mark.parametrize("name", PAPER)
def test_a_step_fits_the_cards_that_the_header_names(name):
    values = yaml.safe_load((FOLDER / name).read_text())
    train, size = values["pretrain"]["train"], ENCODER_SIZES[values["encoder"]["size"]]
    assert values["store"] and "accumulate" not in train
    segments = 2 * train["batch_size"]  # pairs, at 500 Hz
    step = [
        step_bytes(size, 90_900_000, 2500, segments // parts, train["recompute"])
        for parts in (1, 2)
    ]
    assert step[0] < 0.9 * 48e9 and step[1] < 0.9 * 24e9
    header = (FOLDER / name).read_text()
    assert f"needs {step[0] / 1e9:.0f} GB with train.recompute" in header
    assert "24 GB with train.accumulate 2" in header and "96 h" in header


def test_persons_of_the_test_are_found_among_the_trainings_of_another_store(
    desk, monkeypatch, capsys
):
    """HR00001 of the challenge is ecg_id 1 of PTB-XL, who has a second recording."""
    monkeypatch.chdir(desk)
    values = shrunk("paper_table1.yaml", ["W2V+CMSC+RLM"])
    del values["pretrain"]["data"]["exclude"][1]
    (desk / "leaking.yaml").write_text(yaml.safe_dump(values))
    assert main(["benchmark", "leaking.yaml", "--check_only", "true", "--devices", "cpu"]) == 2
    told = capsys.readouterr().err
    assert "6 recordings of stores/physionet2021 that are learned from" in told
    assert "ptbxl/1" in told and "data.exclude" in told


@pytest.fixture(scope="module")
def real_desk(shared_data, tmp_path_factory):
    """The stores of the paper's tables from real recordings: the challenge, and pairs of PTB-XL."""
    folder = tmp_path_factory.mktemp("real")
    real_pairs(folder / "ptbxl", shared_data)
    make_stores(folder, shared_data / "challenge2021", folder / "ptbxl")
    return folder


@pytest.mark.timeout(400)  # ten seconds where nothing else computes
@pytest.mark.parametrize("name", PAPER)
def test_the_papers_tables_run_on_real_recordings(name, real_desk, monkeypatch, capsys):
    """As it stands everything is there; smaller and for two steps it runs to its table."""
    monkeypatch.chdir(real_desk)
    assert main(["benchmark", str(FOLDER / name), "--check_only", "true", "--devices", "cpu"]) == 0
    assert "everything is there" in capsys.readouterr().out
    values = shrunk(name, ["W2V+CMSC+RLM"])
    values["cells"] = values["out"] = f"runs/{name}"
    Path("recipe.yaml").write_text(yaml.safe_dump(values))
    assert main(["benchmark", "recipe.yaml", "--devices=cpu"]) == 0
    table = (real_desk / "runs" / name / "table.md").read_text()
    assert "Failed" not in table and "LEAKS" not in table
    assert "diagnosis: cinc" in table and "identification: rank_1" in table
    assert Store.open("stores/physionet2021").num_records == 132
    tested = Store.open("stores/ptbxl")
    assert (np.unique(tested.patient, return_counts=True)[1] >= 2).sum() == 16


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", OTHERS)
def test_the_command_of_a_header_runs(name, desk, monkeypatch):
    """As it stands, on stores of the real adapters, but for sizes and two steps."""
    monkeypatch.chdir(desk)
    assert (desk_runs.made(name) / "model.safetensors").is_file()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_where_it_comes_from_and_what_it_costs(name):
    lines = (FOLDER / name).read_text().splitlines()
    header = "\n".join(line for line in lines if line.startswith("#"))
    assert f"recipes/{name}" in header
    for word in ("Command:", "Hardware and hours:", "Expected"):
        assert word in header
