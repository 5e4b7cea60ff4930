"""The one training loop, for every method and task.

Per step: forward and backward of each micro-batch, gradients divided once by the number of terms
of all micro-batches and ranks, clipped, one optimizer step.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from anylead.errors import TrainingError
from anylead.objective import Batch, Objective
from anylead.training.distributed import World


@dataclass(frozen=True)
class Taken:
    """What one optimizer step was like; scalars stay on the device until they are looked at."""

    step: int
    loss: Tensor
    grad_norm: Tensor
    learning_rate: float
    logs: dict[str, Tensor]
    records: list[Tensor]

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
    """
    parameters = [item for group in optimizer.param_groups for item in group["params"]]
    for number, micro_batches in steps:
        rate = learning_rate(number)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        losses, terms, logs = [], [], []
        for batch in micro_batches:
            with _autocast(device, precision):
                step = objective(batch.to(device))
            torch.autograd.backward(step.loss)
            losses.append(step.loss.detach())
            terms.append(step.terms)
            logs.append(step.logs)
        total = world.sum(torch.stack([torch.stack(losses).sum(), torch.stack(terms).sum()]))
        grad_norm = _divide_and_clip(parameters, total[1], max_grad_norm, world)
        optimizer.step()
        optimizer.zero_grad()
        records = [batch.record for batch in micro_batches]
        on_step(Taken(number, total[0] / total[1], grad_norm, rate, _mean(logs), records))


def _divide_and_clip(
    parameters: Sequence[nn.Parameter], terms: Tensor, max_norm: float, world: World
) -> Tensor:
    """Sum gradients over ranks, divide by `terms`, clip; returns the norm before clipping."""
    gradients = [item.grad for item in parameters if item.grad is not None]
    world.sum_gradients(gradients)
    torch._foreach_mul_(gradients, (1 / terms).to(gradients[0].dtype))
    norm = get_total_norm(gradients)
    if max_norm:
        torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


def _mean(logs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([log[name].float() for log in logs]).mean() for name in logs[0]}
