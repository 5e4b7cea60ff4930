"""A benchmark recipe -> the runs it needs, each known by a hash of its own recipe and its data.

Cells that need the same pre-training share it, and a finished run is never repeated. A store counts
by what it holds, not by its path: prepared anew from other data it is another run.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from anylead.commands.recipes import build
from anylead.errors import RecipeError, known_are
from anylead.leads import parse_leads

Training = Literal["padded", "per_lead_set", "finetuned_per_lead_set"]
Values = dict[str, Any]
ALL_LEADS = "12"
# Fields of `train` on which no number depends.
_OF_THE_MACHINE = {
    *("device", "accumulate", "compile", "recompute", "sharding"),
    *("log_every", "save_every", "keep_last", "resume", "overwrite", "is_quiet"),
}
# Fields of `Settings` on which the kept evidence does not depend.
_OF_THE_TABLE = {"num_resamples", "batch_size", "device"}


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: as the table shows it.
        pretrain: fields of the pre-training recipe that differ from the benchmark's; null: none,
            the encoder starts from random weights, or from `finetune.model.checkpoint`.
        finetune: fields of the fine-tuning recipe that differ.
        encoder: kind, size and overrides that differ; another kind inherits nothing.
        finetune_encoder: overrides in fine-tuning; null takes the benchmark's, for its own kind.
        tasks: null takes all.
        training: null takes all.
        fractions: of the labels; null takes all.
    """

    name: str
    pretrain: Values | None = None
    finetune: Values = field(default_factory=dict)
    encoder: Values = field(default_factory=dict)
    finetune_encoder: Values | None = None
    tasks: list[str] | None = None
    training: list[Training] | None = None
    fractions: list[float] | None = None


@dataclass(frozen=True)
class Grid:
    """Everything that decides which runs there are.

    Attributes:
        store: of the recordings.
        scheme: of the split.
        segment_seconds: what a model sees at once.
        rows: lines of the table.
        lead_sets: its columns.
        unseen: columns of a model for all lead sets, beside these: sets that no training names.
        training: "padded" = one model, missing leads zero; "per_lead_set" = one for each lead set,
            from pre-training on; "finetuned_per_lead_set" = one pre-training for all of them.
        tasks: name -> fields of the fine-tuning recipe, among them `task`; `evaluate` is how the
            task is scored, `fractions` are shares of its labels.
        fractions: shares of the labels, where a task names none.
        seeds: of weights, order, masks.
        pretrain, finetune: fields of the recipes that all rows share.
        encoder: kind, size and overrides that all rows share.
        finetune_encoder: overrides in fine-tuning.
        evaluate: how rows are scored, where a task does not say.
        content_of: path of a store, or of a list of persons -> hash of what it holds.
        weights_of: a model that a row starts from -> hash of its weights.
    """

    store: str
    scheme: str
    segment_seconds: float
    rows: list[Row]
    lead_sets: list[str]
    unseen: list[str]
    training: list[Training]
    tasks: dict[str, Values]
    fractions: list[float]
    seeds: list[int]
    pretrain: Values
    finetune: Values
    encoder: Values
    finetune_encoder: Values
    evaluate: Values = field(default_factory=dict)
    content_of: Callable[[str], str] = str
    weights_of: Callable[[str], str] = str


