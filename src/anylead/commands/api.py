"""The commands as functions of Python: the same words, the fields of a recipe as keywords.

Parts of a recipe are given as a dict (`train={"epochs": 3}`) or as the dataclass they are; where a
command wants a folder, the `Store` or `Model` in hand will do. Nothing is imported before it is
used: `read` and `prepare` need no torch.
"""

import csv
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylead import formats
from anylead.commands import cli
from anylead.commands.choices import check_values
from anylead.commands.recipes import build
from anylead.datasets import Corpus
from anylead.errors import RecipeError
from anylead.records import Record
from anylead.store import Store

_NOTHING = {"sample_rate": None, "leads": None, "unit": "mV"}

if TYPE_CHECKING:
    import pandas

    from anylead.commands.finetune import ModelConfig
    from anylead.inference.model import Model
    from anylead.inference.named import NamedModel


def read(path: str | Path) -> Record:
    """A recording from a file of any supported format.

    Raises:
        FormatError: it cannot be read as an ECG.
    """
    return formats.read(path)


def prepare(
    dataset: str | Path = "folder",
    root: str | Path | None = None,
    *,
    records: Any = None,
    sample_rate: float | None = None,
    channels: str | Sequence[str] | None = None,
    unit: str = "mV",
    measurements: Sequence[str] = (),
    **fields: Any,
) -> Store:
    """Recordings of a corpus, a folder or from memory -> a store.

    Args:
        dataset: a name in `anylead.datasets.DATASETS`, or the folder of recordings.
        root: folder of the dataset; none for generated data.
        records: in place of a dataset: Records, arrays (lead, time), a DataFrame with a recording
            in each row, or whatever yields these.
        sample_rate: Hz of arrays.
        channels: names of the rows of arrays, in any order, or a set such as "12".
        unit: of arrays: "mV", "uV", "V", "nV", or "NU" for no voltage.
        measurements: columns of a DataFrame that hold numbers, to be learned by regression.
        fields: of `anylead.commands.prepare.Recipe`, such as `out`, `options`, `preprocess`.

    Raises:
        AnyleadError: the dataset or the store cannot be used.
    """
    from anylead.commands import prepare as command
    from anylead.datasets import DATASETS
    from anylead.inference import inputs

    corpus = None
    if records is not None:
        if root is not None or dataset != "folder":
            raise RecipeError("records are in place of dataset and root; give one or the other")
        items, _ = inputs.as_list(records, measurements)
        corpus = _corpus(items, {"sample_rate": sample_rate, "leads": channels, "unit": unit})
        if unused := inputs.unused_columns(records, measurements):
            told = f"warning: columns of the table that nothing is read from: {', '.join(unused)}"
            corpus = replace(corpus, summary=told)
        fields = {"num_workers": 1, **fields, "options": {"content": _digest(corpus)}}
        dataset = corpus.name
    elif str(dataset) not in DATASETS and Path(dataset).is_dir():
        if root is not None:
            raise RecipeError(f"dataset {str(dataset)!r} is a folder already; leave out root")
        dataset, root = "folder", dataset
    recipe = recipe_of("prepare", {"out": "store", "dataset": dataset, "root": root, **fields})
    command.run(recipe, corpus=corpus)
    return Store.open(recipe.out)


def _corpus(recordings: Sequence[Any], arrays: Mapping[str, Any]) -> Corpus:
    """Recordings in memory as a dataset; their ids are made different."""
    from anylead.inference import inputs

    items: list[tuple[str, Any]] = []
    taken: set[str] = set()
    for number, record in enumerate(inputs.as_records(recordings, **arrays)):
        name = record.record_id or f"recording {number}"
        name = f"{name} {number}" if name in taken else name
        taken.add(name)
        items.append((name, record))
    return Corpus("memory", items, _second)


def _second(item: tuple[str, Any]) -> Record:
    record: Record = item[1]
    return record


def _digest(corpus: Corpus) -> str:
    """A hash of all recordings, so that a store of others is not taken for theirs."""
    digest = sha256()
    for _, record in corpus.items:
        told = {name: value for name, value in vars(record).items() if name != "signal"}
        digest.update(repr(sorted(told.items())).encode())
        digest.update(record.signal.tobytes())
    return digest.hexdigest()


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


def embed(
    recordings: Any,
    model: "Model | str | Path | None" = None,
    *,
    sample_rate: float | None = None,
    channels: str | Sequence[str] | None = None,
    unit: str = "mV",
    **fields: Any,
) -> "pandas.DataFrame":
    """One vector per recording.

    Args:
        recordings: a store, a folder, a file or several; or from memory: Records, arrays
            (lead, time), a DataFrame, or whatever yields these.
        model: a `Model`, or what `anylead.load` takes; None takes the one in the box.
        sample_rate: Hz of arrays.
        channels: names of the rows of arrays, in any order, or a set such as "12".
        unit: of arrays: "mV", "uV", "V", "nV", or "NU" for no voltage.
        fields: of `anylead.commands.embed.Recipe`, such as `out`, `leads`, `layer`, `num_workers`.

    Returns:
        record_id, patient_id, and a column for each number of the vector: ecg0, ecg1, ...

    Raises:
        AnyleadError: the recordings or the model cannot be used.
    """
    arrays = {"sample_rate": sample_rate, "leads": channels, "unit": unit}
    return _over("embed", recordings, model, arrays, fields)


