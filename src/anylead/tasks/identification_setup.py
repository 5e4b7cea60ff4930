"""Identification made ready for a store: classes, validation by gallery and probe."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from anylead.errors import RecipeError
from anylead.loading.draws import Part, drawn_batches
from anylead.metrics.identification import cosine_similarity
from anylead.store import Store
from anylead.tasks.embedding import Sessions, embed, two_sessions
from anylead.tasks.identification import Identification
from anylead.tasks.setup import Run, Task, TaskParts, Verdict

_FEWEST = 2
_MOST_OF_TRAINING = 1000


class IdentificationSetup:
    """See `TaskSetup`.

    Validation compares two recordings of each patient. Where too few patients have two, the two
    halves of each recording stand in: easier, but the order of epochs is much the same. Where every
    recording trains (scheme "all"), they are halves of some of these, which says little.

    Raises:
        RecipeError: fewer than two persons to learn from or to validate with.
    """

    labels = None
    score_name = "valid_pair_auroc"

    def __init__(self, parts: TaskParts):
        self.parts, self.train_rows = parts, parts.train_rows
        names = {"patients": parts.store.patient, "records": np.arange(parts.store.num_records)}
        identity = parts.identity
        if identity.classes not in names:
            raise RecipeError(f"identity.classes {identity.classes!r}: want {' or '.join(names)}")
        class_of_row = classes(names[identity.classes], parts.train_rows)
        self.module = Identification(
            parts.encoder,
            torch.from_numpy(class_of_row),
            parts.augment,
            identity.scale,
            identity.margin,
        )
        rows = parts.valid_rows if len(parts.valid_rows) else parts.train_rows[:_MOST_OF_TRAINING]
        sessions = two_sessions(rows, parts.store.patient, parts.seed)
        self.has_sessions = len(sessions.gallery) >= _FEWEST and len(parts.valid_rows) > 0
        if not self.has_sessions:
            sessions = Sessions(rows, rows)
        self.gallery, self.probe = sessions.gallery, sessions.probe
        for what, number in (("train", class_of_row.max() + 1), ("valid", len(self.gallery))):
            if number < _FEWEST:
                raise RecipeError(
                    f"the {what} split has {number} persons to tell apart; want {_FEWEST} or more"
                )

    def validate(self, run: Run) -> Verdict:
        """How well pairs of one person part from pairs of two (AUROC of the cosine).

        Unlike rank-1 accuracy it does not saturate with few patients.
        """
        own_half: Part = "whole" if self.has_sessions else "first half"
        other_half: Part = "whole" if self.has_sessions else "second half"
        gallery = self._embed(self.gallery, own_half, run)
        probe = self._embed(self.probe, other_half, run)
        cosine = cosine_similarity(probe, gallery)
        own = cosine.diagonal()
        nearest = np.where(np.eye(len(cosine), dtype=bool), -np.inf, cosine).max(axis=1)
        is_own = np.eye(len(cosine), dtype=bool)
        score = float(roc_auc_score(is_own.ravel(), cosine.ravel()))
        facts = {
            "valid_rank_1": float((own > nearest).mean()),
            "valid_patients": len(own),
            "valid_sessions": "two recordings" if self.has_sessions else "halves of one recording",
        }
        return Verdict(score, facts)

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training."""
        return self.module.state_dict()

    def describe(self) -> dict[str, Any]:
        """The keys of an identification checkpoint."""
        return {"kind": "identification", "classes": self.parts.identity.classes}

    def _embed(self, rows: NDArray[np.int64], part: Part, run: Run) -> NDArray[np.float32]:
        parts = self.parts
        batches = drawn_batches(
            parts.store, rows, parts.segment_seconds, run.batch_size, parts.seed, part
        )
        return embed(self.module, batches, run.device, run.precision, run.restrict)[1]


def classes(name: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(record,) 0, 1, ... for equal names among the rows; -1 for all other rows."""
    class_of_row = np.full(len(name), -1, dtype=np.int64)
    class_of_row[rows] = np.unique(name[rows], return_inverse=True)[1]
    return class_of_row


def _no_labels(store: Store, wanted: str | None) -> None:
    return None


IDENTIFICATION = Task(
    _no_labels,
    IdentificationSetup,
    ignores=("waves", "loss", "average", "teacher", "labels.task", "threshold_sets"),
)
