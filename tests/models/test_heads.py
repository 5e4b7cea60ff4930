"""The attentive head: frames it looks at, padding it does not, heads of a checkpoint."""

import pytest
import torch

from anylead.errors import CheckpointError
from anylead.models.encoder import mean_over_frames
from anylead.models.heads import HEADS, build_head, filled_head

DIM = 24
every = pytest.mark.parametrize("kind", HEADS)


def head(kind, dim=DIM):
    torch.manual_seed(0)
    return build_head(kind, dim, 3)


def by_definition(made, row):
    """One row (frame, dim), a frame and a head at a time."""
    frames = torch.nn.functional.layer_norm(row, (DIM,), made.norm.weight, made.norm.bias)
    keys, values = made.key(frames), made.value(frames)
    parts, size = [], DIM // made.num_heads
    for number in range(made.num_heads):
        own = slice(number * size, (number + 1) * size)
        scores = [float(key[own] @ made.question[own]) / size**0.5 for key in keys]
        weight = torch.tensor(scores).exp()
        parts.append(sum(w * v[own] for w, v in zip(weight / weight.sum(), values, strict=True)))
    return torch.nn.functional.linear(torch.cat(parts), made.weight, made.bias)


@torch.no_grad()
def test_the_attentive_head_equals_its_definition_at_each_length():
    made = head("attentive")
    made.question.copy_(torch.randn(DIM))
    assert made.num_heads == 8
    context = torch.randn(3, 7, DIM)
    valid = [7, 4, 1]
    is_padding = torch.arange(7) >= torch.tensor(valid)[:, None]
    found = made(context, is_padding, None)
    for row, count in enumerate(valid):
        torch.testing.assert_close(found[row], by_definition(made, context[row, :count]))
    torch.testing.assert_close(made(context[:1], None, None), found[:1])


@every
def test_a_row_of_nothing_but_padding_gives_numbers_and_gradients(kind):
    made = head(kind)
    context = torch.randn(2, 5, DIM, requires_grad=True)
    is_padding = torch.tensor([[True] * 5, [False] * 5])
    made(context, is_padding, mean_over_frames).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in made.parameters())
    assert context.grad.isfinite().all()


def test_it_tells_apart_what_the_mean_does_not():
    """A sign at one frame, its opposite at another, in an order that does not matter."""
    torch.manual_seed(1)
    context = 0.1 * torch.randn(64, 10, DIM)
    label = (torch.arange(64) % 2).float()
    spot = torch.randn(DIM)
    for row in range(64):
        context[row, row % 10] += spot if label[row] else 0
        context[row, (row + 3) % 10] -= spot if label[row] else 0
    made = build_head("attentive", DIM, 1)
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            made(context, None, None)[:, 0], label
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    same = mean_over_frames(context, None)
    assert (same[label == 1].mean(0) - same[label == 0].mean(0)).abs().max() < 0.05


@pytest.mark.parametrize(("dim", "num"), [(24, 8), (20, 5), (7, 7), (13, 1), (768, 8), (80, 8)])
def test_any_width_has_heads_that_divide_it(dim, num):
    assert head("attentive", dim).num_heads == num


@every
def test_a_head_of_a_checkpoint_is_the_same_or_is_told(kind):
    made = head(kind)
    again = filled_head(kind, made.state_dict(), DIM, 3)
    context = torch.randn(2, 4, DIM)
    assert torch.equal(
        again(context, None, mean_over_frames), made(context, None, mean_over_frames)
    )
    with pytest.raises(CheckpointError, match="does not fit 4 labels"):
        filled_head(kind, made.state_dict(), DIM, 4)
    with pytest.raises(CheckpointError, match=r"head 'attentve'.*attentive"):
        filled_head("attentve", made.state_dict(), DIM, 3)
