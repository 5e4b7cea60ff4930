import pytest
import torch

from anylead.models.dropout import Dropout, dropout

NUM = 200_001  # no multiple of the four elements that one random number decides


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("prob", [0.01, 0.1, 0.5, 0.9])
def test_as_many_elements_as_asked_for_are_zero_and_the_mean_stays(prob, dtype):
    torch.manual_seed(0)
    dropped = dropout(torch.ones(NUM, dtype=dtype), prob)
    deviation = (prob * (1 - prob) / NUM) ** 0.5
    assert (dropped == 0).double().mean().item() == pytest.approx(prob, abs=5 * deviation)
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - prob)), rtol=4e-3, atol=0)


def test_elements_are_dropped_independently_of_their_neighbours():
    torch.manual_seed(1)
    is_kept = (dropout(torch.ones(NUM), 0.5) != 0).double() - 0.5
    for lag in range(1, 9):
        correlation = (is_kept[lag:] * is_kept[:-lag]).mean().item() * 4
        assert abs(correlation) < 5 / NUM**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_pass_where_values_passed(dtype):
    x = torch.randn(3, 17, 5).to(dtype).requires_grad_()
    dropped = dropout(x, 0.3)
    dropped.backward(torch.ones_like(dropped))
    assert torch.equal(x.grad == 0, dropped == 0)
    torch.testing.assert_close(x.grad * x, dropped)


def test_the_seed_of_torch_decides_what_is_dropped():
    x = torch.ones(1000)
    found = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        found.append(torch.stack([dropout(x, 0.5), dropout(x, 0.5)]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][0], found[0][1])


def test_nothing_and_all_can_be_dropped():
    x = torch.randn(7, 3)
    assert torch.equal(dropout(x, 0.0), x)
    assert torch.equal(dropout(x, 1e-9), x)
    assert torch.equal(dropout(x, 1.0), torch.zeros_like(x))
    assert dropout(torch.ones(0, 4), 0.5).shape == (0, 4)
    assert torch.equal(Dropout(0.5).eval()(x), x)
