import csv
import math
from dataclasses import replace

import pytest

from anylead.checkpoint import load_checkpoint
from anylead.commands import keep_best, pretrain
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.errors import RecipeError
from anylead.training.settings import TrainConfig
from synthetic_store import store_folder
from training.tiny_run import start

NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}


def recipe(out, **train):
    settings = {"epochs": 3, "batch_size": 8, "device": "cpu", "precision": "fp32"}
    return pretrain.Recipe(
        out=str(out),
        keep="best",
        augment=[{"name": "random_lead_mask"}],
        data=DataConfig(str(store_folder())),
        encoder=EncoderChoice("tiny", {**NO_DROPOUT, "dim": 16, "num_layers": 1, "ffn_dim": 16}),
        local=replace(pretrain.MaskedPredictionConfig(), feature_dropout=0.0),
        train=TrainConfig(**{**settings, "is_quiet": True, **train}),
    )


def valid_losses(folder):
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {int(float(row["step"])): float(row["valid_loss"]) for row in rows if row["valid_loss"]}


def kept(folder):
    made = load_checkpoint(folder).description["provenance"]
    return made["steps"], made["valid_loss"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three epochs in one process."""
    folder = tmp_path_factory.mktemp("whole")
    pretrain.run(recipe(folder))
    return folder


def test_every_epoch_is_scored_and_the_smallest_loss_is_kept(whole):
    losses = valid_losses(whole)
    steps = list(losses)
    assert len(steps) == 3 and steps[0] * 3 == steps[2]
    step, loss = kept(whole)
    assert loss == pytest.approx(min(losses.values()), rel=1e-6)
    assert losses[step] == min(losses.values())


@pytest.mark.parametrize(("scores", "best"), [((3.0, 1.0, 2.0), 2), ((math.nan, 2.0, 5.0), 2)])
def test_a_later_epoch_that_is_worse_does_not_replace_the_best(tmp_path, monkeypatch, scores, best):
    told = iter(scores)
    monkeypatch.setattr(keep_best, "mean_loss", lambda *_: next(told))
    pretrain.run(recipe(tmp_path))
    assert kept(tmp_path)[1] == scores[best - 1]
    assert kept(tmp_path)[0] == list(valid_losses(tmp_path))[best - 1]


@pytest.mark.parametrize(("size", "accumulate"), [(1, 4), (2, 2)])
def test_ranks_and_micro_batches_score_as_one_process(tmp_path, whole, size, accumulate):
    out = tmp_path / "out"
    asked = recipe(out, accumulate=accumulate)
    processes = [
        start(pretrain.run, asked, rank=rank, size=size, meeting=tmp_path / "meeting")
        for rank in range(size)
    ]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * size
    assert valid_losses(out) == pytest.approx(valid_losses(whole), rel=1e-3)


def test_a_resumed_run_keeps_the_best_of_all_epochs(tmp_path, monkeypatch, whole):
    of_epoch = next(iter(valid_losses(whole)))
    first = recipe(tmp_path, steps=of_epoch + 1)
    monkeypatch.setattr(keep_best, "mean_loss", lambda *_: -1e9)
    pretrain.run(first)
    monkeypatch.undo()
    pretrain.run(recipe(tmp_path, resume=True))
    assert kept(tmp_path) == (of_epoch, -1e9)
    resumed = valid_losses(tmp_path)
    expected = valid_losses(whole)
    assert [resumed[step] for step in list(expected)[1:]] == list(expected.values())[1:]


def test_a_run_of_less_than_an_epoch_is_scored_at_its_end(tmp_path):
    pretrain.run(recipe(tmp_path, steps=1))
    step, loss = kept(tmp_path)
    assert step == 1 and math.isfinite(loss)


def test_a_validation_split_that_is_too_small_is_named(tmp_path):
    with pytest.raises(RecipeError, match="recordings to validate on cannot be shared by 5000"):
        pretrain.run(recipe(tmp_path, batch_size=5000, accumulate=5000))
