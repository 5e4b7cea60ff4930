"""anylead finetune: train an encoder for diagnosis, from a checkpoint or from random weights."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import save_checkpoint
from anylead.errors import RecipeError
from anylead.loading import Labels, TrainingLoader, evaluation_batches
from anylead.metrics.classification import classification_scores
from anylead.metrics.thresholds import best_f1_thresholds
from anylead.models import describe_encoder
from anylead.store import Store
from anylead.tasks import Classification, predict
from anylead.training import (
    Machine,
    OptimizerConfig,
    Progress,
    ScheduleConfig,
    TrainConfig,
    find_machine,
    fit,
)
from anylead.training.parts import (
    DataConfig,
    EncoderChoice,
    build_augmentation,
    describe_data,
    starting_encoder,
    train_rows,
    write_recipe,
)


@dataclass(frozen=True)
class ModelConfig:
    """What is fine-tuned, and how much of it.

    Attributes:
        checkpoint: run folder of `anylead pretrain`; null starts from random weights.
        encoder: which encoder, where no checkpoint gives one; its overrides hold for both (the
            paper fine-tunes with {dropout: 0, attention_dropout: 0, activation_dropout: 0.1,
            input_dropout: 0}).
        train: "full" trains everything, "frozen_features" all but the convolutions (the paper),
            "linear_probe" only the head.
    """

    checkpoint: str | None = None
    encoder: EncoderChoice = field(default_factory=EncoderChoice)
    train: Literal["full", "frozen_features", "linear_probe"] = "frozen_features"


@dataclass(frozen=True)
class LabelConfig:
    """Which labels, for how many recordings.

    Attributes:
        task: label task of the store; null takes its only one.
        fraction: share of the training patients whose labels are used.
    """

    task: str | None = None
    fraction: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A fine-tuning run for multi-label diagnosis; the defaults are the paper's.

    Attributes:
        out: folder of the run.
        leads: the model is trained on these leads only; a named set or a list.
        augment: in training, in order; {name: random_lead_mask} makes the model serve any leads.
        data: which recordings.
        labels: which labels.
        model: what is fine-tuned.
        optimizer: Adam's settings.
        schedule: of the learning rate.
        train: how long and where.
    """

    out: str = "runs/finetune"
    leads: str = "12"
    augment: list[dict[str, Any]] = field(default_factory=list)
    data: DataConfig = field(default_factory=DataConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(eps=1e-8))
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=100, batch_size=128))


def run(recipe: Recipe) -> Path:
    """Train to the end and keep the best epoch; returns the run folder for `anylead evaluate`."""
    store = Store.open(recipe.data.store)
    task_name = choose_task(store, recipe.labels.task)
    label, _ = store.labels(task_name)
    labels = Labels(label, tuple(store.manifest.label_names[task_name]))
    machine = find_machine(recipe.train)
    task = build(recipe, len(labels.names))
    folder = Path(recipe.out)
    if machine.world.is_main:
        write_recipe(folder, "finetune", recipe)
    rows = fraction_of_patients(
        train_rows(store, recipe.data, task_name),
        store.patient,
        recipe.labels.fraction,
        recipe.train.seed,
    )
    loader = TrainingLoader(
        store,
        rows,
        recipe.train.batch_size,
        recipe.data.segment_seconds,
        "random",
        recipe.train.seed,
        labels,
    )
    choice = _Choice(recipe, store, task, task_name, labels, folder, machine)
    fit(
        task,
        loader,
        recipe.train,
        recipe.optimizer,
        recipe.schedule,
        folder,
        machine,
        choice.after_epoch,
    )
    return folder


def build(recipe: Recipe, num_labels: int) -> Classification:
    """The task module of a recipe, parts that are not trained frozen."""
    encoder = starting_encoder(recipe.model.checkpoint, recipe.model.encoder)
    augment = build_augmentation([{"name": "keep_leads", "leads": recipe.leads}, *recipe.augment])
    task = Classification(encoder, num_labels, augment)
    if recipe.model.train == "linear_probe":
        freeze(task.encoder)
    elif recipe.model.train == "frozen_features" and recipe.model.checkpoint:
        freeze(task.encoder.feature_extractor)  # type: ignore[arg-type]
    return task


def freeze(module: nn.Module) -> None:
    """Leave a module as it is from here on."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)


def choose_task(store: Store, wanted: str | None) -> str:
    """The label task asked for, or the only one.

    Raises:
        RecipeError: none is named and the store has several, or none at all.
    """
    known = list(store.manifest.label_names)
    if wanted is not None:
        return wanted
    if len(known) != 1:
        raise RecipeError(f"labels.task: name one of the store's label tasks {known}")
    return known[0]


def fraction_of_patients(
    rows: NDArray[np.int64], patient: NDArray[np.int64], fraction: float, seed: int
) -> NDArray[np.int64]:
    """The rows of a random share of the patients; a larger share holds the smaller ones.

    Raises:
        RecipeError: the share is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise RecipeError(f"labels.fraction {fraction}: want more than 0 and at most 1")
    patients = np.random.default_rng(seed).permutation(np.unique(patient[rows]))
    chosen = patients[: max(1, round(fraction * len(patients)))]
    return rows[np.isin(patient[rows], chosen)]


class _Choice:
    """Scores the validation split after each epoch and keeps the best weights."""

    def __init__(
        self,
        recipe: Recipe,
        store: Store,
        task: Classification,
        task_name: str,
        labels: Labels,
        folder: Path,
        machine: Machine,
    ):
        self.recipe, self.store, self.task, self.task_name = recipe, store, task, task_name
        self.labels, self.folder, self.machine = labels, folder, machine
        self.rows = store.split_rows(task_name, recipe.data.scheme)["valid"]
        if not len(self.rows):
            raise RecipeError(f"no recording in the validation split has labels of {task_name!r}")

    def after_epoch(self, progress: Progress) -> dict[str, float]:
        """Macro AUROC of the validation split with the leads of the training."""
        if not self.machine.world.is_main:
            return {}
        batches = evaluation_batches(
            self.store, self.rows, self.recipe.data.segment_seconds, self.recipe.train.batch_size
        )
        restrict = KeepLeads(self.recipe.leads)
        predictions = predict(
            self.task, batches, self.machine.device, self.machine.precision, restrict
        )
        label = self.labels.label[predictions.row]
        score = classification_scores(label, predictions.probability).macro_auroc
        # The last epoch wins where no epoch has a score (a class that never occurs).
        if not score < progress.facts.get("best_auroc", -1.0):
            progress.facts |= {"best_auroc": score, "best_step": progress.step}
            thresholds = best_f1_thresholds(label, predictions.probability)
            save_checkpoint(
                self.folder, self.task.state_dict(), self._describe(progress, thresholds)
            )
        return {"valid_auroc": score}

    def _describe(self, progress: Progress, thresholds: NDArray[np.float64]) -> dict[str, Any]:
        return {
            "kind": "classification",
            "encoder": describe_encoder(self.task.encoder),
            "task": self.task_name,
            "label_names": list(self.labels.names),
            "thresholds": thresholds.tolist(),
            "leads": self.recipe.leads,
            **describe_data(self.store, self.recipe.data),
            "provenance": {
                "verb": "finetune",
                "recipe": asdict(self.recipe),
                "steps": progress.step,
                "valid_auroc": progress.facts["best_auroc"],
            },
        }
