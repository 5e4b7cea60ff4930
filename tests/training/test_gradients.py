import torch
from torch import nn

from anylead.training import gradients
from anylead.training.distributed import join_world
from anylead.training.gradients import GradientSum
from training.tiny_run import start


class Model(nn.Module):
    """Layers of several sizes, one that is never used, and one that is used twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(size, size + 1) for size in range(3, 9))
        self.unused = nn.Linear(7, 7)
        self.last = nn.Linear(9, 9)

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.last(torch.tanh(self.last(x)))


def batches_of(rank):
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(4, 3, generator=generator) for _ in range(4)]


def sum_up(out):
    """Two steps of two backward passes each; writes sums, and what was sent on the way back."""
    gradients._BUCKET_BYTES = 200
    world = join_world(torch.device("cpu"))
    model, found, sent = Model(), [], []
    parameters = list(model.parameters())
    one, two, three, four = batches_of(world.rank)
    with GradientSum(parameters, world) as summed:
        for first, last in ((one, two), (three, four)):
            model(first).square().sum().backward()
            summed.begin()
            model(last).square().sum().backward()
            sent.append(len(summed._sent))
            summed.finish()
            found.append([item.grad for item in parameters])
            model.zero_grad()
    model(one).square().sum().backward()  # nobody sends any more
    torch.save((found, sent), f"{out}.rank{world.rank}")


def expected_sums():
    sums = []
    for step in range(2):
        model = Model()
        for rank in range(3):
            for x in batches_of(rank)[2 * step : 2 * step + 2]:
                model(x).square().sum().backward()
        sums.append([item.grad for item in model.parameters()])
    return sums


def test_gradients_of_all_ranks_are_summed_and_sent_before_the_backward_pass_ends(tmp_path):
    out = tmp_path / "out"
    processes = [
        start(sum_up, out, rank=rank, size=3, meeting=tmp_path / "meeting") for rank in range(3)
    ]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    for rank in range(3):
        found, sent = torch.load(f"{out}.rank{rank}")
        assert min(sent) >= 2
        for ours, theirs in zip(found, expected_sums(), strict=True):
            assert [item is None for item in ours] == [item is None for item in theirs]
            pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None]
            for one, other in pairs:
                torch.testing.assert_close(one, other)


def test_buckets_hold_every_parameter_once_from_the_last_to_the_first(monkeypatch):
    monkeypatch.setattr(gradients, "_BUCKET_BYTES", 100)
    parameters = list(Model().parameters())
    buckets = gradients._in_buckets(parameters)
    assert len(buckets) > 3
    flat = [item for members in buckets for item in members]
    assert [id(item) for item in flat] == [id(item) for item in reversed(parameters)]
