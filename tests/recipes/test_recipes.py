"""Every recipe of the repository runs, at the smallest size on generated data."""

from pathlib import Path

import pytest
import yaml

from anylead.commands.cli import main
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
def cells(tmp_path_factory):
    """Shared by all tables, as in real use."""
    return tmp_path_factory.mktemp("cells")


def shrunk(name, cells):
    """The same table: two steps of each run, tiny, one lead set, one seed."""
    values = yaml.safe_load((FOLDER / name).read_text())
    for row in values["rows"]:
        if "kind" in row.get("encoder", {}):
            row["encoder"]["size"] = "tiny"
        row.get("finetune", {}).pop("train", None)
        row.pop("fractions", None)
    data = {"store": str(store_folder()), "scheme": "auto"}
    values |= {"store": data["store"], "scheme": "auto", "seeds": [0], "cells": str(cells)}
    values |= {"encoder": TINY, "lead_sets": ["2"], "title": "test"}
    values["fractions"] = values.get("fractions", [1.0])[-1:]
    if "table1" not in name:  # both tasks are the same in all tables
        values["tasks"].pop("identification", None)
        values.get("published", {}).pop("identification", None)
    values.setdefault("pretrain", {}).update(
        {"data": data, "local": LOCAL, "train": {"steps": 2, "batch_size": 8}}
    )
    values["finetune"]["train"] = {"steps": 2, "batch_size": 16}
    values["finetune"].pop("labels", None)
    for task in values["tasks"].values():
        task.pop("data", None)
        task.pop("train", None)
        task.get("evaluate", {}).pop("store", None)
        task["evaluate"] = {**task.get("evaluate", {}), "num_resamples": 20}
    values.pop("scores", None)  # generated labels are no classes of the challenge
    values["devices"] = "cpu"
    if "published" in values:
        values["published"] = {
            task: {row: numbers[:1] for row, numbers in rows.items()}
            for task, rows in values["published"].items()
        }
    return values


# One run for each architecture takes longer than the other tables do.
LONG = (pytest.mark.slow, pytest.mark.timeout(600))


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=LONG) if n.startswith("encoders_") else n for n in TABLES],
)
def test_a_table_runs(name, cells, tmp_path):
    values = shrunk(name, cells)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    out = tmp_path / "out"
    assert main(["benchmark", str(tmp_path / "recipe.yaml"), f"--out={out}"]) == 0
    table = (out / "table.md").read_text()
    assert "Failed" not in table
    for row in values["rows"]:
        assert f"| {row['name']} |" in table


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
        f"--data.store={store_folder()}",
        f"--out={tmp_path}",
        "--model.encoder.size=tiny",
        "--train.steps=2",
        "--train.batch_size=8",
        "--train.is_quiet=true",
    ]
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
    packed = "pack_ptbxl_small.yaml"  # test_ptbxl_small.py
    assert set(RECIPES) == {*TABLES, *METHODS, *FINETUNE, packed}
