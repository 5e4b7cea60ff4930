import pytest
import torch
from torch import nn

from anylead.errors import RecipeError
from anylead.training.optimizer import OptimizerConfig, build_optimizer


class Task(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.feature_projection = nn.Linear(2, 2)
        self.encoder.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        self.head = nn.Linear(2, 1)


def test_layers_nearer_to_the_head_learn_faster():
    task = Task()
    config = OptimizerConfig(decay_by_layer=0.5, head_factor=10.0)
    factor = {
        id(parameter): group["factor"]
        for group in build_optimizer(task, config).param_groups
        for parameter in group["params"]
    }
    assert factor[id(task.head.weight)] == 10
    assert factor[id(task.encoder.layers[1].weight)] == 1
    assert factor[id(task.encoder.layers[0].weight)] == 0.5
    assert factor[id(task.encoder.feature_projection.weight)] == 0.25


def test_frozen_parameters_are_left_out():
    task = Task()
    task.encoder.requires_grad_(False)
    (group,) = build_optimizer(task, OptimizerConfig()).param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in task.head.parameters()}
    task.head.requires_grad_(False)
    with pytest.raises(RecipeError, match="nothing to train"):
        build_optimizer(task, OptimizerConfig())


def test_decay_is_decoupled():
    task = Task()
    before = task.head.weight.detach().clone()
    optimizer = build_optimizer(task, OptimizerConfig(learning_rate=0.1, weight_decay=0.5))
    for parameter in task.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(task.head.weight.detach(), before * (1 - 0.1 * 0.5))
