"""The loop and what surrounds it: optimizer, schedule, ranks, resume, logs."""

from anylead.training.fit import Machine, Progress, TrainConfig, find_machine, fit, micro_batches
from anylead.training.loop import mean_loss
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
    "mean_loss",
    "micro_batches",
]