def predict(
    recordings: Any,
    model: "Model | str | Path | None" = None,
    *,
    sample_rate: float | None = None,
    channels: str | Sequence[str] | None = None,
    unit: str = "mV",
    **fields: Any,
) -> "pandas.DataFrame":
    """What a model says of recordings, and how far to trust it with the leads that are there.

    Args:
        recordings, model, sample_rate, channels, unit: as for `embed`.
        fields: of `anylead.commands.predict.Recipe`, such as `out`, `leads`, `windows`, `force`.

    Returns:
        A row for each recording (or window): probabilities, decisions, signal quality, warnings,
        leads seen, model and version. `Model.answer` gives the same as objects.

    Raises:
        AnyleadError: the recordings or the model cannot be used.
    """
    arrays = {"sample_rate": sample_rate, "leads": channels, "unit": unit}
    return _over("predict", recordings, model, arrays, fields)


def list_models() -> "list[NamedModel]":
    """Models that have a name: in the box, in the user's cache, known elsewhere."""
    from anylead.inference import named

    return named.list_models()


def _over(
    verb: str,
    recordings: Any,
    model: "Model | str | Path | None",
    arrays: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> "pandas.DataFrame":
    """A command over many recordings, read from its file; what is in memory becomes a store."""
    from anylead.commands import screen
    from anylead.inference import inputs, many, outputs
    from anylead.inference.model import load
    from anylead.inference.named import default

    command = import_module(f"anylead.commands.{verb}")
    place = place_of(recordings)
    with tempfile.TemporaryDirectory(prefix="anylead-") as folder:
        given = {"out": Path(folder) / "rows.parquet", "num_workers": 1, **fields}
        given["model"] = default() if model is None else model
        written = _with_paths({**given, "source": place or "memory"}, Path(folder))
        recipe = recipe_of(verb, written)
        loaded = given["model"]
        if not _is_model(loaded):
            loaded = load(recipe.model, preset=recipe.preset, precision=recipe.precision)
        settings = command.settings_of(recipe, loaded)
        if place is not None:
            if arrays != _NOTHING:
                raise RecipeError("sample_rate, channels and unit are for arrays, not for files")
            out = command.run(recipe, None if "out" in fields else screen.nowhere())
            if "out" not in fields:
                _warn_of_left_out(many.rejected_file(Path(out)))
            return outputs.flat_table(out, command.OUTPUT, settings).to_pandas()
        records = inputs.as_records(inputs.as_list(recordings)[0], **arrays)
        made = outputs.make_in_memory(loaded, records, command.OUTPUT, settings)
        if "out" in fields:
            outputs.write(recipe.out, made, command.OUTPUT, settings)
        return outputs.OUTPUTS[command.OUTPUT].flat(made, settings).to_pandas()


def _warn_of_left_out(listed: Path, most: int = 5) -> None:
    """Say which recordings have no row, and why; their list goes with the folder it lies in."""
    if not listed.is_file():
        return
    with listed.open(newline="", encoding="utf-8") as text:
        reasons = [": ".join(row) for row in csv.reader(text)][1:]
    if reasons:
        told = "; ".join(reasons[:most]) + ("; ..." if len(reasons) > most else "")
        warnings.warn(f"{len(reasons)} recordings left out: {told}", stacklevel=4)


def place_of(recordings: Any) -> str | None:
    """Where recordings lie on the disk, as commands take it; None where they are in memory."""
    if isinstance(recordings, str | Path | Store):
        return str(_plain(recordings))
    if isinstance(recordings, list | tuple) and recordings:
        names = [str(each) for each in recordings if isinstance(each, str | Path)]
        if len(names) == len(recordings) and not any("," in name for name in names):
            return ",".join(names)
    return None


def recipe_of(verb: str, fields: Mapping[str, Any]) -> Any:
    """The recipe of a command from its fields; parts may be dicts or dataclasses.

    Raises:
        AnyleadError: an unknown field, a value of the wrong type, or a name in none of our tables.
    """
    recipe_type = import_module(f"anylead.commands.{cli.VERBS[verb].module}").Recipe
    given = {name: _plain(value) for name, value in fields.items()}
    if isinstance(given.get("leads"), Iterable):
        leads = given["leads"]
        given["leads"] = leads if isinstance(leads, str) else ",".join(map(str, leads))
    recipe = build(recipe_type, given)
    if verb != "prepare":  # its dataset may be what is in memory
        check_values(verb, recipe)
    return recipe


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
    if not _is_model(value):
        return value
    if value.source is not None:
        return str(value.source)
    return str(value.save(folder / f"{len(list(folder.iterdir()))}"))


def _is_model(value: Any) -> bool:
    return type(value).__name__ == "Model"  # not imported for it: `prepare` needs no torch


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
