"""anylead pretrain: learn an encoder from recordings without labels."""

import logging
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.checkpoint import save_checkpoint
from anylead.commands.parts import (
    DataConfig,
    EncoderChoice,
    begun,
    build_augmentation,
    describe_data,
    inherited,
    split_rows,
    starting_encoder,
    tell_left_out,
)
from anylead.errors import RecipeError
from anylead.loading import Crop, TrainingLoader
from anylead.methods import Pretraining, find_method
from anylead.models import Encoder, MaskedPrediction, MaskedPredictionConfig, describe_encoder
from anylead.models.latent_prediction import LatentPrediction, LatentPredictionConfig
from anylead.models.signal_prediction import SignalPrediction, SignalPredictionConfig
from anylead.store import Store
from anylead.training.fit import fit
from anylead.training.optimizer import OptimizerConfig
from anylead.training.schedule import ScheduleConfig
from anylead.training.settings import TrainConfig, find_machine

_TOLD = logging.getLogger(__name__)
FIRST = (
    "data.store",
    "out",
    "method",
    "leads",
    "augment",
    "checkpoint",
    "encoder.size",
    "train.epochs",
    "train.batch_size",
    "optimizer.learning_rate",
    "train.device",
    "train.resume",
    "train.overwrite",
)
EXAMPLES = (
    "anylead pretrain recipes/pretrain_w2v_cmsc_rlm.yaml --out runs/pre",
    "anylead pretrain --data.store store/ --method simclr --epochs 50",
    "anylead pretrain runs/pre/recipe.yaml --resume",
)


