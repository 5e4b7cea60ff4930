"""Pieces of a recipe that several verbs share: which data, which encoder, which augmentations."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import nn

from anylead.augment import AUGMENTATIONS, Augmentation, compose
from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import WEIGHTS, Checkpoint, load_checkpoint
from anylead.errors import RecipeError, known_are
from anylead.loading import TrainingLoader
from anylead.models import ENCODERS, build_encoder, describe_encoder, load_weights
from anylead.preprocessing import PreprocessConfig
from anylead.store import Store
from anylead.training.run_folder import RECIPE, RunFolder, deciding_fields
from anylead.training.settings import Machine, Settings


@dataclass(frozen=True)
class DataConfig:
    """Which recordings.

    Attributes:
        store: folder made by `anylead prepare`; several, separated by commas, are joined, each
            with its own split, or one by hash where it has none.
        scheme: "auto" = the corpus's official split where it has one, else 8:1:1 by patient;
            "folds:8:9" = fold 8 validates, 9 tests, the others train; "all" = all train.
        segment_seconds: length of what the model sees at once.
        samples: "random": of each recording one segment, or adjacent pair, at a random place, once
            an epoch; "every": all its segments, or adjacent pairs, from its start (the paper).
        exclude: persons who are neither learned from nor chosen by, whatever store they are in:
            a store, a text file with an id of a patient or recording on each line, {store: STORE,
            splits: [valid, test], scheme: hash}, {store: STORE, only: pairs} (those with two
            recordings or more), or a list of these.
    """

    store: str = "store"
    scheme: str = "auto"
    segment_seconds: float = 5.0
    samples: Literal["random", "every"] = "random"
    exclude: list[str | dict[str, Any]] | str = field(default_factory=list)


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, where no checkpoint gives one.

    Attributes:
        size: "tiny", "small" or "base" (the paper's, or the usual one of the kind); null: base.
        overrides: fields of `EncoderConfig`, or of the config of another kind, to change.
        kind: "transformer"; "resnet1d", a plain convolutional network for comparison; or the
            architecture of a public encoder, such as "ecg_jepa" (`docs/models.md`); null:
            transformer.
    """

    size: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    kind: str | None = None


def new_encoder(choice: EncoderChoice) -> nn.Module:
    """An encoder with fresh weights.

    Raises:
        RecipeError: unknown size or field.
    """
    return build_encoder(described(choice))


def described(choice: EncoderChoice) -> dict[str, Any]:
    """The description of the encoder that is chosen.

    Raises:
        RecipeError: unknown kind, size or field.
    """
    kind, size = choice.kind or "transformer", choice.size or "base"
    if kind not in ENCODERS:
        raise RecipeError(f"encoder.kind {kind!r}{known_are(kind, ENCODERS)}")
    sizes = ENCODERS[kind].sizes
    if size not in sizes:
        raise RecipeError(f"encoder size {size!r}{known_are(size, sizes)}")
    return {"kind": kind, **asdict(sizes[size]), **known_overrides(choice.overrides, kind)}


