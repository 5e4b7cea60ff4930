import torch
from torch import nn

from anylead.models.moving_average import MovingAverage


def parts(value):
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, value)
    norm = nn.BatchNorm1d(2)
    norm.num_batches_tracked.fill_(int(value))
    return {"encoder": layer, "norm": norm}


def test_it_follows_by_its_decay_and_takes_counts_as_they_are():
    average = MovingAverage(parts(0.0), decay=0.9)
    average.follow(parts(1.0), torch.tensor(1000))
    weights = average.weights()
    torch.testing.assert_close(weights["encoder.weight"], torch.full((2, 2), 0.1))
    assert weights["norm.num_batches_tracked"] == 1


def test_micro_batches_of_a_step_move_it_once():
    average = MovingAverage(parts(0.0), decay=0.9)
    for _ in range(3):
        average.follow(parts(1.0), torch.tensor(1000))
    torch.testing.assert_close(average.weights()["encoder.weight"], torch.full((2, 2), 0.1))


def test_in_the_first_steps_it_forgets_where_it_began():
    average = MovingAverage(parts(0.0), decay=0.999)
    for step in range(20):
        average.follow(parts(1.0), torch.tensor(step))
    assert average.weights()["encoder.weight"].min() > 0.9


def test_no_gradient_reaches_it_and_its_names_are_those_it_follows():
    average = MovingAverage(parts(0.0), decay=0.9)
    assert not any(weight.requires_grad for weight in average.parameters())
    assert set(average.weights()) == {
        f"{name}.{key}" for name, part in parts(0.0).items() for key in part.state_dict()
    }
