"""anylead finetune: train an encoder for a task, from a checkpoint or from random weights."""

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import save_checkpoint
from anylead.commands.parts import (
    DataConfig,
    EncoderChoice,
    begun,
    build_augmentation,
    describe_data,
    inherited,
    split_rows,
    starting_checkpoint,
    starting_encoder,
)
from anylead.errors import RecipeError, known_are
from anylead.leads import LEAD_SETS, parse_leads
from anylead.loading import Crop, Labels, TrainingLoader
from anylead.models import describe_encoder
from anylead.store import Store
from anylead.tasks import (
    TASKS,
    AverageConfig,
    IdentityConfig,
    LabelConfig,
    LossConfig,
    Run,
    TaskParts,
    TaskSetup,
    Verdict,
    WaveConfig,
)
from anylead.tasks.teaching import (
    Teacher,
    TeacherConfig,
    answers_by_leads,
    check_teachers,
    taught_columns,
    taught_labels,
)
from anylead.tasks.verdicts import join_verdicts
from anylead.training.fit import fit
from anylead.training.optimizer import OptimizerConfig
from anylead.training.schedule import ScheduleConfig
from anylead.training.settings import Machine, TrainConfig, find_machine
from anylead.training.watching import Progress

_log = logging.getLogger(__name__)

