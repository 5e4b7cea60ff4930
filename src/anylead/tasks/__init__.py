"""Downstream objectives. To add one: a module, how it is made ready, and a line in `TASKS`."""

from anylead.tasks.classification_setup import CLASSIFICATION
from anylead.tasks.embedding import Sessions, embed, two_sessions
from anylead.tasks.identification import Identification
from anylead.tasks.identification_setup import IDENTIFICATION
from anylead.tasks.labels import columns_by_task
from anylead.tasks.linear_head import AverageConfig, Criterion, LinearHead
from anylead.tasks.multiclass import MULTICLASS
from anylead.tasks.prediction import Predictions, predict
from anylead.tasks.regression import REGRESSION
from anylead.tasks.setup import (
    IdentityConfig,
    LabelConfig,
    LossConfig,
    Run,
    Task,
    TaskParts,
    TaskSetup,
    Verdict,
)
from anylead.tasks.survival import SURVIVAL
from anylead.tasks.waves import WaveConfig, Waves
from anylead.tasks.waves_setup import WAVES

TASKS: dict[str, Task] = {
    "classification": CLASSIFICATION,
    "multiclass": MULTICLASS,
    "regression": REGRESSION,
    "survival": SURVIVAL,
    "identification": IDENTIFICATION,
    "waves": WAVES,
}

__all__ = [
    "TASKS",
    "AverageConfig",
    "Criterion",
    "Identification",
    "IdentityConfig",
    "LabelConfig",
    "LinearHead",
    "LossConfig",
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
