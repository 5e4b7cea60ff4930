"""What `anylead finetune` has to know of a task, and what a task is made from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anylead.augment import Augmentation
from anylead.augment.keep_leads import KeepLeads
from anylead.loading import Labels
from anylead.store import Store
from anylead.tasks.classification import AverageConfig
from anylead.tasks.waves import WaveConfig


@dataclass(frozen=True)
class LabelConfig:
    """Which labels, for how many recordings.

    Attributes:
        task: label task of the store, or several joined by "+"; null takes its only one.
        fraction: share of the training patients that are used.
    """

    task: str | None = None
    fraction: float = 1.0


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
        average: of the weights, for classification.
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
        label_task: the label task of the store that rows must be labelled for, or None.
        make: parts -> the task made ready.
    """

    label_task: Callable[[Store, str | None], str | None]
    make: Callable[[TaskParts], TaskSetup]
