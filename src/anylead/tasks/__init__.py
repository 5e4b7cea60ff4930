"""Downstream objectives. To add one: a file with a module, and a line in `TASKS`."""

from anylead.tasks.classification import Classification
from anylead.tasks.prediction import Predictions, predict

TASKS = {"classification": Classification}

__all__ = ["TASKS", "Classification", "Predictions", "predict"]
