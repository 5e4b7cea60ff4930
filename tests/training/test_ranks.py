import pytest
import torch

from anylead.training.distributed import World, join_world
from anylead.training.loop import train
from training.tiny_run import GeneratedLoader, objective, start


def take_two_steps(out, accumulate, dropout):
    """Plain gradient descent, so that weights show gradients; writes losses and weights."""
    world = join_world(torch.device("cpu"))
    module, loader, losses = objective(dropout), GeneratedLoader(8), []
    parts = world.size * accumulate
    steps = [
        (step, [loader.batch(step, world.rank * accumulate + i, parts) for i in range(accumulate)])
        for step in range(2)
    ]
    train(
        module.train(),
        steps,
        torch.optim.SGD(module.parameters(), lr=0.05),
        learning_rate=lambda step: 0.05,
        max_grad_norm=0.0,
        device=torch.device("cpu"),
        precision=torch.float32,
        world=world,
        on_step=lambda taken: losses.append(taken.loss),
    )
    if world == World(0, world.size):
        torch.save({"losses": losses, **module.state_dict()}, out)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What (ranks, micro-batches of each, dropout) end with; every case is run once."""
    folder, known = tmp_path_factory.mktemp("ranks"), {}

    def get(size, accumulate, dropout):
        case = (size, accumulate, dropout)
        if case not in known:
            out = folder / "-".join(map(str, case))
            processes = [
                start(
                    take_two_steps, out, accumulate, dropout,
                    rank=rank, size=size, meeting=folder / f"{out.name}.meeting",
                )
                for rank in range(size)
            ]  # fmt: skip
            for process in processes:
                process.join(300)
            assert [process.exitcode for process in processes] == [0] * size
            known[case] = torch.load(out)
        return known[case]

    return get


@pytest.mark.parametrize("case", [(1, 8), (2, 4), (4, 2), (8, 1)])
def test_ranks_and_micro_batches_give_the_loss_and_gradients_of_one_batch(outcome, case):
    torch.testing.assert_close(outcome(*case, 0.0), outcome(1, 1, 0.0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", [(2, 4), (4, 2), (8, 1)])
def test_ranks_and_micro_batches_are_the_same_with_dropout_too(outcome, case):
    torch.testing.assert_close(outcome(*case, 0.1), outcome(1, 8, 0.1), rtol=1e-4, atol=1e-6)


def test_the_steps_change_every_weight_so_the_comparison_says_something(outcome):
    fresh = objective(0.0).state_dict()
    after = outcome(1, 1, 0.0)
    unchanged = [name for name in fresh if torch.equal(fresh[name], after[name])]
    assert not unchanged
