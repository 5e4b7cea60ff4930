"""What trained models say of recordings, as the targets of another: also where no label is known.

Distillation (arXiv:1503.02531), and where most recordings have no label, self-training: the third
step of SimCLRv2 (arXiv:2006.10029), after pre-training and fine-tuning on the few that have one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError, known_are
from anylead.leads import lead_mask
from anylead.loading import Labels, evaluation_batches
from anylead.preprocessing import PreprocessConfig
from anylead.store import Store
from anylead.tasks.answers_by_leads import AnswersByLeads
from anylead.tasks.labels import columns_by_task
from anylead.tasks.linear_head import trained_head
from anylead.tasks.prediction import predict
from anylead.tasks.setup import Run, TaskSetup

# Kinds whose outputs are probabilities of labels.
_KINDS = ("classification", "multiclass")


@dataclass(frozen=True)
class TeacherConfig:
    """Which fine-tuned models teach.

    Attributes:
        models: run folders or names, which see all leads of a recording; several answer with the
            mean of their logits. Recordings of the training split that have no label, or are
            beyond labels.fraction, are learned from, too.
        by_leads: lead set -> run folders or names that teach in their place where augmentation
            left exactly these leads, and see no others: {I: [runs/only_I]}.
        share: of the answers in the targets of recordings with labels; the rest are the labels.
        tasks: label tasks that are taught, joined by "+"; the others are learned as without
            teachers. Those that are taught know no other distillation. null: all.
    """

    models: list[str] = field(default_factory=list)
    by_leads: dict[str, list[str]] = field(default_factory=dict)
    share: float = 1.0
    tasks: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise RecipeError(f"teacher.share {self.share}: want more than 0 and at most 1")
        if self.by_leads and not self.models:
            raise RecipeError("teacher.by_leads: want teacher.models, too, for all other leads")
        if (self.share != 1 or self.tasks) and not self.models:
            raise RecipeError("teacher.share and teacher.tasks: want teacher.models, too")
        # A recipe in YAML may say 2 for "2".
        object.__setattr__(self, "by_leads", {str(key): v for key, v in self.by_leads.items()})
        for lead_set in self.by_leads:
            lead_mask(lead_set)  # raises

    @property
    def every_model(self) -> list[str]:
        """All that teach, each once."""
        return list(dict.fromkeys(chain(self.models, *self.by_leads.values())))


class Teacher(NamedTuple):
    """A fine-tuned model, and what it is called where it is read from."""

    name: str
    checkpoint: Checkpoint


def check_teachers(
    teachers: Sequence[Teacher], config: TeacherConfig, setup: TaskSetup, store: Store, scheme: str
) -> None:
    """Make sure that models can teach a task.

    Raises:
        RecipeError: a task or labels of another kind, or trained on another split of this store.
        StoreError: the store was prepared in another way than what a teacher was trained on.
    """
    wanted = setup.describe()
    if wanted["kind"] not in _KINDS:
        raise RecipeError(f"teacher.models: not for {wanted['kind']}; for {' and '.join(_KINDS)}")
    taught_columns(config, setup)
    for name, checkpoint in teachers:
        own = checkpoint.description
        for key in ("kind", "label_names"):
            if own.get(key) != wanted[key]:
                raise RecipeError(
                    f"teacher.models: {name} has {key} {own.get(key)}, the task {wanted[key]}"
                )
        store.check_fits(PreprocessConfig(**own["preprocess"]), name)
        data = own.get("data", {})
        known = data.get("hash") == store.manifest.content_hash
        if known and data.get("scheme") != scheme:
            raise RecipeError(
                f"teacher.models: {name} was trained with data.scheme {data.get('scheme')}, so it"
                f" may know what is tested here; want {scheme}"
            )


def taught_labels(
    teachers: Sequence[Teacher],
    config: TeacherConfig,
    setup: TaskSetup,
    store: Store,
    rows: NDArray[np.int64],
    run: Run,
) -> Labels:
    """Targets of recordings: what teachers say of each, mixed with its labels where it has some.

    Args:
        teachers: see `check_teachers`.
        config: what they teach, and how much of it.
        setup: of the task; its labels of `train_rows` are mixed in, all others are left unseen.
        store: of the recordings.
        rows: (record,) which are learned from.
        run: how the teachers are run.

    Returns:
        Float targets of all rows of the store, unknown outside of `rows`.

    Raises:
        RecipeError: the task has no labels.
    """
    if setup.labels is None:
        raise RecipeError("teacher.models: the task has no labels")
    logits = np.mean([_logits(each, store, rows, run) for each in teachers], axis=0)
    module: Any = setup.module
    answer = np.full((store.num_records, logits.shape[1]), np.nan, dtype=np.float32)
    answer[rows] = module.criterion.answer(torch.from_numpy(logits)).numpy()
    answer[:, ~taught_columns(config, setup)] = np.nan
    label = np.full_like(answer, np.nan)
    label[setup.train_rows] = setup.labels.of(setup.train_rows)
    mixed = (1 - config.share) * label + config.share * answer
    target = np.where(np.isnan(label), answer, np.where(np.isnan(answer), label, mixed))
    return Labels(np.nan_to_num(target), setup.labels.names, np.isfinite(target))


def answers_by_leads(
    teachers: Mapping[str, Sequence[Teacher]],
    config: TeacherConfig,
    setup: TaskSetup,
    store: Store,
    rows: NDArray[np.int64],
    run: Run,
) -> AnswersByLeads:
    """`taught_labels` for each lead set that has teachers of its own, who see just these leads.

    Args:
        teachers: lead set -> who teaches it.
        config, setup, store, rows, run: see `taught_labels`.
    """
    of_set = [
        taught_labels(each, config, setup, store, rows, run._replace(restrict=KeepLeads(lead_set)))
        for lead_set, each in teachers.items()
    ]
    everything = np.arange(store.num_records)
    return AnswersByLeads(
        torch.from_numpy(np.stack([*map(lead_mask, teachers)])),
        torch.from_numpy(np.stack([each.of(everything) for each in of_set]).astype(np.float32)),
    )


def taught_columns(config: TeacherConfig, setup: TaskSetup) -> NDArray[np.bool_]:
    """(class,) whether the class is taught.

    Raises:
        RecipeError: a label task that is not among those learned.
    """
    described = setup.describe()
    columns = columns_by_task(described["task"], described["label_names"])
    wanted = columns if config.tasks is None else config.tasks.split("+")
    is_taught = np.zeros(len(described["label_names"]), dtype=bool)
    for task in wanted:
        if task not in columns:
            raise RecipeError(f"teacher.tasks {task!r}{known_are(task, columns)}")
        is_taught[columns[task]] = True
    return is_taught


def _logits(
    teacher: Teacher, store: Store, rows: NDArray[np.int64], run: Run
) -> NDArray[np.float32]:
    module = trained_head(teacher.checkpoint, teacher.name).to(run.device)
    seconds = teacher.checkpoint.description["segment_seconds"]
    batches = evaluation_batches(store, rows, seconds, run.batch_size)
    return predict(module, batches, run.device, run.precision, run.restrict).logits
