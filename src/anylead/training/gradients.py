"""The sum of gradients over ranks, sent while the backward pass still goes on.

The way of DistributedDataParallel (arXiv:2006.15704), which itself would wrap the objective and
average over ranks. Hooks on the parameters leave the objective and the names of its weights alone.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from anylead.training.distributed import World
from anylead.training.sharding import own_part

# What is sent at once, as in DistributedDataParallel; the last layers' part goes first.
_BUCKET_BYTES = 25 * 2**20


class _Sent(NamedTuple):
    """A transfer under way: of these parameters, in this memory."""

    parameters: list[nn.Parameter]
    flat: Tensor
    work: dist.Work


class GradientSum:
    """What a step sums up over ranks; alone there is nothing to do.

    Ranks send parts in one order that is fixed from the start, whichever are ready first, so they
    never wait for different ones. A context: parameters are left as they were found.

    Args:
        parameters: those that are trained, the same on every rank.
        world: the ranks.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], world: World):
        self._parameters, self._world = parameters, world
        is_whole = world.size > 1 and not world.is_sharding
        self._buckets = _in_buckets(parameters) if is_whole else []
        self._bucket_of = {
            parameter: number
            for number, members in enumerate(self._buckets)
            for parameter in members
        }
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(self._arrived)  # type: ignore[no-untyped-call]
            for parameter in self._bucket_of
        ]
        self._next = len(self._buckets)  # to be sent; beyond the last: nothing is awaited
        self._missing: list[int] = []
        self._sent: list[_Sent] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def begin(self) -> None:
        """The backward pass that follows is the last one of the step."""
        self._missing = [len(members) for members in self._buckets]
        self._next = 0

    def finish(self) -> list[Tensor]:
        """All gradients as their sums over ranks.

        Returns:
            What this rank holds of each: a part, where weights are shared out, else all.
        """
        while self._next < len(self._buckets):
            self._send()
        for members, flat, work in self._sent:
            work.wait()
            parts = torch.split(flat, [parameter.numel() for parameter in members])
            for parameter, part in zip(members, parts, strict=True):
                parameter.grad = part.view_as(parameter)
        self._sent.clear()
        gradients = [item.grad for item in self._parameters if item.grad is not None]
        if self._world.is_sharding:
            gradients = [own_part(gradient) for gradient in gradients]
            torch._foreach_mul_(gradients, self._world.size)  # the backward pass averaged them
        return gradients

    def _arrived(self, parameter: nn.Parameter) -> None:
        if self._next == len(self._buckets):  # not the last backward pass
            return
        self._missing[self._bucket_of[parameter]] -= 1
        while self._next < len(self._buckets) and self._missing[self._next] == 0:
            self._send()

    def _send(self) -> None:
        """Send the next bucket; parameters without a gradient have none on any rank."""
        members = [item for item in self._buckets[self._next] if item.grad is not None]
        self._next += 1
        if members:
            flat = torch.cat([item.grad.flatten() for item in members if item.grad is not None])
            self._sent.append(_Sent(members, flat, dist.all_reduce(flat, async_op=True)))


def _in_buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Parameters from the last to the first, about as the backward pass comes to them."""
    buckets: list[list[nn.Parameter]] = [[]]
    num_bytes = 0
    for parameter in reversed(parameters):
        size = parameter.numel() * parameter.element_size()
        if buckets[-1] and num_bytes + size > _BUCKET_BYTES:
            buckets.append([])
            num_bytes = 0
        buckets[-1].append(parameter)
        num_bytes += size
    return buckets
