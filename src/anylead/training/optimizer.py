"""AdamW with a learning rate by depth."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from anylead.errors import RecipeError


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam with decoupled weight decay; the defaults are the paper's for pre-training.

    Attributes:
        learning_rate: peak.
        betas: decay of the two moments.
        eps: added to the root of the second moment.
        weight_decay: decoupled (arXiv:1711.05101).
        decay_by_layer: each layer further from the head learns slower by this factor; 1 = alike.
        head_factor: the head learns this much faster than the last layer.
        max_grad_norm: gradients are clipped to this norm; 0 = not.
    """

    learning_rate: float = 5e-5
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.01
    decay_by_layer: float = 1.0
    head_factor: float = 1.0
    max_grad_norm: float = 0.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "eps", "decay_by_layer", "head_factor"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise RecipeError(f"optimizer.{name} is {value}; want a number above 0")
        for name in ("weight_decay", "max_grad_norm"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise RecipeError(f"optimizer.{name} is {value}; want 0 or more")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise RecipeError(f"optimizer.betas are {self.betas}; want two of 0 or more, below 1")


def build_optimizer(module: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Groups of parameters with their `factor` on the learning rate; frozen ones left out."""
    num_layers = len(getattr(getattr(module, "encoder", None), "layers", ()))
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in _trainable(module):
        factor = _factor(name, num_layers, config)
        groups.setdefault(factor, []).append(parameter)
    if not groups:
        raise RecipeError("every parameter is frozen: nothing to train")
    parameters: list[dict[str, Any]] = [
        {"params": members, "factor": factor} for factor, members in groups.items()
    ]
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=True,
    )


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, item) for name, item in module.named_parameters() if item.requires_grad)


def _factor(name: str, num_layers: int, config: OptimizerConfig) -> float:
    """1 for the last layer, smaller below, `head_factor` for what is not in the encoder."""
    if not name.startswith("encoder."):
        return config.head_factor
    depth = int(name.split(".")[2]) if name.startswith("encoder.layers.") else -1
    return float(config.decay_by_layer ** (num_layers - 1 - depth))