@dataclass(frozen=True)
class Recipe:
    """A pre-training run; the defaults are the paper's W2V+CMSC without lead masking.

    Attributes:
        out: folder of the run.
        method: a name in `anylead.methods.METHODS`, or a local and a global one joined by "+",
            such as wav2vec2+simclr.
        local_weight: of the contrast of masked frames; null = the method's.
        global_weight: of the contrast of recordings; null = the method's.
        contrast: "two_way" (each pair of views, N x N) or "nt_xent" (all 2N views); null = the
            method's.
        patient_positives: other recordings of a patient attract; else they are left out.
        temperature: of the global contrast.
        leads: the model is trained on these leads only; a named set or a list.
        augment: augmentations of the views in order, each {name: ..., field: ...}; random lead
            masking is {name: random_lead_mask}. Null takes those the method cannot do without.
        local_augment: of the segments of a local contrast that sees other views than the global
            one (wav2vec2+simclr); null takes `augment`, where that is given.
        checkpoint: start from the encoder of another run.
        keep: "last" keeps the weights of the last step (the paper); "best" scores the validation
            split after each epoch, with the same crops, masks and noise each time, logs it as
            valid_loss, and keeps the epoch with the smallest.
        data: which recordings.
        encoder: which encoder, where no checkpoint gives one.
        local: settings of the local contrast.
        latent: settings of the latent objective (data2vec).
        signal: settings of the objective that draws the signal.
        optimizer: Adam's settings.
        schedule: of the learning rate.
        train: how long and where.
    """

    out: str = "runs/pretrain"
    method: str = "wav2vec2_cmsc"
    local_weight: float | None = None
    global_weight: float | None = None
    contrast: Literal["two_way", "nt_xent"] | None = None
    patient_positives: bool = False
    temperature: float = 0.1
    leads: str = "12"
    augment: list[dict[str, Any]] | None = None
    local_augment: list[dict[str, Any]] | None = None
    checkpoint: str | None = None
    keep: Literal["last", "best"] = "last"
    data: DataConfig = field(default_factory=DataConfig)
    encoder: EncoderChoice = field(default_factory=EncoderChoice)
    local: MaskedPredictionConfig = field(default_factory=MaskedPredictionConfig)
    latent: LatentPredictionConfig = field(default_factory=LatentPredictionConfig)
    signal: SignalPredictionConfig = field(default_factory=SignalPredictionConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def run(recipe: Recipe) -> Path:
    """Train to the end, keep the last (or best) epoch; returns the folder for `finetune`."""
    store = Store.open(recipe.data.store)
    machine = find_machine(recipe.train)
    objective = build(recipe, store)
    rows = split_rows(store, recipe.data, "train", recipe.leads)
    rows = long_enough(recipe, objective, store, rows)
    with begun("pretrain", recipe, store, machine) as folder:
        loader = loader_of(recipe, store, rows, recipe.train.batch_size)
        tell_left_out(loader, machine)
        best = None
        if recipe.keep == "best":
            keeping = import_module("anylead.commands.keep_best")  # by name: few trainings need it
            best = keeping.Best(
                objective,
                split_rows(store, recipe.data, "valid", recipe.leads),
                partial(loader_of, recipe, store),
                recipe.train,
                machine,
                folder.path,
                partial(describe, recipe, objective, store),
            )
        progress = fit(
            objective, loader, recipe, folder, machine, best.after_epoch if best else None
        )
        if best is None:
            if machine.world.is_main:
                description = describe(recipe, objective, store, progress.step)
                save_checkpoint(folder.path, objective.state_dict(), description)
        elif "best_step" not in progress.facts:  # fewer steps than one epoch has
            best.after_epoch(progress)
    return folder.path


def loader_of(
    recipe: Recipe, store: Store, rows: NDArray[np.int64], batch_size: int
) -> TrainingLoader:
    """Batches of some rows, as the recipe wants them."""
    data, seed = recipe.data, recipe.train.seed
    return TrainingLoader(store, rows, batch_size, data.segment_seconds, crop_of(recipe), seed)


def long_enough(
    recipe: Recipe, objective: Pretraining, store: Store, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows whose segments hold a masked span; how many are left out is told.

    Raises:
        RecipeError: none of them does.
    """
    if not isinstance(objective.encoder, Encoder):
        return rows
    if not isinstance(objective.local, MaskedPrediction | LatentPrediction | SignalPrediction):
        return rows
    span = objective.local.config.span
    segment = round(recipe.data.segment_seconds * store.manifest.sample_rate)
    length = torch.from_numpy(np.minimum(segment, store.num_samples[rows] // 2))
    frames = objective.encoder.feature_extractor.num_frames(length).numpy()
    kept = rows[frames >= span]
    if len(rows) and not len(kept):
        raise RecipeError(
            f"segments of {length.max() / store.manifest.sample_rate:g} s make {frames.max()}"
            f" frames, a masked span has {span} (local.span): take longer segments"
            " (data.segment_seconds; a recording holds two) or a smaller span"
        )
    if len(kept) < len(rows):
        _TOLD.warning("%d recordings too short for a masked span left out", len(rows) - len(kept))
    return kept


def crop_of(recipe: Recipe) -> Crop:
    """What of a recording is one sample."""
    if recipe.data.samples == "random":
        return "pair"
    return "every_pair" if find_method(recipe.method).needs_pairs else "every_segment"


def build(recipe: Recipe, store: Store | None = None) -> Pretraining:
    """The objective of a recipe; its checkpoint must fit the store, if one is given.

    Raises:
        RecipeError: an unknown method, augmentation or encoder.
    """
    method = find_method(recipe.method)
    given: dict[str, Any] = {
        "local_weight": recipe.local_weight,
        "global_weight": recipe.global_weight,
        "contrast": recipe.contrast,
        "patient_positives": recipe.patient_positives,
    }
    method = replace(method, **{name: value for name, value in given.items() if value is not None})
    own = [{"name": name, **fields} for name, fields in method.augment.items()]
    augment = own if recipe.augment is None else recipe.augment
    for_local = recipe.local_augment if recipe.local_augment is not None else recipe.augment
    keep = {"name": "keep_leads", "leads": recipe.leads}
    return Pretraining(
        starting_encoder(recipe.checkpoint, recipe.encoder, store),
        method,
        build_augmentation([keep, *augment]),
        recipe.local,
        recipe.temperature,
        build_augmentation([keep, *(for_local or [])]),
        recipe.signal if method.local == "signal" else recipe.latent,
    )


def describe(recipe: Recipe, objective: Pretraining, store: Store, step: int) -> dict[str, Any]:
    """What the checkpoint says about itself."""
    return {
        "kind": "pretraining",
        "encoder": describe_encoder(objective.encoder),
        "leads": recipe.leads,
        "local": None if objective.local is None else asdict(objective.local.config),  # type: ignore[call-overload]
        **describe_data(store, recipe.data),
        **inherited(recipe.checkpoint),
        "provenance": {"verb": "pretrain", "recipe": asdict(recipe), "steps": step},
    }