@dataclass(frozen=True)
class Fit:
    """A run: its recipe as plain values, and the key made from them.

    Attributes:
        key: hash of the values.
        values: of `pretrain.Recipe` or `finetune.Recipe`, without `out`.
        after: key of the pre-training it starts from, or None.
        evaluate: how it is scored, where that differs from the benchmark.
    """

    key: str
    values: Values
    after: str | None = None
    evaluate: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One training of one row for one task; it fills one or several lead sets of the table.

    Attributes:
        row: name.
        task: name in the recipe.
        training: padded, or per lead set.
        fraction: of the labels.
        seed: of the run.
        lead_sets: that it is scored on.
        fit: key of its fine-tuning.
    """

    row: str
    task: str
    training: Training
    fraction: float
    seed: int
    lead_sets: tuple[str, ...]
    fit: str


@dataclass(frozen=True)
class Plan:
    """All runs, each once, and the cells made from them."""

    pretrainings: dict[str, Fit]
    finetunings: dict[str, Fit]
    cells: list[Cell]

    def lead_sets_of(self, key: str) -> list[str]:
        """All lead sets that a fine-tuned run is scored on."""
        sets = [name for cell in self.cells if cell.fit == key for name in cell.lead_sets]
        return list(dict.fromkeys(sets))


def make_plan(grid: Grid) -> Plan:
    """List all runs and cells, a whole table for the first seed before the next one.

    Raises:
        RecipeError: the grid is empty or names something unknown.
    """
    _check(grid)
    plan = Plan({}, {}, [])
    for seed in grid.seeds:
        for row in grid.rows:
            for task in row.tasks or grid.tasks:
                fractions = row.fractions or grid.tasks[task].get("fractions") or grid.fractions
                for training in row.training or grid.training:
                    for fraction in fractions:
                        _add(plan, grid, row, task, training, fraction, seed)
    if not plan.cells or not grid.lead_sets:
        raise RecipeError("the recipe asks for no run: it wants rows, tasks, lead_sets and seeds")
    return plan


def _add(
    plan: Plan, grid: Grid, row: Row, task: str, training: Training, fraction: float, seed: int
) -> None:
    known = [parse_leads(name) for name in grid.lead_sets]
    unseen = [name for name in grid.unseen if parse_leads(name) not in known]
    columns = (*grid.lead_sets, *unseen)
    groups = (
        [(ALL_LEADS, columns)]
        if training == "padded"
        else [(name, (name,)) for name in grid.lead_sets]
    )
    for leads, lead_sets in groups:
        seen = leads if training == "per_lead_set" else ALL_LEADS
        before = _pretraining(grid, row, seen, seed)
        if before is not None:
            plan.pretrainings[before.key] = before
        fit = _finetuning(grid, row, task, leads, fraction, seed, before)
        plan.finetunings[fit.key] = fit
        plan.cells.append(Cell(row.name, task, training, fraction, seed, lead_sets, fit.key))


def _pretraining(grid: Grid, row: Row, leads: str, seed: int) -> Fit | None:
    if row.pretrain is None:
        return None
    values = merge(grid.pretrain, row.pretrain)
    values = merge({"data": _data(grid)}, values)
    # A seed in the recipe holds for all: they share one pre-training.
    values = merge({"train": {"seed": seed}}, values)
    values = merge(values, {"encoder": encoder_values(grid, row)})
    return _fit(grid, values if leads == ALL_LEADS else {**values, "leads": leads})


def _finetuning(
    grid: Grid, row: Row, task: str, leads: str, fraction: float, seed: int, before: Fit | None
) -> Fit:
    values = merge(merge(grid.finetune, grid.tasks[task]), row.finetune)
    has_weights = bool(values.get("model", {}).get("checkpoint"))
    overrides = row.finetune_encoder
    if overrides is None:
        is_other = has_weights or _is_other_kind(grid, row)
        overrides = {} if is_other else grid.finetune_encoder
    encoder = merge(encoder_values(grid, row), {"overrides": overrides})
    if before is not None or has_weights:
        encoder = {"overrides": overrides}  # its checkpoint tells the rest
    values = merge(
        merge({"data": _data(grid)}, values),
        {
            "leads": leads,
            "labels": {"fraction": fraction},
            "model": {"encoder": encoder},
            "train": {"seed": seed},
        },
    )
    evaluate = merge(grid.evaluate, values.pop("evaluate", {}))
    values.pop("fractions", None)
    return _fit(grid, values, None if before is None else before.key, evaluate)


def _data(grid: Grid) -> Values:
    return {
        "store": grid.store,
        "scheme": grid.scheme,
        "segment_seconds": grid.segment_seconds,
    }


def encoder_values(grid: Grid, row: Row) -> Values:
    """The encoder of a row; one of another kind than the benchmark's inherits nothing."""
    return dict(row.encoder) if _is_other_kind(grid, row) else merge(grid.encoder, row.encoder)


def _is_other_kind(grid: Grid, row: Row) -> bool:
    kind = grid.encoder.get("kind", "transformer")
    return bool(row.encoder.get("kind", kind) != kind)


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> Values:
    """Nested values, those of `change` winning."""
    merged = dict(base)
    for name, value in change.items():
        inner = merged.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def build_recipe(recipe_type: type[Any], values: Values) -> Any:
    """A recipe from plain values, as the command line builds it.

    Raises:
        RecipeError: an unknown field or a value of the wrong type.
    """
    name = recipe_type.__module__.rpartition(".")[2]
    return build(recipe_type, values, where=f"{name}: ")


def _fit(
    grid: Grid,
    values: Values,
    after: str | None = None,
    evaluate: Values | None = None,
) -> Fit:
    data, content_of = values["data"], grid.content_of
    exclude = data.get("exclude", [])
    known = {
        **data,
        "store": content_of(data["store"]),
        "exclude": [
            content_of(item)
            if isinstance(item, str)
            else {**item, "store": content_of(item.get("store", ""))}
            for item in ([exclude] if isinstance(exclude, str) else exclude)
        ],
    }
    model = values.get("model", {})
    if model.get("checkpoint"):
        model = {**model, "checkpoint": grid.weights_of(model["checkpoint"])}
    scored = {name: v for name, v in (evaluate or {}).items() if name not in _OF_THE_TABLE}
    if scored.get("store"):
        scored["store"] = content_of(scored["store"])
    train = {name: v for name, v in values.get("train", {}).items() if name not in _OF_THE_MACHINE}
    alike = {**values, "data": known, "train": train}
    if model:
        alike["model"] = model
    text = json.dumps([alike, after, scored], sort_keys=True)
    return Fit(hashlib.sha256(text.encode()).hexdigest()[:16], values, after, evaluate or {})


def _check(grid: Grid) -> None:
    names = [row.name for row in grid.rows]
    if len(set(names)) != len(names):
        raise RecipeError(f"rows: a name stands twice among {', '.join(names)}")
    for name in ("lead_sets", "unseen", "training", "fractions", "seeds"):
        known: dict[Any, Any] = {}
        for value in getattr(grid, name):
            same = parse_leads(value) if name in ("lead_sets", "unseen") else value
            if same in known:
                raise RecipeError(f"{name}: {value} is {known[same]} again; name it once")
            known[same] = value
    for training in grid.training:
        if training not in get_args(Training):
            raise RecipeError(f"training {training!r}{known_are(training, get_args(Training))}")
    for row in grid.rows:
        unknown = set(row.tasks or ()) - set(grid.tasks)
        if unknown:
            raise RecipeError(f"row {row.name!r}: no task {', '.join(sorted(unknown))} in tasks")
