"""What happens between the steps of a run: checks, logs, states, the end of an epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeAlias

import torch
from torch import nn

from anylead.errors import StoppedError
from anylead.loading.sampler import Sampler
from anylead.training.loop import Taken
from anylead.training.mode import set_training
from anylead.training.resume import StateWriter
from anylead.training.settings import Machine, TrainConfig
from anylead.training.sharding import write_back
from anylead.training.tracking import Tracker


@dataclass
class Progress:
    """What a run keeps beside its weights; survives a resume.

    Attributes:
        step: optimizer steps taken.
        facts: values of the caller, such as the best score so far.
    """

    step: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


AfterEpoch: TypeAlias = Callable[[Progress], dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """What is trained, where.

    Attributes:
        objective: the caller's module.
        placed: what the loop trains; with sharding a copy, else the same.
        optimizer: of `placed`.
        machine: where both are.
    """

    objective: nn.Module
    placed: nn.Module
    optimizer: torch.optim.Optimizer
    machine: Machine

    def show_weights(self) -> None:
        """Make sure that the caller's module has the weights, on the device."""
        if self.machine.world.is_sharding:
            write_back(self.placed, self.objective)
            self.objective.to(self.machine.device)

    def hide_weights(self) -> None:
        """Make room again where the caller's module is a copy."""
        if self.machine.world.is_sharding:
            self.objective.cpu()


@dataclass
class Watcher:
    """Looks at every step: checks it, logs it, saves the state, ends epochs."""

    trained: Trained
    config: TrainConfig
    sampler: Sampler
    progress: Progress
    tracker: Tracker
    writer: StateWriter
    after_epoch: AfterEpoch | None
    unchecked: list[Taken] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)
    num_since: int = 0

    def on_step(self, taken: Taken, signal: str = "") -> None:
        """After each step; `signal` is the name of one that came to this rank, or ""."""
        self.unchecked.append(taken)
        self.progress.step = done = taken.step + 1
        self.num_since += self.sampler.batch_size
        is_save = done % self.config.save_every == 0
        is_log = done % self.config.log_every == 0
        is_epoch = self.after_epoch and done % self.sampler.steps_per_epoch == 0
        # On a GPU a look at the loss waits for the step, so it is done only now and then.
        is_stopping = False
        if self.trained.machine.device.type == "cpu" or is_save or is_log or is_epoch:
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
                f"stopped by {signal or 'a signal to another rank'} after step {done};"
                " --train.resume true goes on from there"
            )

    def finish(self) -> None:
        """After the last step: its state on the disk, the weights in the caller's module."""
        self._check()
        self._save()
        self._finish_writing()
        self.trained.show_weights()

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
        self.trained.show_weights()
        self.trained.objective.eval()
        values = self.after_epoch(self.progress)
        set_training(self.trained.objective)
        self.trained.hide_weights()
        if values:
            self.tracker.log(self.progress.step, values)
        self.started += perf_counter() - started

    def _save(self) -> None:
        world = self.trained.machine.world
        if world.is_main or world.is_sharding:
            facts = {"step": self.progress.step, **self.progress.facts}
            self.writer.save(self.trained.placed, self.trained.optimizer, facts)
            self.tracker.flush()

    def _finish_writing(self) -> None:
        if self.trained.machine.world.is_main:
            self.writer.finish()
