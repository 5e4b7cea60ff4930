"""Pieces of a recipe that several verbs share: which data, which encoder, which augmentations."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import nn

from anylead.augment import AUGMENTATIONS, Augmentation, compose
from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import WEIGHTS, load_checkpoint
from anylead.errors import RecipeError
from anylead.models import ENCODERS, SIZES, build_encoder, load_weights
from anylead.store import Store


@dataclass(frozen=True)
class DataConfig:
    """Which recordings.

    Attributes:
        store: folder made by `anylead prepare`; several, separated by commas, are not joined:
            prepare them into one.
        scheme: "auto" = the corpus's official split where it has one, else 8:1:1 by patient;
            "folds:8:9" = fold 8 validates, 9 tests, the others train.
        segment_seconds: length of what the model sees at once.
    """

    store: str = "store"
    scheme: str = "auto"
    segment_seconds: float = 5.0


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, where no checkpoint gives one.

    Attributes:
        size: "tiny", "small" or "base" (the paper's, or the usual one of the kind).
        overrides: fields of `EncoderConfig`, or `ResNet1dConfig`, to change.
        kind: "transformer" or "resnet1d", a plain convolutional network for comparison.
    """

    size: str = "base"
    overrides: dict[str, Any] = field(default_factory=dict)
    kind: str = "transformer"


def new_encoder(choice: EncoderChoice) -> nn.Module:
    """An encoder with fresh weights.

    Raises:
        RecipeError: unknown size or field.
    """
    if choice.kind not in SIZES:
        raise RecipeError(f"encoder.kind {choice.kind!r}; known are {', '.join(SIZES)}")
    sizes = SIZES[choice.kind]
    if choice.size not in sizes:
        raise RecipeError(f"encoder size {choice.size!r}; known are {', '.join(sizes)}")
    described = {**asdict(sizes[choice.size]), **known_overrides(choice.overrides, choice.kind)}
    return build_encoder({"kind": choice.kind, **described})


def known_overrides(overrides: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The overrides, once each is known to be a field of the encoder.

    Raises:
        RecipeError: it is not.
    """
    known = [item.name for item in fields(ENCODERS[kind][0])]
    unknown = overrides.keys() - set(known)
    if unknown:
        raise RecipeError(
            f"encoder.overrides: unknown {', '.join(sorted(unknown))};"
            f" a {kind} has {', '.join(known)}"
        )
    return dict(overrides)


def starting_encoder(checkpoint: str | None, choice: EncoderChoice) -> nn.Module:
    """The encoder of a checkpoint, or a fresh one."""
    if checkpoint is None:
        return new_encoder(choice)
    if (Path(checkpoint) / WEIGHTS).is_file():
        loaded = load_checkpoint(Path(checkpoint))
    else:  # imported here and by name, since a step of a training has no use for other formats
        named = import_module("anylead.inference.named")
        loaded = named.open_checkpoint(checkpoint)[0]
    described = loaded.description["encoder"]
    overrides = known_overrides(choice.overrides, described["kind"])
    encoder = build_encoder({**described, **overrides})
    load_weights(encoder, loaded.part("encoder"), checkpoint)
    return encoder


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
            raise RecipeError(f"augmentation {name!r}; known are {', '.join(AUGMENTATIONS)}")
        try:
            made.append(AUGMENTATIONS[name](**fields))
        except TypeError as error:
            raise RecipeError(f"augmentation {name}: {error}") from error
    return compose(made)


def split_rows(
    store: Store, config: DataConfig, split: str, leads: str, task: str | None = None
) -> NDArray[np.int64]:
    """Rows of a split that have at least one of the leads, and labels of the task if one is named.

    Raises:
        LeadError: no such leads.
    """
    rows = store.split_rows(task, config.scheme)[split]
    return rows[KeepLeads(leads).is_kept(store.has_lead[rows]).any(axis=1)]


def write_recipe(folder: Path, verb: str, recipe: object) -> None:
    """Keep the resolved recipe in the run folder, ready to be given to the command again.

    Raises:
        RecipeError: the folder cannot be made or written.
    """
    values = yaml.safe_dump(asdict(recipe), sort_keys=False)  # type: ignore[call-overload]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(f"# anylead {verb} recipe.yaml\n{values}")
    except OSError as error:
        raise RecipeError(f"out: {folder}: {error.strerror}; choose another folder") from error


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
        },
    }
