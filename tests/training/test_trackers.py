"""Trackers by name: what they are told, also by a run that is resumed. The packages are stand-ins
with the calls of wandb 0.2x and mlflow 3."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from anylead.errors import MissingPackageError, RecipeError
from anylead.training.settings import TrainConfig
from anylead.training.trackers import TRACKERS, open_trackers
from anylead.training.tracking import Tracker


class Told:
    """Runs by id: their numbers, whether they came to their end, what they were made from."""

    def __init__(self):
        self.runs = {}

    def run(self, run_id, config):
        found = self.runs.setdefault(
            run_id or f"run{len(self.runs)}", {"values": [], "ends": [], "config": config}
        )
        return next(name for name, run in self.runs.items() if run is found)


def wandb(told):
    def init(project, name, dir, config, id, resume):  # noqa: A002
        assert (project, resume) == ("anylead", "allow")
        run_id = told.run(id, config)
        run = told.runs[run_id]
        return SimpleNamespace(
            id=run_id,
            log=lambda values, step: run["values"].append((step, values)),
            finish=lambda exit_code: run["ends"].append(exit_code == 0),
        )

    module = ModuleType("wandb")
    module.init = init
    return {"wandb": module}


def mlflow(told):
    class MlflowClient:
        def get_experiment_by_name(self, name):
            return None

        def create_experiment(self, name):
            return "7"

        def create_run(self, experiment_id, run_name):
            return SimpleNamespace(info=SimpleNamespace(run_id=told.run(None, {})))

        def log_param(self, run_id, name, value):
            told.runs[run_id]["config"][name] = value

        def log_metric(self, run_id, name, value, step):
            told.runs[run_id]["values"].append((step, {name: value}))

        def set_terminated(self, run_id, status):
            told.runs[run_id]["ends"].append(status == "FINISHED")

    modules = {"mlflow": ModuleType("mlflow"), "mlflow.tracking": ModuleType("mlflow.tracking")}
    modules["mlflow.tracking"].MlflowClient = MlflowClient
    return modules


STAND_INS = {"wandb": wandb, "mlflow": mlflow}


def test_every_tracker_is_under_test():
    assert set(STAND_INS) == set(TRACKERS)


@pytest.mark.parametrize("name", STAND_INS)
def test_a_run_that_stops_and_goes_on_is_one_run(name, tmp_path, monkeypatch):
    told = Told()
    for module, stand_in in STAND_INS[name](told).items():
        monkeypatch.setitem(sys.modules, module, stand_in)
    config = TrainConfig(trackers=[name])
    recipe = {"train": {"seed": 3}, "augment": []}

    def run(steps):
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        sinks = open_trackers(config.trackers, tmp_path)
        with Tracker(tmp_path, "title", 4, steps[0], False, sinks) as tracker:
            for step in steps:
                if step == 2 and len(steps) > 2:
                    raise KeyboardInterrupt
                tracker.log(step, {"loss": 1.0 / step})

    with pytest.raises(KeyboardInterrupt):
        run([1, 2, 3])
    run([2, 3])
    (made,) = told.runs.values()
    assert made["values"] == [(1, {"loss": 1.0}), (2, {"loss": 0.5}), (3, {"loss": 1 / 3})]
    assert made["ends"] == [False, True]
    assert made["config"] in (recipe, {"train.seed": "3", "augment": "[]"})


def test_an_unknown_or_absent_tracker_is_told_before_anything_is_done(monkeypatch):
    with pytest.raises(RecipeError, match="did you mean wandb"):
        TrainConfig(trackers=["wandbs"])
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingPackageError, match="pip install mlflow"):
        TrainConfig(trackers=["mlflow"])