def known_overrides(overrides: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The overrides, once each is known to be a field of the encoder.

    Raises:
        RecipeError: it is not.
    """
    known = [item.name for item in fields(ENCODERS[kind].config)]
    unknown = overrides.keys() - set(known)
    if unknown:
        raise RecipeError(
            f"encoder.overrides: unknown {', '.join(sorted(unknown))};"
            f" a {kind} has {', '.join(known)}"
        )
    return dict(overrides)


def starting_encoder(
    checkpoint: str | None, choice: EncoderChoice, store: Store | None = None
) -> nn.Module:
    """The encoder of a checkpoint, or a fresh one; it must fit the store, if one is given.

    Raises:
        RecipeError: a size or kind beside a checkpoint that has another one.
        StoreError: the store was prepared in another way than the recordings of the checkpoint.
    """
    if checkpoint is None:
        return new_encoder(choice)
    loaded = starting_checkpoint(checkpoint)
    if store is not None and "preprocess" in loaded.description:
        store.check_fits(PreprocessConfig(**loaded.description["preprocess"]), checkpoint)
    own = loaded.description["encoder"]
    overrides = known_overrides(choice.overrides, own["kind"])
    encoder = build_encoder({**own, **overrides}, loaded.part("encoder"), checkpoint)
    if choice.size is not None or choice.kind is not None:
        _check_same(checkpoint, describe_encoder(encoder), described(choice))
    load_weights(encoder, loaded.part("encoder"), checkpoint)
    return encoder


def starting_checkpoint(source: str) -> Checkpoint:
    """What is started from: a folder, a name, an address on the hub, a foreign file.

    Raises:
        CheckpointError: there is no such model.
    """
    if (Path(source) / WEIGHTS).is_file():
        return load_checkpoint(Path(source))
    # Imported here and by name, since a step of a training has no use for other formats.
    named = import_module("anylead.inference.named")
    found: Checkpoint = named.open_checkpoint(source)[0]
    return found


def _check_same(checkpoint: str, own: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """A size or kind beside a checkpoint must be its own: else it would do nothing."""
    own, chosen = json.loads(json.dumps([own, chosen]))  # lists and tuples are alike
    differs = [
        f"{name} {own.get(name)!r}, not {chosen.get(name)!r}"
        for name in dict.fromkeys([*own, *chosen])
        if own.get(name) != chosen.get(name)
        and not name.endswith("dropout")
        and name not in ("feature_grad_scale", "layer_drop")  # how it was trained
    ]
    if differs:
        raise RecipeError(
            f"encoder.size and encoder.kind beside a checkpoint must be its own; {checkpoint} has"
            f" {'; '.join(differs[:4])}; leave them out"
        )


def build_augmentation(items: Sequence[Mapping[str, Any]]) -> Augmentation:
    """Augmentations in order, each {name: ..., field: ...}.

    Raises:
        RecipeError: unknown name or field.
    """
    made = []
    for item in items:
        fields = dict(item)
        name = fields.pop("name", None)
        if name not in AUGMENTATIONS:
            raise RecipeError(f"augmentation {name!r}{known_are(name, AUGMENTATIONS)}")
        try:
            made.append(AUGMENTATIONS[name](**fields))
        except TypeError as error:
            raise RecipeError(f"augmentation {name}: {error}") from error
    return compose(made)


def split_rows(
    store: Store, config: DataConfig, split: str, leads: str, task: str | None = None
) -> NDArray[np.int64]:
    """Rows of a split that have at least one of the leads, and labels of the task if one is named.

    Those that are to be left out are not in "train" and "valid".

    Raises:
        LeadError: no such leads.
        StoreError: what is to be left out is not there.
    """
    rows = store.split_rows(task, config.scheme)[split]
    if split != "test":
        rows = rows[~_excluded(store, config)[rows]]
    return rows[KeepLeads(leads).is_kept(store.has_lead[rows]).any(axis=1)]


def _excluded(store: Store, config: DataConfig) -> NDArray[np.bool_]:
    """(record,) nobody, most often."""
    is_out: NDArray[np.bool_] = np.zeros(store.num_records, dtype=bool)
    if config.exclude:  # imported here and by name, as most trainings leave nobody out
        is_out = import_module("anylead.store.persons").excluded(store, config.exclude)
    return is_out


def tell_left_out(loader: TrainingLoader, machine: Machine) -> None:
    """Say how many recordings are too short for the samples that are wanted."""
    if loader.num_left_out and machine.world.is_main:
        print(
            f"{loader.num_left_out} recordings shorter than two segments are left out"
            " (data.samples every)",
            file=sys.stderr,
        )


@contextmanager
def begun(verb: str, recipe: Settings, store: Store, machine: Machine) -> Iterator[RunFolder]:
    """The folder of a run, held for it, with the resolved recipe in it, ready to be given again.

    Args:
        verb: of the command.
        recipe: with a field `out`.
        store: of the recordings.
        machine: one rank of it holds the folder.

    Raises:
        RecipeError: the folder holds another run, or cannot be written.
    """
    values = asdict(recipe)  # type: ignore[call-overload]
    folder = RunFolder(
        Path(values["out"]), {**made_from(values), "data": store.manifest.content_hash}
    )
    if not machine.world.is_main:
        yield folder
        return
    with folder.held(recipe.train.resume, recipe.train.overwrite):
        text = yaml.safe_dump(values, sort_keys=False)
        try:
            (folder.path / RECIPE).write_text(f"# anylead {verb} recipe.yaml\n{text}")
        except OSError as error:
            raise RecipeError(
                f"out: {folder.path}: {error.strerror}; choose another folder"
            ) from error
        yield folder


def made_from(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the weights of a run, by name; a checkpoint by what it holds, not its path."""
    values = deciding_fields(recipe)
    for name, held in values.items():
        if name in ("checkpoint", "model.checkpoint"):
            values[name] = _content(held)
        elif name == "teacher.models" or name.startswith("teacher.by_leads."):
            values[name] = [*map(_content, held)]
    return values


def _content(checkpoint: str | None) -> str | None:
    """The hash of a run's weights; anything else stands for itself."""
    weights = Path(checkpoint or "") / WEIGHTS
    if not weights.is_file():
        return checkpoint
    with weights.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def describe_data(store: Store, config: DataConfig) -> dict[str, Any]:
    """What a checkpoint remembers of the data behind it."""
    manifest = store.manifest
    return {
        "preprocess": asdict(manifest.preprocess),
        "segment_seconds": config.segment_seconds,
        "data": {
            "name": manifest.name,
            "records": manifest.num_records,
            "hash": manifest.content_hash,
            "scheme": config.scheme,
            "excluded": int(_excluded(store, config).sum()),
        },
    }


def inherited(checkpoint: str | None) -> dict[str, Any]:
    """What weights made from others' weights go on saying: whose they were, under which licence."""
    if checkpoint is None:
        return {}
    origin = starting_checkpoint(checkpoint).description.get("weights_from")
    return {} if origin is None else {"weights_from": origin}
