"""What a recipe says about a run, whatever it trains: how long, with how much, and where."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal, Protocol

import torch

from anylead.errors import RecipeError
from anylead.training.distributed import World, choose_device, choose_precision, join_world
from anylead.training.optimizer import OptimizerConfig
from anylead.training.schedule import ScheduleConfig

_MOST_SEEDS = 2**63  # what the generators of numpy and torch both take


@dataclass(frozen=True)
class TrainConfig:
    """How long, with how much, and where.

    Attributes:
        epochs: passes over the recordings.
        steps: optimizer steps; 0 = as many as `epochs` make.
        batch_size: recordings of one step, over all ranks and micro-batches.
        accumulate: micro-batches of one step and rank.
        seed: of weights, order, crops, masks, noise.
        device: "auto", "cpu", "cuda", "cuda:1".
        precision: of the forward pass; "auto" is bf16 where the device has it in hardware.
        compile: torch.compile the forward pass.
        recompute: keep only the input of each Transformer layer and compute the rest again on the
            way back: the same numbers with less memory, in about a third more time.
        sharding: "fsdp" shares weights, gradients and moments out among the ranks (FSDP2), for
            encoders that are large; a single rank has nothing to share.
        log_every: steps between rows of the log.
        save_every: steps between resumable states; one more is written at the end.
        keep_last: how many of these states stay.
        resume: go on where the run folder stopped, with any number of ranks.
        overwrite: throw away the run that the folder holds.
        is_quiet: no progress bar.
        trackers: services to tell the numbers to besides log.csv and TensorBoard: "wandb",
            "mlflow", where they are installed.
    """

    epochs: int = 200
    steps: int = 0
    batch_size: int = 512
    accumulate: int = 1
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = False
    recompute: bool = False
    sharding: Literal["none", "fsdp"] = "none"
    log_every: int = 10
    save_every: int = 500
    keep_last: int = 1
    resume: bool = False
    overwrite: bool = False
    is_quiet: bool = False
    trackers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = ("epochs", "batch_size", "accumulate", "log_every", "save_every", "keep_last")
        for name in names:
            if getattr(self, name) < 1:
                raise RecipeError(f"train.{name} is {getattr(self, name)}; want at least 1")
        for name in self.trackers:  # by name, as below: few runs have any
            import_module("anylead.training.trackers").check_name(name)
        if not 0 <= self.seed < _MOST_SEEDS:
            raise RecipeError(f"train.seed is {self.seed}; want 0 or more, below 2**63")
        if self.steps < 0:
            raise RecipeError(f"train.steps is {self.steps}; want 0 or more")
        if self.compile and self.sharding == "fsdp":
            raise RecipeError("train.compile and train.sharding fsdp: want one of them")
        if self.resume and self.overwrite:
            raise RecipeError("train.resume and train.overwrite: want one of them")


class Settings(Protocol):
    """The part of a recipe that the loop needs; every recipe that trains has it."""

    @property
    def train(self) -> TrainConfig:
        """How long and where."""
        ...

    @property
    def optimizer(self) -> OptimizerConfig:
        """Adam's settings."""
        ...

    @property
    def schedule(self) -> ScheduleConfig:
        """Of the learning rate."""
        ...


@dataclass(frozen=True)
class Machine:
    """Where a run computes."""

    device: torch.device
    precision: torch.dtype
    world: World


def find_machine(config: TrainConfig) -> Machine:
    """The device, precision and ranks that a recipe asks for; seeds torch."""
    device = choose_device(config.device)
    world = join_world(device, config.sharding == "fsdp")
    torch.manual_seed(config.seed)
    return Machine(device, choose_precision(config.precision, device), world)
