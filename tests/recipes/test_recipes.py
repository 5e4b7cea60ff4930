"""Every recipe of the repository runs, at the smallest size on generated data."""

from pathlib import Path

import pytest
import yaml

from anylead.commands.cli import main
from heart_records import marked_store
from recipes.small_corpora import challenge, make_stores, ptbxl
from synthetic_store import store_folder

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
RECIPES = sorted(path.name for path in FOLDER.glob("*.yaml"))
TABLES = [name for name in RECIPES if "rows" in yaml.safe_load((FOLDER / name).read_text())]
METHODS = [name for name in RECIPES if name.startswith("pretrain_")]
FINETUNE = [name for name in RECIPES if name.startswith("finetune_")]
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
LOCAL = {"dim": 8, "num_codes": 8, "num_negatives": 10}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the stores that the tables name, prepared from generated corpora."""
    folder = tmp_path_factory.mktemp("desk")
    challenge(folder / "challenge")
    ptbxl(folder / "ptbxl")
    make_stores(folder, folder / "challenge", folder / "ptbxl")
    return folder


def shrunk(name, rows):
    """The same table in small: two steps of each run, tiny, one lead set, one seed, some rows.

    Stores, splits, exclusions, tasks, labels, scores and the reference stay as they are.
    """
    values = yaml.safe_load((FOLDER / name).read_text())
    values["rows"] = [row for row in values["rows"] if row["name"] in rows]
    for row in values["rows"]:
        if "kind" in row.get("encoder", {}):
            row["encoder"]["size"] = "tiny"
        row.pop("fractions", None)
    values |= {"encoder": TINY, "lead_sets": ["2"], "unseen": ["II"], "seeds": [0]}
    values["pretrain"] |= {"local": LOCAL}
    values["pretrain"]["train"] = {"steps": 2, "batch_size": 8}
    values["finetune"]["train"] = {"steps": 2, "batch_size": 16}
    for task in values["tasks"].values():
        task.setdefault("evaluate", {})["num_resamples"] = 20
    if "published" in values:
        values["published"] = {
            task: {row: numbers[:1] for row, numbers in rows.items()}
            for task, rows in values["published"].items()
        }
    return values


def some_rows(name):
    """The reference; of the first tables also a row of random weights, and one model for all."""
    if name.startswith("encoders_"):
        return ["W2V+CMSC+RLM", "xresnet1d", "ECG-JEPA, JEPA", "ST-MEM, MAE", "ECG-CPC, CPC"]
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


@pytest.mark.parametrize("name", [name for name in TABLES if name.startswith("paper")])
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
    assert "random frozen encoder, linear probe" in [row["name"] for row in values["rows"]]


def test_the_papers_first_table_is_ready_on_real_recordings(shared_data, tmp_path, monkeypatch):
    """Recordings of the challenge as published, with pairs of PTB-XL made here."""
    ptbxl(tmp_path / "ptbxl")
    make_stores(tmp_path, shared_data / "challenge2021", tmp_path / "ptbxl")
    monkeypatch.chdir(tmp_path)
    values = shrunk("paper_table1.yaml", ["W2V+CMSC+RLM"])
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    assert main(["benchmark", str(tmp_path / "recipe.yaml"), "--devices=cpu"]) == 0
    table = (tmp_path / "runs" / "paper_table1" / "table.md").read_text()
    assert "diagnosis: cinc" in table and "identification: rank_1" in table


@pytest.mark.parametrize("name", METHODS)
def test_a_method_runs(name, tmp_path):
    arguments = [
        f"--data.store={store_folder()}",
        f"--out={tmp_path}",
        "--encoder.size=tiny",
        "--train.steps=2",
        "--train.batch_size=8",
        "--train.is_quiet=true",
    ]
    assert main(["pretrain", str(FOLDER / name), *arguments]) == 0
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.parametrize("name", FINETUNE)
def test_fine_tuning_runs(name, tmp_path):
    arguments = [
        f"--out={tmp_path}",
        "--model.encoder.size=tiny",
        "--train.steps=2",
        "--train.batch_size=8",
        "--train.is_quiet=true",
    ]
    if "task: waves" in (FOLDER / name).read_text():
        halvings = "{stem: residual, conv_layers: [[8, 5, 2], [8, 5, 2]]}"
        arguments += [f"--data.store={marked_store()}", f"--model.encoder.overrides={halvings}"]
    else:
        arguments += [f"--data.store={store_folder()}", "--labels.task=rhythm"]
    assert main(["finetune", str(FOLDER / name), *arguments]) == 0
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_where_it_comes_from_and_what_it_costs(name):
    lines = (FOLDER / name).read_text().splitlines()
    header = "\n".join(line for line in lines if line.startswith("#"))
    assert f"recipes/{name}" in header
    for word in ("Command:", "Hardware and hours:", "Expected"):
        assert word in header


def test_every_recipe_is_run_by_one_of_these_tests():
    packed = {"pack_ptbxl_small.yaml"}  # test_ptbxl_small.py
    untested = {"pack_synthetic_tiny.yaml"}  # wants the two runs of its header
    assert set(RECIPES) == {*TABLES, *METHODS, *FINETUNE} | packed | untested
