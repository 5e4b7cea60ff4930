"""Downstream objectives. To add one: a module, how it is made ready, and a line in `TASKS`."""

from anylead.tasks.classification import AverageConfig, Classification
from anylead.tasks.classification_setup import CLASSIFICATION, columns_by_task
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
from anylead.tasks.waves import WaveConfig, Waves
from anylead.tasks.waves_setup import WAVES

TASKS: dict[str, Task] = {
    "classification": CLASSIFICATION,
    "identification": IDENTIFICATION,
    "waves": WAVES,
}

__all__ = [
    "TASKS",
    "AverageConfig",
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
    "WaveConfig",
    "Waves",
    "columns_by_task",
    "embed",
    "predict",
    "two_sessions",
]
