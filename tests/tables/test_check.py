"""Whatever a table will need is looked at before its first step."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from rich.console import Console

from anylead.commands import benchmark, prepare
from anylead.errors import AnyleadError, RecipeError
from anylead.models import ENCODER_SIZES
from anylead.signals import PreprocessConfig
from anylead.store import Store
from anylead.tables import check as checking
from anylead.tables.memory import step_bytes
from anylead.tables.plan import Row
from synthetic_store import store_folder
from tables.test_tables import TINY, checked, recipe

IDENTIFY = {
    "task": "identification",
    "identity": {"scale": 16.0, "margin": 0.2},
    "evaluate": {"split": "test"},
}


def test_persons_who_are_tested_and_learned_from_are_refused_by_name():
    """Pre-training on all recordings learns from those of the test."""
    leaking = {"data": {"scheme": "all"}, "train": {"steps": 2, "batch_size": 8}}
    with pytest.raises(RecipeError) as refused:
        checked(pretrain=leaking)
    store = Store.open(store_folder())
    tested = store.record_id[store.split_rows()["test"]]
    assert f"{len(tested)} recordings of {store.location} that are learned from" in str(
        refused.value
    )
    assert f"synthetic/{tested[0]}" in str(refused.value)
    assert "data.exclude" in str(refused.value)


def test_persons_that_are_left_out_are_not_learned_from():
    exclude = [{"store": str(store_folder()), "splits": ["test"]}]
    kept = {"data": {"scheme": "all", "exclude": exclude}, "train": {"steps": 2, "batch_size": 8}}
    assert checked(pretrain=kept).leaks == []


def test_a_table_that_shares_persons_says_so(tmp_path):
    made = recipe(tmp_path, rows=[Row("random")], shares_persons=True)
    made = replace(made, finetune={**made.finetune, "data": {"scheme": "hash"}})
    tasks = {"diagnosis": {"evaluate": {"split": "train"}}}
    benchmark.run(replace(made, tasks=tasks))
    assert "LEAKS" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"finetune": {"labels": {"task": "form"}}}, "no label task 'form'"),
        ({"scores": {"diagnosis": "cinc"}}, "diagnosis has no score 'cinc'; it has auroc, auprc"),
        ({"scheme": "folds:8:19"}, "this corpus has the folds"),
        ({"store": "nowhere"}, "nowhere: no store"),
        ({"tasks": {"diagnosis": {"evaluate": {"store": "nowhere"}}}}, "nowhere: no store"),
        ({"tasks": {"diagnosis": {"evaluate": {"split": "dev"}}}}, "split 'dev' holds no"),
        ({"pretrain": {"method": "byol"}}, r"CMSC\+RLM \(diagnosis, seed 0\): method 'byol'"),
        ({"pretrain": {"augment": [{"name": "noise"}]}}, "augmentation 'noise'"),
        ({"encoder": {"size": "huge"}}, "encoder size 'huge'"),
        ({"pretrain": {"data": {"exclude": ["nowhere"]}}}, "nowhere: no store"),
    ],
)
def test_what_is_missing_is_told_with_the_rows_that_want_it(changes, message):
    rows = [Row("random"), Row("CMSC+RLM", pretrain={})]
    with pytest.raises(AnyleadError, match=message):
        checked(rows=rows, **changes)


def test_identification_wants_two_recordings_of_a_patient():
    assert checked(tasks={"who": IDENTIFY}, rows=[Row("random")]).leaks == []
    alone = {**IDENTIFY, "evaluate": {"store": str(one_recording_each())}}
    with pytest.raises(RecipeError, match=r"random \(who, seed 0\): .*0 patients have two"):
        checked(tasks={"who": alone}, rows=[Row("random")])


@cache
def one_recording_each():
    folder = Path(mkdtemp(prefix="anylead-test-")) / "store"
    prepare.run(
        prepare.Recipe(
            dataset="synthetic",
            out=folder,
            options={"num_patients": 20, "records_per_patient": 1},
            preprocess=PreprocessConfig(sample_rate=100.0),
            num_workers=1,
        ),
        Console(quiet=True),
    )
    return folder


@pytest.mark.parametrize(
    ("device", "message"), [("gpu0", "no device"), ("cuda:9", "0 CUDA devices")]
)
def test_a_device_that_is_not_there_is_refused(device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(RecipeError, match=message):
        benchmark.run(recipe(devices=device))


def test_steps_are_those_of_the_training(tmp_path):
    found = checked(pretrain={"train": {"epochs": 3, "batch_size": 8}}).num_steps
    rows = Store.open(store_folder()).split_rows()["train"]
    assert len(rows) // 8 * 3 in found.values()  # of the pre-training
    assert len(rows) // 16 in found.values()  # of the fine-tuning, one epoch


def test_a_look_alone_runs_nothing(tmp_path, capsys):
    assert benchmark.run(recipe(tmp_path, check_only=True)) == []
    assert "everything is there" in capsys.readouterr().out
    assert not list(tmp_path.glob("cells/*")) and not (tmp_path / "table.md").exists()


def test_the_memory_of_the_papers_step_is_what_a_card_of_48_gb_does_not_have():
    base, parameters = ENCODER_SIZES["base"], 90_900_000
    whole = step_bytes(base, parameters, 2500, 1024)
    assert 75e9 < whole < 95e9
    assert step_bytes(base, parameters, 2500, 1024, recompute=True) < 0.9 * 24e9
    assert step_bytes(base, parameters, 2500, 512) < 48e9
    assert step_bytes(base, parameters, 2500, 512, is_fp32=True) > 48e9


def test_a_step_that_does_not_fit_is_refused(monkeypatch):
    class Card:
        total_memory = 20e6

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Card)
    made = recipe(encoder={**TINY, "size": "base", "overrides": {}})
    settings = benchmark.make_settings(made.evaluate)
    plan = benchmark.make_plan(benchmark.make_grid(made, made.store))
    with pytest.raises(
        RecipeError, match=r"needs about \d+ GB, the device has 0; set train.recompute"
    ):
        checking.check(plan, checking.Wanted(settings, {}, ["cuda:0"]))
