"""A whole run around the loop: optimizer, resume, logs, checkpoints. Same for every objective."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch
from torch import nn

from anylead.errors import RecipeError, StoppedError
from anylead.loading import Prefetch, TrainingLoader
from anylead.models.transformer import TransformerLayer
from anylead.objective import Batch
from anylead.training.distributed import World, choose_device, choose_precision, join_world
from anylead.training.loop import Taken, train
from anylead.training.optimizer import OptimizerConfig, build_optimizer
from anylead.training.resume import StateWriter, load_state, states
from anylead.training.schedule import ScheduleConfig, learning_rate
from anylead.training.sharding import shard, write_back
from anylead.training.stopping import stop_on_sigterm
from anylead.training.tracking import Tracker


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
        is_quiet: no progress bar.
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
    is_quiet: bool = False

    def __post_init__(self) -> None:
        names = ("epochs", "batch_size", "accumulate", "log_every", "save_every", "keep_last")
        for name in names:
            if getattr(self, name) < 1:
                raise RecipeError(f"train.{name} is {getattr(self, name)}; want at least 1")
        if self.steps < 0:
            raise RecipeError(f"train.steps is {self.steps}; want 0 or more")
        if self.compile and self.sharding == "fsdp":
            raise RecipeError("train.compile and train.sharding fsdp: want one of them")


@dataclass(frozen=True)
class Machine:
    """Where a run computes."""

    device: torch.device
    precision: torch.dtype
    world: World


@dataclass
class Progress:
    """What a run keeps beside its weights; survives a resume.

    Attributes:
        step: optimizer steps taken.
        facts: values of the caller, such as the best score so far.
    """

    step: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def find_machine(config: TrainConfig) -> Machine:
    """The device, precision and ranks that a recipe asks for; seeds torch."""
    device = choose_device(config.device)
    world = join_world(device, config.sharding == "fsdp")
    torch.manual_seed(config.seed)
    return Machine(device, choose_precision(config.precision, device), world)


def fit(
    objective: nn.Module,
    loader: TrainingLoader,
    config: TrainConfig,
    optimizer_config: OptimizerConfig,
    schedule: ScheduleConfig,
    folder: Path,
    machine: Machine,
    after_epoch: Callable[[Progress], dict[str, float]] | None = None,
) -> Progress:
    """Train to the end, from the start or from where the folder stopped.

    Args:
        objective: what is trained; it ends on the device.
        loader: batch of any step.
        config: how long and where.
        optimizer_config: Adam's settings.
        schedule: of the learning rate.
        folder: of the run.
        machine: from `find_machine`.
        after_epoch: called at the end of each epoch; returns numbers to log and may change
            `Progress.facts`.

    Raises:
        TrainingError: a loss that is not finite.
        CheckpointError: the state cannot be read, or not be written at the end.
        RecipeError: the encoder cannot do what `config` asks for.
        StoppedError: SIGTERM came; the state is kept.
    """
    objective.train()
    trained = _place(objective, config, machine)
    optimizer = build_optimizer(trained, optimizer_config)
    num_steps = config.steps or config.epochs * loader.sampler.steps_per_epoch
    progress = _start(folder, config, trained, optimizer)
    machine.world.agree(progress.step, "the step to go on from")
    with ExitStack() as stack:
        should_stop = stack.enter_context(stop_on_sigterm())
        stack.enter_context(machine.world.watched())
        tracker = stack.enter_context(_tracker(folder, config, machine, num_steps, progress.step))
        steps = range(progress.step, num_steps)
        batches = stack.enter_context(Prefetch(micro_batches(loader, config, machine), steps))
        watcher = _Watcher(
            objective,
            trained,
            optimizer,
            config,
            folder,
            machine,
            tracker,
            progress,
            loader,
            after_epoch,
        )
        stack.callback(watcher.writer.wait)
        train(
            torch.compile(trained) if config.compile else trained,
            _numbered(steps, batches),
            optimizer,
            learning_rate=learning_rate(schedule, optimizer_config.learning_rate, num_steps),
            max_grad_norm=optimizer_config.max_grad_norm,
            device=machine.device,
            precision=machine.precision,
            world=machine.world,
            on_step=watcher.on_step,
            should_stop=should_stop,
        )
        watcher.finish()
    return progress


def _place(objective: nn.Module, config: TrainConfig, machine: Machine) -> nn.Module:
    """What trains: the objective on the device, or a copy shared out among the ranks."""
    layers = [part for part in objective.modules() if isinstance(part, TransformerLayer)]
    if config.recompute and not layers:
        raise RecipeError("train.recompute: this encoder has no Transformer layers")
    for layer in layers:
        layer.recomputes = config.recompute
    if machine.world.is_sharding:
        return shard(objective, machine.device)
    return objective.to(machine.device)


def _start(
    folder: Path, config: TrainConfig, trained: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """From where the folder stopped, where that is asked for, else from the first step."""
    if not (config.resume and states(folder)):
        return Progress()
    facts = load_state(folder, trained, optimizer)
    return Progress(facts.pop("step"), facts)


def _tracker(
    folder: Path, config: TrainConfig, machine: Machine, num_steps: int, first_step: int
) -> Tracker:
    """One rank writes and talks."""
    is_shown = machine.world.is_main and not config.is_quiet
    kept = folder if machine.world.is_main else None
    return Tracker(kept, folder.name, num_steps, first_step, is_shown)


def _numbered(steps: range, batches: Iterator[list[Batch]]) -> Iterator[tuple[int, list[Batch]]]:
    return zip(steps, batches, strict=True)


def micro_batches(
    loader: TrainingLoader, config: TrainConfig, machine: Machine
) -> Callable[[int], list[Batch]]:
    """Number of a step -> the share of this rank in it, in micro-batches.

    Raises:
        RecipeError: a batch cannot be shared equally.
    """
    world = machine.world
    parts = world.size * config.accumulate
    if loader.sampler.batch_size < parts:
        raise RecipeError(
            f"{loader.sampler.batch_size} recordings a step cannot be shared by {parts}"
            " micro-batches of all ranks; lower accumulate"
        )
    if world.size > 1 and loader.sampler.batch_size % parts:
        raise RecipeError(
            f"{loader.sampler.batch_size} recordings a step cannot be shared equally by {parts}"
            f" micro-batches of {world.size} ranks; choose train.batch_size a multiple of {parts}"
        )

    def make(step: int) -> list[Batch]:
        first = world.rank * config.accumulate
        made = [loader.batch(step, first + i, parts) for i in range(config.accumulate)]
        return [batch.pin() for batch in made] if machine.device.type == "cuda" else made

    return make


@dataclass
class _Watcher:
    """Looks at every step: checks it, logs it, saves the state, ends epochs."""

    objective: nn.Module  # the caller's; with sharding `trained` is a copy, else the same
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    config: TrainConfig
    folder: Path
    machine: Machine
    tracker: Tracker
    progress: Progress
    loader: TrainingLoader
    after_epoch: Callable[[Progress], dict[str, float]] | None
    unchecked: list[Taken] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)
    num_since: int = 0

    def __post_init__(self) -> None:
        self.writer = StateWriter(self.folder, self.config.keep_last, self.machine.world.is_main)

    def on_step(self, taken: Taken) -> None:
        self.unchecked.append(taken)
        self.progress.step = done = taken.step + 1
        self.num_since += self.loader.sampler.batch_size
        is_save = done % self.config.save_every == 0
        is_log = done % self.config.log_every == 0
        is_epoch = self.after_epoch and done % self.loader.sampler.steps_per_epoch == 0
        # On a GPU a look at the loss waits for the step, so it is done only now and then.
        is_stopping = False
        if self.machine.device.type == "cpu" or is_save or is_log or is_epoch:
            is_stopping = self._check()
        if is_log or done == 1:
            self._log(taken)
        if is_epoch:
            self._end_epoch()
        if is_save or is_stopping:
            self._save()
        if is_stopping:
            self._finish_writing()
            raise StoppedError(
                f"stopped by SIGTERM after step {done}; --train.resume true goes on from there"
            )

    def finish(self) -> None:
        self._check()
        self._save()
        self._finish_writing()
        self._show_weights()

    def _check(self) -> bool:
        """Whether a rank was asked to stop; all ranks find out at the same step."""
        for taken in self.unchecked:
            taken.check()
        is_stopping = any(bool(taken.num_stopping > 0) for taken in self.unchecked)
        self.unchecked.clear()
        return is_stopping

    def _log(self, taken: Taken) -> None:
        rate = self.num_since / max(perf_counter() - self.started, 1e-9)
        loss = taken.loss.item()
        values = {name: value.item() for name, value in taken.logs.items()}
        values |= {"loss": loss, "grad_norm": taken.grad_norm.item()}
        values |= {"learning_rate": taken.learning_rate, "ecgs_per_second": rate}
        self.tracker.log(taken.step + 1, values)
        self.tracker.advance(taken.step + 1, f"loss {loss:.3f}  {rate:.0f} ECG/s")
        self.started, self.num_since = perf_counter(), 0

    def _end_epoch(self) -> None:
        if self.after_epoch is None:
            return
        started = perf_counter()
        self._show_weights()
        self.objective.eval()
        values = self.after_epoch(self.progress)
        self.objective.train()
        if self.machine.world.is_sharding:
            self.objective.cpu()
        if values:
            self.tracker.log(self.progress.step, values)
        self.started += perf_counter() - started

    def _show_weights(self) -> None:
        """Make sure that the caller's module has the weights, on the device."""
        if self.machine.world.is_sharding:
            write_back(self.trained, self.objective)
            self.objective.to(self.machine.device)

    def _save(self) -> None:
        if self.machine.world.is_main or self.machine.world.is_sharding:
            facts = {"step": self.progress.step, **self.progress.facts}
            self.writer.save(self.trained, self.optimizer, facts)
            self.tracker.flush()

    def _finish_writing(self) -> None:
        if self.machine.world.is_main:
            self.writer.finish()
