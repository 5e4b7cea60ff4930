"""A whole run around the loop: optimizer, resume, logs, checkpoints. Same for every objective."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module

import torch
from torch import nn

from anylead.errors import RecipeError
from anylead.loading import Prefetch, TrainingLoader
from anylead.models.transformer import TransformerLayer
from anylead.objective import Batch
from anylead.training.loop import train
from anylead.training.mode import set_training
from anylead.training.optimizer import build_optimizer
from anylead.training.resume import StateWriter, load_state, states
from anylead.training.run_folder import RunFolder
from anylead.training.schedule import learning_rate
from anylead.training.settings import Machine, Settings, TrainConfig
from anylead.training.stopping import stop_on_signals
from anylead.training.tracking import Tracker
from anylead.training.watching import AfterEpoch, Progress, Trained, Watcher


def fit(
    objective: nn.Module,
    loader: TrainingLoader,
    settings: Settings,
    folder: RunFolder,
    machine: Machine,
    after_epoch: AfterEpoch | None = None,
) -> Progress:
    """Train to the end, from the start or from where the folder stopped.

    Args:
        objective: what is trained; it ends on the device.
        loader: batch of any step.
        settings: how long and where, Adam's settings, the schedule of the learning rate.
        folder: of the run; `RunFolder.held` keeps other runs out meanwhile.
        machine: from `find_machine`.
        after_epoch: called at the end of each epoch; returns numbers to log and may change
            `Progress.facts`.

    Raises:
        TrainingError: a loss that is not finite.
        CheckpointError: the state cannot be read, or not be written at the end.
        RecipeError: the encoder cannot do what the settings ask for.
        StoppedError: SIGTERM or Ctrl-C came; the state is kept.
    """
    config = settings.train
    set_training(objective)
    placed = _place(objective, config, machine)
    optimizer = build_optimizer(placed, settings.optimizer)
    num_steps = config.steps or config.epochs * loader.sampler.steps_per_epoch
    progress = _start(folder, config, placed, optimizer)
    machine.world.agree(progress.step, "the step to go on from")
    with ExitStack() as stack:
        should_stop = stack.enter_context(stop_on_signals())
        stack.enter_context(machine.world.watched())
        tracker = stack.enter_context(_tracker(folder, config, machine, num_steps, progress.step))
        steps = range(progress.step, num_steps)
        batches = stack.enter_context(Prefetch(micro_batches(loader, config, machine), steps))
        writer = StateWriter(folder.path, config.keep_last, machine.world.is_main)
        stack.callback(writer.wait)
        watcher = Watcher(
            Trained(objective, placed, optimizer, machine),
            config,
            loader.sampler,
            progress,
            tracker,
            writer,
            after_epoch,
        )
        train(
            torch.compile(placed) if config.compile else placed,
            _numbered(steps, batches),
            optimizer,
            learning_rate=learning_rate(
                settings.schedule, settings.optimizer.learning_rate, num_steps
            ),
            max_grad_norm=settings.optimizer.max_grad_norm,
            device=machine.device,
            precision=machine.precision,
            world=machine.world,
            on_step=lambda taken: watcher.on_step(taken, should_stop()),
            should_stop=lambda: bool(should_stop()),
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
        from anylead.training.sharding import shard

        return shard(objective, machine.device)
    return objective.to(machine.device)


def _start(
    folder: RunFolder, config: TrainConfig, placed: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """From where the folder stopped, where that is asked for, else from the first step."""
    made_from = {"made_from": dict(folder.made_from)} if folder.made_from else {}
    if not (config.resume and states(folder.path)):
        return Progress(facts=made_from)
    facts = load_state(folder.path, placed, optimizer) | made_from
    return Progress(int(facts.pop("step")), facts)


def _tracker(
    folder: RunFolder, config: TrainConfig, machine: Machine, num_steps: int, first_step: int
) -> Tracker:
    """One rank writes and talks."""
    is_shown = machine.world.is_main and not config.is_quiet
    kept = folder.path if machine.world.is_main else None
    sinks = []
    if kept is not None and config.trackers:
        sinks = import_module("anylead.training.trackers").open_trackers(config.trackers, kept)
    return Tracker(kept, folder.path.name, num_steps, first_step, is_shown, sinks)


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
