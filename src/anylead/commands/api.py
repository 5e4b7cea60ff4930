"""The commands as functions of Python: the same words, the fields of a recipe as keywords.

Parts of a recipe are given as a dict (`train={"epochs": 3}`) or as the dataclass they are; where a
command wants a folder, the `Store` or `Model` in hand will do. Nothing is imported before it is
used: `read` and `prepare` need no torch.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylead import formats
from anylead.commands import cli
from anylead.commands.recipes import build
from anylead.errors import RecipeError
from anylead.records import Record
from anylead.store import Store

if TYPE_CHECKING:
    import pandas

    from anylead.commands.finetune import ModelConfig
    from anylead.inference.model import Model


def read(path: str | Path) -> Record:
    """A recording from a file of any supported format.

    Raises:
        FormatError: it cannot be read as an ECG.
    """
    return formats.read(path)


def prepare(dataset: str | Path = "folder", root: str | Path | None = None, **fields: Any) -> Store:
    """Recordings of a corpus or a folder -> a store.

    Args:
        dataset: a name in `anylead.datasets.DATASETS`, or the folder of recordings.
        root: folder of the dataset; none for generated data.
        fields: of `anylead.commands.prepare.Recipe`, such as `out`, `options`, `preprocess`.

    Raises:
        AnyleadError: the dataset or the store cannot be used.
    """
    from anylead.commands import prepare as command
    from anylead.datasets import DATASETS

    if str(dataset) not in DATASETS and Path(dataset).is_dir():
        if root is not None:
            raise RecipeError(f"dataset {str(dataset)!r} is a folder already; leave out root")
        dataset, root = "folder", dataset
    given = {"out": "store", "dataset": dataset, "root": root, **fields}
    recipe = recipe_of("prepare", given)
    command.run(recipe)
    return Store.open(recipe.out)


def pretrain(store: Store | str | Path | None = None, **fields: Any) -> "Model":
    """Learn an encoder without labels.

    Args:
        store: of `anylead prepare`; None takes that of `data`.
        fields: of `anylead.commands.pretrain.Recipe`, such as `out`, `method`, `encoder`, `train`.

    Returns:
        The encoder; `source` is the folder of the run.

    Raises:
        AnyleadError: the store or the recipe cannot be used.
    """
    return _train("pretrain", store, fields)


def finetune(
    store: Store | str | Path | None = None,
    *,
    model: "Model | ModelConfig | Mapping[str, Any] | str | Path | None" = None,
    **fields: Any,
) -> "Model":
    """Train an encoder for a task with labels.

    Args:
        store: of `anylead prepare`; None takes that of `data`.
        model: what is fine-tuned: a `Model`, a folder or a name, or the recipe's part `model`; None
            starts from random weights.
        fields: of `anylead.commands.finetune.Recipe`, such as `out`, `task`, `labels`, `train`.

    Returns:
        The fine-tuned model; `source` is the folder of the run.

    Raises:
        AnyleadError: the store or the recipe cannot be used.
    """
    return _train("finetune", store, fields if model is None else {**fields, "model": model})


def evaluate(
    runs: "Model | str | Path | Sequence[Model | str | Path]", **fields: Any
) -> "pandas.DataFrame":
    """Scores of fine-tuned runs for every lead set, with a report.

    Args:
        runs: one run, or several of one task.
        fields: of `anylead.commands.evaluate.Recipe`, such as `store`, `split`, `lead_sets`.

    Returns:
        A row for each run, lead set, class ("" for the mean over classes) and score, with the
        bounds of its 95 % interval.

    Raises:
        AnyleadError: no run there, or runs of several tasks.
    """
    import pandas

    from anylead.commands import evaluate as command

    several = runs if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
    with _on_disk([runs, fields]) as (chosen, given):
        folders = ",".join(str(each) for each in (chosen if several is runs else [chosen]))
        scores = command.run(recipe_of("evaluate", {"runs": folders, **given}))
    rows = [
        (score.run, score.lead_set, label, name, value.value, value.low, value.high)
        for score in scores
        for label, values in {"": score.macro, **score.by_class}.items()
        for name, value in values.items()
    ]
    return pandas.DataFrame(
        rows, columns=["run", "leads", "class", "score", "value", "low", "high"]
    )


def recipe_of(verb: str, fields: Mapping[str, Any]) -> Any:
    """The recipe of a command from its fields; parts may be dicts or dataclasses.

    Raises:
        AnyleadError: an unknown field, or a value of the wrong type.
    """
    recipe_type = import_module(f"anylead.commands.{cli.VERBS[verb].module}").Recipe
    return build(recipe_type, {name: _plain(value) for name, value in fields.items()})


def _train(verb: str, store: Store | str | Path | None, fields: Mapping[str, Any]) -> "Model":
    from anylead.inference.model import load

    with _on_disk(dict(fields)) as given:
        if store is not None:
            data = _plain(given.get("data") or {})
            given["data"] = {**data, "store": str(_plain(store))}
        if isinstance(given.get("model"), str | Path):
            given["model"] = {"checkpoint": str(given["model"])}
        folder = import_module(f"anylead.commands.{verb}").run(recipe_of(verb, given))
    return load(folder)


@contextmanager
def _on_disk(value: Any) -> Iterator[Any]:
    """The same with the path of each `Model` in its place; one that has none is written down."""
    with tempfile.TemporaryDirectory(prefix="anylead-") as folder:
        yield _with_paths(value, Path(folder))


def _with_paths(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_paths(each, folder) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_paths(each, folder) for each in value]
    if type(value).__name__ != "Model":  # not imported for it: `prepare` needs no torch
        return value
    if value.source is not None:
        return str(value.source)
    return str(value.save(folder / f"{len(list(folder.iterdir()))}"))


def _plain(value: Any) -> Any:
    """Mappings, lists and plain values, as they stand in a recipe file."""
    if isinstance(value, Store):
        return str(value.location)
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