FIRST = (
    "data.store",
    "out",
    "task",
    "leads",
    "labels.task",
    "labels.fraction",
    "loss.name",
    "model.checkpoint",
    "model.train",
    "train.epochs",
    "train.batch_size",
    "optimizer.learning_rate",
    "train.device",
    "train.resume",
)
EXAMPLES = (
    "anylead finetune recipes/finetune_diagnosis.yaml --checkpoint runs/pre",
    "anylead finetune --data.store store/ --fraction 0.1 --model.train full",
    "anylead finetune runs/finetune/recipe.yaml --resume",
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
            "linear_probe" only the head, "attentive_probe" only a head that looks at single
            frames instead of their mean (not for identification).
    """

    checkpoint: str | None = None
    encoder: EncoderChoice = field(default_factory=EncoderChoice)
    train: Literal["full", "frozen_features", "linear_probe", "attentive_probe"] = "frozen_features"


@dataclass(frozen=True)
class Recipe:
    """A fine-tuning run; the defaults are the paper's for multi-label diagnosis.

    Attributes:
        out: folder of the run.
        task: "classification" (labels that may occur together), "multiclass" (one class for each
            recording), "regression" (measurements), "survival" (follow-up and event),
            "identification" (the paper: learning rate 3e-5, tri_stage), "waves" (where P, QRS and
            T begin and end, or beats by class; wants marks).
        leads: the model is trained on these leads only; a named set or a list.
        lead_sets: the validation score is the mean over these lead sets, separated by spaces; null
            takes `leads`. Thresholds are chosen for each of them.
        threshold_sets: lead sets, separated by spaces, that have thresholds of their own beside
            these; null: every named set within `leads`.
        keep: "best" keeps the epoch with the best validation score, "last" the last step.
        validate_every: at least so many steps lie between two looks at the validation split; for
            few labels, where an epoch is a step or two.
        augment: in training, in order; {name: random_lead_mask} makes the model serve any leads.
        data: which recordings.
        labels: which labels, and for how many patients.
        identity: how persons are told apart, for identification.
        model: what is fine-tuned.
        loss: what wrong answers cost; weights of labels and recordings.
        teacher: fine-tuned models whose answers are targets, too; for labels.
        average: of the weights over the steps, and what it teaches; not for identification.
        waves: the decoder over samples, for waves.
        optimizer: Adam's settings.
        schedule: of the learning rate.
        train: how long and where.
    """

    out: str = "runs/finetune"
    task: str = "classification"
    leads: str = "12"
    lead_sets: str | None = None
    threshold_sets: str | None = None
    keep: Literal["best", "last"] = "best"
    validate_every: int = 1
    augment: list[dict[str, Any]] = field(default_factory=list)
    data: DataConfig = field(default_factory=DataConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    average: AverageConfig = field(default_factory=AverageConfig)
    waves: WaveConfig = field(default_factory=WaveConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(eps=1e-8))
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=100, batch_size=128))


def run(recipe: Recipe) -> Path:
    """Train to the end, keep the best (or last) epoch; returns the folder for `evaluate`."""
    store = Store.open(recipe.data.store)
    machine = find_machine(recipe.train)
    rows, setup = build(recipe, store)
    teachers = find_teachers(recipe, store, setup)
    with begun("finetune", recipe, store, machine) as folder:
        labels = setup.labels
        if teachers:
            rows, labels = _taught(recipe, store, setup, teachers, machine)
        loader = TrainingLoader(
            store,
            rows,
            recipe.train.batch_size,
            recipe.data.segment_seconds,
            crop_of(recipe),
            recipe.train.seed,
            labels,
        )
        choice = _Choice(recipe, store, setup, folder.path, machine)
        progress = fit(setup.module, loader, recipe, folder, machine, choice.after_epoch)
        if progress.facts.get("validated_step") != progress.step:  # it ended within an epoch
            choice.validate(progress)
    return folder.path


def crop_of(recipe: Recipe) -> Crop:
    """What of a recording is one sample."""
    return "random" if recipe.data.samples == "random" else "every_segment"


def build(recipe: Recipe, store: Store) -> tuple[NDArray[np.int64], TaskSetup]:
    """The rows to train on and the task made ready, parts that are not trained frozen.

    Raises:
        RecipeError: an unknown task, or nothing to train or validate on.
    """
    label_task, rows = training_rows(recipe, store)
    is_attentive = recipe.model.train == "attentive_probe"
    if is_attentive and label_task is None:
        raise RecipeError("model.train attentive_probe: not for identification; want linear_probe")
    setup = TASKS[recipe.task].make(
        TaskParts(
            store=store,
            train_rows=rows,
            valid_rows=split_rows(store, recipe.data, "valid", recipe.leads, label_task),
            encoder=starting_encoder(recipe.model.checkpoint, recipe.model.encoder, store),
            augment=build_augmentation(
                [{"name": "keep_leads", "leads": recipe.leads}, *recipe.augment]
            ),
            segment_seconds=recipe.data.segment_seconds,
            labels=recipe.labels,
            identity=recipe.identity,
            seed=recipe.train.seed,
            average=recipe.average,
            head="attentive" if is_attentive else "linear",
            loss=recipe.loss,
            waves=recipe.waves,
        )
    )
    freeze_parts(setup.module.encoder, recipe.model)  # type: ignore[arg-type]
    return setup.train_rows, setup


def find_teachers(recipe: Recipe, store: Store, setup: TaskSetup) -> list[Teacher]:
    """The models that teach, seen to fit.

    Raises:
        CheckpointError: there is no such model.
        RecipeError, StoreError: it does not fit the task or the store.
    """
    teachers = [Teacher(name, starting_checkpoint(name)) for name in recipe.teacher.every_model]
    if teachers:
        check_teachers(teachers, recipe.teacher, setup, store, recipe.data.scheme)
    return teachers


def _taught(
    recipe: Recipe, store: Store, setup: TaskSetup, teachers: list[Teacher], machine: Machine
) -> tuple[NDArray[np.int64], Labels]:
    """All recordings of the training split, and what is to be learned from them."""
    rows = split_rows(store, recipe.data, "train", recipe.leads)
    run = Run(machine.device, machine.precision, recipe.train.batch_size, KeepLeads("12"))
    if machine.world.is_main:
        _log.info(
            "%d recordings with labels; teachers answer for %d", len(setup.train_rows), len(rows)
        )
    columns = torch.from_numpy(taught_columns(recipe.teacher, setup))
    module: Any = setup.module
    module.leave_to_others(columns)
    known = {each.name: each for each in teachers}
    by_leads = {
        lead_set: [known[name] for name in names]
        for lead_set, names in recipe.teacher.by_leads.items()
    }
    if by_leads:
        answers = answers_by_leads(by_leads, recipe.teacher, setup, store, rows, run)
        module.by_leads = answers.to(machine.device)
    first = [known[name] for name in recipe.teacher.models]
    return rows, taught_labels(first, recipe.teacher, setup, store, rows, run)


def training_rows(recipe: Recipe, store: Store) -> tuple[str | None, NDArray[np.int64]]:
    """The label task, and the rows to train on.

    Raises:
        RecipeError: an unknown task, or none named where there are several.
    """
    if recipe.task not in TASKS:
        raise RecipeError(f"task {recipe.task!r}{known_are(recipe.task, TASKS)}")
    label_task = TASKS[recipe.task].label_task(store, recipe.labels.task)
    rows = split_rows(store, recipe.data, "train", recipe.leads, label_task)
    chosen = fraction_of_patients(rows, store.patient, recipe.labels.fraction, recipe.train.seed)
    return label_task, chosen


def freeze_parts(encoder: nn.Module, model: ModelConfig) -> None:
    """Freeze what the recipe does not train."""
    if model.train in ("linear_probe", "attentive_probe"):
        freeze(encoder)
    elif model.train == "frozen_features" and model.checkpoint:
        extractor = dict(encoder.named_children()).get("feature_extractor")
        if extractor is None:
            raise RecipeError(
                f"model.train frozen_features: a {type(encoder).__name__} has no separate"
                " convolutions; want full, linear_probe or attentive_probe"
            )
        freeze(extractor)


def freeze(module: nn.Module) -> None:
    """Leave a module as it is from here on."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)


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
        self, recipe: Recipe, store: Store, setup: TaskSetup, folder: Path, machine: Machine
    ):
        self.recipe, self.store, self.setup = recipe, store, setup
        self.folder, self.machine = folder, machine
        self.choosing = tuple((recipe.lead_sets or recipe.leads).split())
        self.label_names = setup.describe().get("label_names", [])
        self.others = self._other_sets() if self.label_names else ()

    def after_epoch(self, progress: Progress) -> dict[str, float]:
        """The score of the validation split, if it is time for it."""
        since = progress.step - progress.facts.get("validated_step", 0)
        return self.validate(progress) if since >= self.recipe.validate_every else {}

    def validate(self, progress: Progress) -> dict[str, float]:
        """The mean score of the validation split over the lead sets that choose."""
        progress.facts["validated_step"] = progress.step
        if not self.machine.world.is_main:
            return {}
        verdicts = {name: self._verdict(name) for name in self.choosing}
        scores = {name: verdict.score for name, verdict in verdicts.items()}
        score = float(np.mean(list(scores.values())))
        best_of_set = progress.facts.setdefault("best_of_set", {})
        for name, value in scores.items():
            if not value < best_of_set.get(name, {}).get("score", -np.inf):
                best_of_set[name] = {"step": progress.step, "score": value}
        # The last epoch wins where no epoch has a score (a class that never occurs).
        is_best = not score < progress.facts.get("best_score", -np.inf)
        if is_best or self.recipe.keep == "last":
            progress.facts |= {"best_score": score, "best_step": progress.step}
            verdicts |= {name: self._verdict(name) for name in self.others}
            save_checkpoint(
                self.folder,
                self.setup.weights(),
                self._describe(progress, join_verdicts(verdicts, self.label_names)),
            )
        return {self.setup.score_name: score}

    def _other_sets(self) -> tuple[str, ...]:
        """Sets that do not choose but have thresholds, of which a recording has any lead."""
        leads, wanted = set(parse_leads(self.recipe.leads)), self.recipe.threshold_sets
        if wanted is None:
            sets = [name for name, members in LEAD_SETS.items() if set(members) <= leads]
        else:
            sets = list(dict.fromkeys(wanted.split()))
        has_lead = self.store.has_lead
        return tuple(
            name
            for name in sets
            if name not in self.choosing and KeepLeads(name).is_kept(has_lead).any()
        )

    def _verdict(self, lead_set: str) -> Verdict:
        machine = self.machine
        restrict = KeepLeads(lead_set)
        return self.setup.validate(
            Run(machine.device, machine.precision, self.recipe.train.batch_size, restrict)
        )

    def _describe(self, progress: Progress, facts: dict[str, Any]) -> dict[str, Any]:
        return {
            **self.setup.describe(),
            **facts,
            "encoder": describe_encoder(self.setup.module.encoder),  # type: ignore[arg-type]
            "leads": self.recipe.leads,
            **describe_data(self.store, self.recipe.data),
            **inherited(self.recipe.model.checkpoint),
            "provenance": {
                "verb": "finetune",
                "recipe": asdict(self.recipe),
                "steps": progress.step,
                "pretraining": _pretraining(self.recipe.model.checkpoint),
                self.setup.score_name: progress.facts["best_score"],
                "best_of_set": progress.facts["best_of_set"],
            },
        }


def _pretraining(checkpoint: str | None) -> dict[str, Any] | None:
    """How the encoder that was started from was made."""
    if checkpoint is None:
        return None
    described = starting_checkpoint(checkpoint).description
    provenance = described.get("provenance", {})
    return {
        "method": provenance.get("recipe", {}).get("method"),
        "steps": provenance.get("steps"),
        "data": described.get("data"),
    }
