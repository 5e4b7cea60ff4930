"""Downstream objectives. To add one: a module, how it is made ready, and a line in `TASKS`."""

from anylead.tasks.classification import Classification
from anylead.tasks.classification_setup import CLASSIFICATION
from anylead.tasks.embedding import Sessions, embed, two_sessions
from anylead.tasks.identification import Identification
from anylead.tasks.identification_setup import IDENTIFICATION
from anylead.tasks.prediction import Predictions, predict
from anylead.tasks.setup import (
    IdentityConfig,
    LabelConfig,
    Run,
    Task,
    TaskParts,
    TaskSetup,
    Verdict,
)

TASKS: dict[str, Task] = {"classification": CLASSIFICATION, "identification": IDENTIFICATION}

__all__ = [
    "TASKS",
    "Classification",
    "Identification",
    "IdentityConfig",
    "LabelConfig",
    "Predictions",
    "Run",
    "Sessions",
    "Task",
    "TaskParts",
    "TaskSetup",
    "Verdict",
    "embed",
    "predict",
    "two_sessions",
]
