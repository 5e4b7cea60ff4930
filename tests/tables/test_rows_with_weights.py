"""Rows that start from a model at hand, each with a store prepared as its weights expect."""

from dataclasses import replace

import pytest

from anylead.checkpoint import load_checkpoint, save_checkpoint
from anylead.commands import benchmark
from anylead.errors import AnyleadError
from anylead.tables.plan import Row, make_plan
from synthetic_store import store_folder
from tables.test_cost import checkpoint
from tables.test_tables import recipe

SLOW = 125.0  # Hz of the other store


@pytest.fixture
def folder(tmp_path):
    """A model of another kind, for recordings of another rate."""
    made, _ = checkpoint("resnet1d")
    made.description["preprocess"]["sample_rate"] = SLOW
    save_checkpoint(tmp_path / "model", made.tensors, made.description)
    return tmp_path / "model"


def row(name, folder, train="linear_probe"):
    data = {"store": str(store_folder(20, SLOW)), "segment_seconds": 10.0}
    model = {"checkpoint": str(folder), "train": train}
    return Row(name, finetune={"data": data, "model": model})


def plan_of(made):
    return make_plan(benchmark.make_grid(made, made.store))


def test_it_stands_in_one_table_with_rows_of_other_stores_windows_and_rates(folder, tmp_path):
    rows = [
        Row("random"),
        row("published, linear", folder),
        row("published, attentive", folder, "attentive_probe"),
    ]
    out = tmp_path / "out"
    made = recipe(out, rows=rows, lead_sets=["2"], keep_runs=True, reference="random")
    results = benchmark.run(made)
    compared = {r.place.row: r for r in results if r.is_main}
    assert compared.keys() == {row.name for row in rows}
    assert compared["published, linear"].against is not None  # on the same patients
    tuned = plan_of(made).cells[2].fit
    after = load_checkpoint(out / "finetune" / tuned)
    before = load_checkpoint(folder)
    assert after.description["preprocess"]["sample_rate"] == SLOW
    assert after.description["head"] == "attentive"
    assert all((after.tensors[name] == value).all() for name, value in before.tensors.items())


def test_other_weights_at_the_same_place_are_another_run(folder):
    made = recipe(rows=[row("published", folder)])
    first = plan_of(made).cells[0].fit
    assert plan_of(made).cells[0].fit == first
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(bytes(content))
    assert plan_of(made).cells[0].fit != first


def test_rows_that_are_not_at_hand_are_left_out_and_told_if_that_is_asked_for(
    folder, tmp_path, capsys
):
    absent = replace(row("absent", folder), finetune={"model": {"checkpoint": "models/absent"}})
    other = replace(row("no store", folder))
    other.finetune["data"] = {"store": str(tmp_path / "nowhere")}
    rows = [row("published", folder), absent, other]
    made = recipe(tmp_path / "out", rows=rows, lead_sets=["2"], check_only=True)
    with pytest.raises(AnyleadError, match=r"models/absent|nowhere"):
        benchmark.run(made)
    benchmark.run(replace(made, only_at_hand=True))
    said = " ".join(capsys.readouterr().out.split())
    assert "left out: absent, since models/absent is not there" in said
    assert "left out: no store" in said and "1 runs" in said
