"""The loop and what surrounds it: optimizer, schedule, ranks, resume, logs."""

from anylead.training.fit import Machine, Progress, TrainConfig, find_machine, fit
from anylead.training.optimizer import OptimizerConfig
from anylead.training.schedule import ScheduleConfig

__all__ = [
    "Machine",
    "OptimizerConfig",
    "Progress",
    "ScheduleConfig",
    "TrainConfig",
    "find_machine",
    "fit",
]
