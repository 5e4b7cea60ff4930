"""Everything that a table will need, looked at before its first step is paid for.

Stores, splits, label tasks, pairs of recordings, scores, devices, memory; and that nobody who is
tested was learned from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.commands import finetune, pretrain
from anylead.commands.parts import split_rows, starting_checkpoint
from anylead.errors import AnyleadError, RecipeError
from anylead.evaluation import EVALUATIONS, Settings
from anylead.evaluation.identification import find_sessions
from anylead.evaluation.scores import choose_split
from anylead.loading import TrainingLoader
from anylead.models import EncoderConfig
from anylead.models.weightless import weightless
from anylead.store import Store
from anylead.store.persons import persons_of, record_keys
from anylead.tables.memory import step_bytes
from anylead.tables.plan import ALL_LEADS, Fit, Plan, Values, build_recipe, merge
from anylead.tasks import TASKS

_SHOWN = 5
_RECIPES: dict[str, type[Any]] = {"pretrain": pretrain.Recipe, "finetune": finetune.Recipe}


@dataclass(frozen=True)
class Wanted:
    """What a table asks for beside its plan.

    Attributes:
        settings: of the scores.
        scores: task -> the score that rows are compared by.
        devices: where runs go.
        shares_persons: whether persons who are tested may be learned from.
    """

    settings: Settings
    scores: Mapping[str, str]
    devices: Sequence[str]
    shares_persons: bool = False


@dataclass
class Checked:
    """What the look found.

    Attributes:
        num_steps: key of a run -> its steps.
        leaks: what was learned from persons who are tested.
    """

    num_steps: dict[str, int] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Learned:
    """What a run learns from.

    Attributes:
        store: of it.
        rows: of the store.
        num_steps: of the run.
    """

    store: Store
    rows: NDArray[np.int64]
    num_steps: int


def check(plan: Plan, wanted: Wanted) -> Checked:
    """Look at all runs of a plan.

    Raises:
        RecipeError: what is missing or does not fit, and which rows want it.
    """
    for device in wanted.devices:
        _check_device(device)
    looker = _Looker(wanted)
    checked = Checked()
    learned: dict[str, _Learned] = {}
    for kind, fits in (("pretrain", plan.pretrainings), ("finetune", plan.finetunings)):
        for key, fit in fits.items():
            try:
                learned[key] = looker.learned(kind, fit)
                if kind == "finetune":
                    before = [learned[fit.after]] if fit.after else []
                    tasks = {cell.task for cell in plan.cells if cell.fit == key}
                    checked.leaks += looker.judged(fit, tasks, [learned[key], *before])
            except AnyleadError as error:
                raise RecipeError(f"{names_of(plan, key)}: {error}") from None
            checked.num_steps[key] = learned[key].num_steps
    checked.leaks = list(dict.fromkeys(checked.leaks))
    if checked.leaks and not wanted.shares_persons:
        raise RecipeError(
            f"{'; '.join(checked.leaks)}; leave them out (data.exclude), or say"
            " shares_persons: true, and the table says so too"
        )
    return checked


def names_of(plan: Plan, key: str) -> str:
    """Rows and tasks that a run is for."""
    users = [fit.key for fit in plan.finetunings.values() if fit.after == key] or [key]
    cells = [cell for cell in plan.cells if cell.fit in users]
    rows = list(dict.fromkeys(cell.row for cell in cells))
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    seeds = ",".join(dict.fromkeys(str(cell.seed) for cell in cells))
    sets = list(dict.fromkeys(name for cell in cells for name in cell.lead_sets))
    leads = f", leads {sets[0]}" if len(sets) == 1 else ""
    return f"{', '.join(rows)} ({', '.join(tasks)}{leads}, seed {seeds})"


class _Looker:
    """Opens what several runs share once."""

    def __init__(self, wanted: Wanted):
        self.wanted = wanted
        self._stores: dict[str, Store] = {}
        self._recipes: dict[str, Any] = {}
        self._modules: dict[str, Any] = {}
        self._learned: dict[str, _Learned] = {}
        self._judged: dict[str, list[str]] = {}

    def store(self, path: str) -> Store:
        if path not in self._stores:
            self._stores[path] = Store.open(path)
        return self._stores[path]

    def recipe(self, kind: str, fit: Fit) -> Any:
        """The recipe of a run, whatever its seed."""
        values = _alike(fit.values)
        key = json.dumps([kind, values], sort_keys=True)
        if key not in self._recipes:
            self._recipes[key] = build_recipe(_RECIPES[kind], values)
        recipe = replace(self._recipes[key], leads=fit.values.get("leads", ALL_LEADS))
        if kind == "finetune":
            fraction = fit.values["labels"]["fraction"]
            recipe = replace(recipe, labels=replace(recipe.labels, fraction=fraction))
        return recipe

    def module(self, kind: str, fit: Fit, recipe: Any) -> Any:
        """What is trained, weightless; built once for all lead sets, seeds and shares of labels."""
        key = json.dumps([kind, _alike(fit.values)], sort_keys=True)
        if key not in self._modules:
            with weightless():
                if kind == "pretrain":
                    self._modules[key] = pretrain.build(recipe)
                else:
                    self._modules[key] = finetune.build(recipe, self.store(recipe.data.store))[
                        1
                    ].module
        return self._modules[key]

    def learned(self, kind: str, fit: Fit) -> _Learned:
        """Rows and steps of a run, once its parts could be built, weightless."""
        key = json.dumps([kind, _without_seed(fit.values)], sort_keys=True)
        if key not in self._learned:
            recipe = self.recipe(kind, fit)
            store = self.store(recipe.data.store)
            if kind == "pretrain":
                rows = split_rows(store, recipe.data, "train", recipe.leads)
            else:
                rows = finetune.training_rows(recipe, store)[1]
                for name in recipe.teacher.every_model:
                    starting_checkpoint(name)  # raises
            module = self.module(kind, fit, recipe)
            crop = pretrain.crop_of(recipe) if kind == "pretrain" else finetune.crop_of(recipe)
            train, data = recipe.train, recipe.data
            loader = TrainingLoader(
                store, rows, train.batch_size, data.segment_seconds, crop, train.seed
            )
            width = 2 if crop in ("pair", "every_pair") else 1
            self._check_memory(module, loader, width * loader.sampler.batch_size, train)
            steps = train.steps or train.epochs * loader.sampler.steps_per_epoch
            self._learned[key] = _Learned(store, np.unique(loader.rows), steps)
        return self._learned[key]

    def judged(self, fit: Fit, tasks: set[str], learned: Sequence[_Learned]) -> list[str]:
        """Look at what a fine-tuned run is scored on; tells persons who were learned from."""
        values = _alike(fit.values)
        rows = sorted({each.rows.tobytes() for each in learned})
        key = json.dumps([values, fit.evaluate, sorted(tasks), [hash(row) for row in rows]])
        if key not in self._judged:
            recipe = self.recipe("finetune", fit)
            store, tested = self._tested(fit, recipe)
            store.check_fits(learned[0].store.manifest.preprocess, "the training")
            self._check_scores(recipe, store, learned[0].store, tasks)
            self._judged[key] = _leaks(store, tested, learned)
        return self._judged[key]

    def _check_scores(self, recipe: Any, store: Store, learned: Store, tasks: set[str]) -> None:
        target = TASKS[recipe.task]
        task = target.label_task(learned, recipe.labels.task)
        names = target.names(learned, task)
        if target.names(store, target.label_task(store, task)) != names:
            raise RecipeError(f"{store.location}: has other labels for {task!r}")
        known = EVALUATIONS[recipe.task].score_names(names)
        for task in tasks:
            if self.wanted.scores.get(task, known[0]) not in known:
                raise RecipeError(
                    f"scores: {task} has no score {self.wanted.scores[task]!r}; it has"
                    f" {', '.join(known)}"
                )

    def _tested(self, fit: Fit, recipe: Any) -> tuple[Store, NDArray[np.int64]]:
        """What a fine-tuned run is scored on."""
        settings = replace(self.wanted.settings, **fit.evaluate)
        store = self.store(settings.store or recipe.data.store)
        scheme = recipe.data.scheme if settings.store in (None, recipe.data.store) else "auto"
        task = TASKS[recipe.task].label_task(store, recipe.labels.task)
        split, rows = choose_split(store, task, scheme, settings.split)
        if recipe.task == "identification":
            sessions = find_sessions(store, split, rows, settings)
            rows = np.unique(np.concatenate([sessions.gallery, sessions.probe]))
        return store, rows

    def _check_memory(
        self, module: Any, loader: TrainingLoader, num_segments: int, train: Any
    ) -> None:
        config = getattr(module.encoder, "config", None)
        cards = [name for name in self.wanted.devices if name.startswith("cuda")]
        if not cards or not isinstance(config, EncoderConfig):
            return
        parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
        needed = step_bytes(
            config,
            parameters,
            loader.segment,
            -(-num_segments // train.accumulate),
            train.recompute,
            train.precision == "fp32",
        )
        smallest = min(torch.cuda.get_device_properties(name).total_memory for name in cards)
        if needed > smallest:
            raise RecipeError(
                f"a step needs about {needed / 1e9:.0f} GB, the device has {smallest / 1e9:.0f};"
                " set train.recompute true, or a larger train.accumulate"
            )


def _leaks(store: Store, rows: NDArray[np.int64], learned: Sequence[_Learned]) -> list[str]:
    """Persons who are tested and learned from, told once for each store."""
    persons, found = persons_of(store, rows), []
    for each in learned:
        is_known = persons.among(each.store)[each.rows]
        if is_known.any():
            keys = np.array(record_keys(each.store), dtype=object)[each.rows[is_known]]
            shown = ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
            found.append(
                f"{len(keys)} recordings of {each.store.location} that are learned from"
                f" are of persons who are tested ({shown})"
            )
    return found


def _check_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError(f"devices: {name!r} is no device; want cpu or cuda:0") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RecipeError(
            f"devices: {name}: this machine has {torch.cuda.device_count()} CUDA devices"
        )


def _without_seed(values: Values) -> Values:
    return merge(values, {"train": {"seed": 0}})


def _alike(values: Values) -> Values:
    """What runs for other lead sets, seeds and shares of the labels have in common."""
    kept = {name: value for name, value in _without_seed(values).items() if name != "leads"}
    return merge(kept, {"labels": {"fraction": 1.0}}) if "labels" in kept else kept
