"""Services that runs are told to besides the log and TensorBoard: Weights & Biases, MLflow.

Each is a package of its own; where they keep or send runs is set as that package's documentation
says (environment variables). A resumed run goes on under the same id, kept in `trackers.json`.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from anylead.errors import MissingPackageError, RecipeError, known_are
from anylead.training.run_folder import RECIPE

_IDS = "trackers.json"
_PROJECT = "anylead"


class _WandB:
    """Weights & Biases."""

    def __init__(self, folder: Path, recipe: Mapping[str, Any], run_id: str | None):
        self._run = import_module("wandb").init(
            project=_PROJECT,
            name=folder.name,
            dir=str(folder),
            config=dict(recipe),
            id=run_id,
            resume="allow",
        )
        self.run_id = str(self._run.id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the numbers of a step."""
        self._run.log(dict(values), step=step)

    def close(self, is_whole: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=0 if is_whole else 1)


class _MLflow:
    """MLflow."""

    def __init__(self, folder: Path, recipe: Mapping[str, Any], run_id: str | None):
        self._client = import_module("mlflow.tracking").MlflowClient()
        if run_id is None:
            experiment = self._client.get_experiment_by_name(_PROJECT)
            number = experiment and experiment.experiment_id
            number = number or self._client.create_experiment(_PROJECT)
            run_id = self._client.create_run(number, run_name=folder.name).info.run_id
            for name, value in _flat(recipe):
                self._client.log_param(run_id, name, str(value)[:500])
        self.run_id = str(run_id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the numbers of a step."""
        for name, value in values.items():
            self._client.log_metric(self.run_id, name, value, step=step)

    def close(self, is_whole: bool) -> None:
        """End the run."""
        self._client.set_terminated(self.run_id, "FINISHED" if is_whole else "FAILED")


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any], str | None], _WandB | _MLflow]] = {
    "wandb": _WandB,
    "mlflow": _MLflow,
}


def open_trackers(names: list[str], folder: Path) -> list[_WandB | _MLflow]:
    """The trackers of a run, each under the id that it had before.

    Args:
        names: in `TRACKERS`.
        folder: of the run, with its recipe in it.

    Raises:
        RecipeError: an unknown name.
        MissingPackageError: the package is not installed.
    """
    path = folder / _IDS
    ids: dict[str, str] = {}
    with suppress(OSError, ValueError):
        ids = json.loads(path.read_text())
    recipe: dict[str, Any] = {}
    if (folder / RECIPE).is_file():
        recipe = yaml.safe_load((folder / RECIPE).read_text())
    opened = []
    for name in names:
        check_name(name)
        sink = TRACKERS[name](folder, recipe, ids.get(name))
        ids[name] = sink.run_id
        opened.append(sink)
    if opened:
        path.write_text(json.dumps(ids))
    return opened


def check_name(name: str) -> None:
    """Make sure that there is such a tracker and its package.

    Raises:
        RecipeError: an unknown name.
        MissingPackageError: the package is not installed.
    """
    if name not in TRACKERS:
        raise RecipeError(f"train.trackers {name!r}{known_are(name, TRACKERS)}")
    try:
        import_module(name)
    except ImportError:
        raise MissingPackageError(
            f"{name} is not installed; run: python -m pip install {name}"
        ) from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        is_part = isinstance(value, Mapping) and value
        found += _flat(value, f"{prefix}{name}.") if is_part else [(prefix + name, value)]
    return found
