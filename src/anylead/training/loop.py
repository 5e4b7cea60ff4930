"""The one training loop, for every method and task.

Per step: forward and backward of each micro-batch, gradients divided once by the number of terms
of all micro-batches and ranks, clipped, one optimizer step. Where micro-batches see each other, as
a contrast over the whole batch needs it, a first forward pass without gradients comes before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from anylead.errors import TrainingError
from anylead.losses.gather import MicroBatches
from anylead.objective import Batch, Objective, Step
from anylead.training.distributed import World
from anylead.training.gradients import GradientSum


@dataclass(frozen=True)
class Taken:
    """What one optimizer step was like; scalars stay on the device until they are looked at."""

    step: int
    loss: Tensor
    grad_norm: Tensor
    learning_rate: float
    logs: dict[str, Tensor]
    records: list[Tensor]
    num_stopping: Tensor

    def check(self) -> None:
        """Stop the run if the loss or the gradient is not finite.

        Raises:
            TrainingError: with the step and the records of its batch.
        """
        if bool(torch.isfinite(self.loss) & torch.isfinite(self.grad_norm)):
            return
        rows = torch.cat(self.records).tolist()
        raise TrainingError(
            f"step {self.step}: loss {self.loss.item():.4g}, gradient norm"
            f" {self.grad_norm.item():.4g}; rows of the store in the batch: {rows}; lower the"
            " learning rate or set optimizer.max_grad_norm"
        )


def train(
    objective: Objective,
    steps: Iterable[tuple[int, Sequence[Batch]]],
    optimizer: torch.optim.Optimizer,
    *,
    learning_rate: Callable[[int], float],
    max_grad_norm: float,
    device: torch.device,
    precision: torch.dtype,
    world: World,
    on_step: Callable[[Taken], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Take one optimizer step per group of micro-batches until `steps` ends.

    Whether the loss is finite is left to `on_step` (`Taken.check`), since looking at it waits for
    the device.

    Args:
        objective: what is trained.
        steps: (number, micro-batches) of each step.
        optimizer: its groups may hold a `factor` on the learning rate.
        learning_rate: of a step.
        max_grad_norm: 0 = no clipping.
        device: where batches go.
        precision: of the forward pass; float32 or bfloat16.
        world: the ranks that share a step.
        on_step: called after each step, in order.
        should_stop: whether this rank was asked to end; `Taken.num_stopping` counts the ranks.
    """
    parameters = [item for group in optimizer.param_groups for item in group["params"]]
    with GradientSum(parameters, world) as summed:
        for number, micro_batches in steps:
            rate = learning_rate(number)
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("factor", 1.0)
            steps_taken = _accumulate(objective, micro_batches, device, precision, summed)
            loss = torch.stack([step.loss.detach() for step in steps_taken]).sum()
            terms = torch.stack([step.terms for step in steps_taken]).sum()
            stopping = torch.full_like(loss, float(should_stop()))
            total = world.sum(torch.stack([loss, terms.to(loss.dtype), stopping]))
            grad_norm = _divide_and_clip(summed.finish(), total[1], max_grad_norm, world)
            optimizer.step()
            optimizer.zero_grad()
            records = [batch.record for batch in micro_batches]
            logs = _mean([step.logs for step in steps_taken])
            on_step(Taken(number, total[0] / total[1], grad_norm, rate, logs, records, total[2]))


def mean_loss(
    objective: Objective,
    batches: Iterable[Sequence[Batch]],
    device: torch.device,
    precision: torch.dtype,
    world: World,
) -> float:
    """The loss of batches that are shared as those of a step are; called on every rank.

    Args:
        objective: in the mode that is to be measured.
        batches: the micro-batches of this rank, batch by batch.
        device: where batches go.
        precision: of the forward pass.
        world: the ranks that share a batch.
    """
    total = torch.zeros(2, dtype=torch.float64, device=device)  # loss, terms
    with torch.no_grad():
        for micro_batches in batches:
            for step in _second_passes(objective, micro_batches, device, precision):
                total += torch.stack([step.loss.double(), step.terms.double()])
    total = world.sum(total)
    return float(total[0] / total[1])


def _accumulate(
    objective: Objective,
    batches: Sequence[Batch],
    device: torch.device,
    precision: torch.dtype,
    summed: GradientSum,
) -> list[Step]:
    """Forward and backward of each micro-batch of a step."""
    steps: list[Step] = []
    for step in _second_passes(objective, batches, device, precision):
        if len(steps) == len(batches) - 1:
            summed.begin()
        torch.autograd.backward(step.loss)
        steps.append(Step(step.loss.detach(), step.terms, step.logs))
    return steps


def _second_passes(
    objective: Objective, batches: Sequence[Batch], device: torch.device, precision: torch.dtype
) -> Iterator[Step]:
    """Forward of one micro-batch after another, each of which sees the others."""
    shared = MicroBatches(len(batches))
    if len(batches) > 1:
        for i, batch in enumerate(batches):
            with torch.no_grad(), shared.recording(i) as tell_terms:
                tell_terms(_forward(objective, batch, device, precision).terms)
            if not shared.is_coupled:
                break  # such as classification: each recording has its own loss
    for i, batch in enumerate(batches):
        with shared.joining(i):
            step = _forward(objective, batch, device, precision)
        yield step


def _forward(
    objective: Objective, batch: Batch, device: torch.device, precision: torch.dtype
) -> Step:
    # Dropout, too, is a function of the batch: no generator has a state to be kept.
    torch.manual_seed(int(batch.seed[0]))
    with _autocast(device, precision):
        return objective(batch.to(device))


def _divide_and_clip(
    gradients: list[Tensor], terms: Tensor, max_norm: float, world: World
) -> Tensor:
    """Divide by `terms` and clip; returns the norm before clipping."""
    torch._foreach_mul_(gradients, (1 / terms).to(gradients[0].dtype))
    norm = world.norm(gradients)
    if max_norm:
        torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


def _mean(logs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([log[name].float() for log in logs]).mean() for name in logs[0]}
