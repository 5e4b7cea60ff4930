"""Learning rate as a function of the step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from anylead.errors import RecipeError


@dataclass(frozen=True)
class ScheduleConfig:
    """How the learning rate runs.

    Attributes:
        kind: "constant"; "cosine" and "linear" fall to `final_ratio` after a warm-up; "tri_stage"
            rises, stays, and falls exponentially (arXiv:1904.08779).
        warmup: share of the steps to rise from `initial_ratio`.
        hold: share of the steps at the peak ("tri_stage").
        initial_ratio: first learning rate, as a share of the peak.
        final_ratio: last learning rate, as a share of the peak.
    """

    kind: Literal["constant", "cosine", "linear", "tri_stage"] = "constant"
    warmup: float = 0.0
    hold: float = 0.2
    initial_ratio: float = 0.01
    final_ratio: float = 0.01

    def __post_init__(self) -> None:
        for name in ("warmup", "hold", "initial_ratio", "final_ratio"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise RecipeError(f"schedule.{name} is {value}; want a share from 0 to 1")
        if self.kind == "tri_stage" and not self.final_ratio:
            raise RecipeError("schedule.final_ratio is 0; a tri_stage wants more than 0")


def learning_rate(config: ScheduleConfig, peak: float, num_steps: int) -> Callable[[int], float]:
    """The learning rate of step 0, 1, ... num_steps - 1."""
    num_warmup = int(config.warmup * num_steps)
    num_hold = int(config.hold * num_steps) if config.kind == "tri_stage" else 0
    num_decay = max(num_steps - num_warmup - num_hold, 1)

    def at(step: int) -> float:
        if step < num_warmup:
            rise = step / num_warmup
            return peak * (config.initial_ratio + (1 - config.initial_ratio) * rise)
        done = min(max(step - num_warmup - num_hold, 0) / num_decay, 1.0)
        return peak * _fall(config, done)

    return at


def _fall(config: ScheduleConfig, done: float) -> float:
    if config.kind == "constant":
        return 1.0
    if config.kind == "tri_stage":
        return math.exp(math.log(config.final_ratio) * done)
    shape = (1 + math.cos(math.pi * done)) / 2 if config.kind == "cosine" else 1 - done
    return config.final_ratio + (1 - config.final_ratio) * shape
