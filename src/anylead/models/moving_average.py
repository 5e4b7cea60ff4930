"""A copy of a module whose weights are a moving average of those that are trained.

As the teacher of data2vec (arXiv:2202.03555) and of mean teachers (arXiv:1703.01780).
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """A copy of several modules that follows them, step by step, without gradients.

    Args:
        modules: name -> what is followed; the copy has the same names.
        decay: share of the average that stays at each step; less in the first steps, where the
            average would else remember the start: (1 + step) / (10 + step).
    """

    last_step: Tensor

    def __init__(self, modules: Mapping[str, nn.Module], decay: float):
        super().__init__()
        self.decay = decay
        self.copies = nn.ModuleDict({name: deepcopy(part) for name, part in modules.items()})
        self.copies.requires_grad_(False)
        self.register_buffer("last_step", torch.tensor(-1))

    @torch.no_grad()
    def follow(self, modules: Mapping[str, nn.Module], step: Tensor) -> None:
        """Move towards the modules as they are before a step; once for its micro-batches."""
        if int(step) <= int(self.last_step):
            return
        self.last_step.fill_(step)
        kept = min(self.decay, (1 + int(step)) / (10 + int(step)))
        own = self.copies.state_dict()
        current = {
            f"{name}.{key}": value
            for name, part in modules.items()
            for key, value in part.state_dict().items()
        }
        floats = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[n] for n in floats], [current[n] for n in floats], 1 - kept)
        for name in own.keys() - set(floats):
            own[name].copy_(current[name])

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights under the names of what is followed."""
        return dict(self.copies.state_dict())
