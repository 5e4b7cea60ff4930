"""What `anylead finetune` has to know of a task, and what a task is made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anylead.augment import Augmentation
from anylead.augment.keep_leads import KeepLeads
from anylead.errors import RecipeError
from anylead.loading import Labels
from anylead.store import Store
from anylead.tasks.linear_head import AverageConfig
from anylead.tasks.waves import WaveConfig


@dataclass(frozen=True)
class LabelConfig:
    """Which labels, for how many recordings.

    Attributes:
        task: label task of the store, for regression a measurement ("age", or a column of numbers
            of a table), or several joined by "+"; null takes the only one. For survival
            "TIME+EVENT", a measurement and one of 0 and 1 (or a class).
        fraction: share of the training patients that are used.
    """

    task: str | None = None
    fraction: float = 1.0


_OF_LOSS = {"focal": ("gamma",), "asymmetric": ("gamma_positive", "gamma_negative", "margin")}


@dataclass(frozen=True)
class LossConfig:
    """What wrong answers cost; the defaults of the losses are those of their papers.

    Attributes:
        name: null takes the first: of classification "cross_entropy", "focal" or "asymmetric"; of
            multiclass "cross_entropy" or "focal"; of regression "squared", "absolute" or "huber".
        gamma: of the focal loss: the larger, the less count those that are nearly right.
        gamma_positive: of the asymmetric loss, likewise for labels that are there.
        gamma_negative: likewise for labels that are not.
        margin: of the asymmetric loss; less probable labels that are not there cost nothing.
        balanced: labels weigh the more the rarer they are among the training recordings: the ratio
            of negatives to positives, of classes that exclude each other the inverse frequency.
        class_weight: label -> factor of its loss where it is there; beside `balanced`, of that.
        row_weight: measurement that says how much each recording counts; its mean is made 1.
    """

    name: str | None = None
    gamma: float = 2.0
    gamma_positive: float = 0.0
    gamma_negative: float = 4.0
    margin: float = 0.05
    balanced: bool = False
    class_weight: dict[str, float] = field(default_factory=dict)
    row_weight: str | None = None

    def __post_init__(self) -> None:
        for name in ("gamma", "gamma_positive", "gamma_negative"):
            value = getattr(self, name)
            if value != 0 and not 1 <= value <= 20:  # below 1 the slope has no bound
                raise RecipeError(f"loss.{name} {value}: want 0, or 1 to 20")
        for loss, names in _OF_LOSS.items():
            for name in names:
                if self.name != loss and getattr(self, name) != getattr(LossConfig, name):
                    raise RecipeError(f"loss.{name}: of loss.name {loss}; name it, or leave it out")
        if not 0 <= self.margin < 1:
            raise RecipeError(f"loss.margin {self.margin}: want 0 or more, below 1")
        for label, factor in self.class_weight.items():
            if not 0 <= factor < float("inf"):
                raise RecipeError(f"loss.class_weight {label} {factor}: want 0 or more")


@dataclass(frozen=True)
class IdentityConfig:
    """How persons are told apart; the defaults are the paper's.

    Attributes:
        classes: what one class of the training is: all recordings of a patient, or one recording.
        scale: ArcFace multiplies cosines by it.
        margin: ArcFace adds it to the angle of the true class, radians.
    """

    classes: Literal["patients", "records"] = "records"
    scale: float = 192.0
    margin: float = 1.0


@dataclass(frozen=True)
class TaskParts:
    """What a task is made from.

    Attributes:
        store: prepared recordings.
        train_rows: (record,) rows to learn from.
        valid_rows: (record,) rows to choose the best epoch with.
        encoder: any encoder.
        augment: in training.
        segment_seconds: what the model sees at once.
        labels: which labels.
        identity: of the task "identification".
        seed: of the run.
        average: of the weights, for all tasks but identification.
        loss: likewise.
        head: "linear" or "attentive", likewise.
        waves: of the task "waves".
    """

    store: Store
    train_rows: NDArray[Any]
    valid_rows: NDArray[Any]
    encoder: nn.Module
    augment: Augmentation
    segment_seconds: float
    labels: LabelConfig = field(default_factory=LabelConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    seed: int = 0
    average: AverageConfig = field(default_factory=AverageConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    head: str = "linear"
    waves: WaveConfig = field(default_factory=WaveConfig)


class Run(NamedTuple):
    """How a module is run over batches.

    device: where.
    precision: of the forward pass.
    batch_size: segments at once.
    restrict: takes leads away.
    """

    device: torch.device
    precision: torch.dtype
    batch_size: int
    restrict: KeepLeads

    def rows_with_leads(self, store: Store, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows that have any of the leads.

        Raises:
            RecipeError: none has.
        """
        kept = rows[self.restrict.is_kept(store.has_lead[rows]).any(axis=1)]
        if not len(kept):
            raise RecipeError("no recording in the validation split has any of the leads")
        return kept


class Verdict(NamedTuple):
    """What the validation split says.

    score: the larger the better; NaN where there is none.
    facts: to be kept in the checkpoint.
    """

    score: float
    facts: dict[str, Any]


class TaskSetup(Protocol):
    """A task made ready for a store."""

    @property
    def module(self) -> nn.Module:
        """The objective; it has an `encoder`."""
        ...

    @property
    def labels(self) -> Labels | None:
        """Targets of the batches, or None."""
        ...

    @property
    def train_rows(self) -> NDArray[Any]:
        """Rows of the store to learn from."""
        ...

    @property
    def score_name(self) -> str:
        """Of the validation."""
        ...

    def validate(self, run: Run) -> Verdict:
        """Score the validation split."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training; names start with "encoder." and "head."."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the checkpoint has to say of the task."""
        ...


@dataclass(frozen=True)
class Task:
    """A line of `TASKS`.

    Attributes:
        label_task: the label task of the store that rows must be labelled for (or the measurements
            that must be known), or None.
        make: parts -> the task made ready.
        names: store, label task -> the names of its outputs.
        ignores: parts and options of a recipe that mean nothing to it.
    """

    label_task: Callable[[Store, str | None], str | None]
    make: Callable[[TaskParts], TaskSetup]
    names: Callable[[Store, str | None], Sequence[str]] = lambda store, task: ()
    ignores: Sequence[str] = ("identity", "waves")
