from dataclasses import replace

import pytest
import torch

from anylead.errors import RecipeError
from anylead.training import resume
from anylead.training.distributed import join_world
from anylead.training.fit import fit
from anylead.training.loop import train
from anylead.training.optimizer import OptimizerConfig
from anylead.training.run_folder import RunFolder
from anylead.training.settings import TrainConfig, find_machine
from anylead.training.sharding import own_part, shard, write_back
from training.tiny_run import QUIET, GeneratedLoader, Training, objective, run, start

CPU = torch.device("cpu")
SHARDED = replace(QUIET, sharding="fsdp", resume=True)
# As many parts of a step as two ranks have: dropout is a function of the part.
ALONE = replace(SHARDED, accumulate=2)


on_cpu = pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason="torch too old for FSDP2 on a CPU"
)


def take_three_steps(out, accumulate, norm):
    """Plain gradient descent, so that weights show gradients; writes what each rank has seen."""
    world = join_world(CPU, is_sharding=True)
    whole, loader, seen = objective(0.0).train(), GeneratedLoader(8), {"loss": [], "norm": []}
    module = shard(whole, CPU) if world.is_sharding else whole
    parts = world.size * accumulate
    steps = [
        (step, [loader.batch(step, world.rank * accumulate + i, parts) for i in range(accumulate)])
        for step in range(3)
    ]

    def see(taken):
        seen["loss"].append(taken.loss)
        seen["norm"].append(taken.grad_norm)

    train(
        module,
        steps,
        torch.optim.SGD(module.parameters()),
        learning_rate=lambda step: 0.05,
        max_grad_norm=norm,
        device=CPU,
        precision=torch.float32,
        world=world,
        on_step=see,
    )
    seen["held"] = sum(own_part(item).numel() for item in module.parameters())
    write_back(module, whole)
    torch.save({**seen, **whole.state_dict()}, f"{out}.rank{world.rank}")


def all_ranks(call, folder, name, *arguments, size=2):
    """Run to the end on `size` ranks."""
    processes = [
        start(call, *arguments, rank=rank, size=size, meeting=folder / f"{name}.meeting")
        for rank in range(size)
    ]
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]


@on_cpu
@pytest.mark.parametrize(("accumulate", "norm"), [(1, 0.0), (2, 0.5)])
def test_two_ranks_that_share_weights_take_the_steps_of_one(tmp_path, accumulate, norm):
    out = tmp_path / "out"
    assert all_ranks(take_three_steps, tmp_path, "two", out, accumulate, norm) == [0, 0]
    take_three_steps(tmp_path / "alone", 1, norm)
    expected = torch.load(tmp_path / "alone.rank0")
    for rank in range(2):
        found = torch.load(f"{out}.rank{rank}")
        assert found.pop("held") < 0.6 * expected["held"]
        alone = {name: value for name, value in expected.items() if name != "held"}
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    assert not norm or max(expected["norm"]) > norm  # clipped at least once


def weights(folder, step):
    module = objective()
    facts = resume.load_state(folder, module, torch.optim.AdamW(module.parameters()))
    assert facts["step"] == step
    return module.state_dict()


@on_cpu
def test_a_run_goes_on_with_and_without_sharding(tmp_path):
    mixed, plain = tmp_path / "mixed", tmp_path / "plain"
    run(mixed, replace(ALONE, steps=2))  # one rank: nothing to share
    assert all_ranks(run, tmp_path, "fsdp", mixed, replace(SHARDED, steps=4)) == [0, 0]
    shared = replace(SHARDED, sharding="none", steps=6)
    assert all_ranks(run, tmp_path, "ddp", mixed, shared) == [0, 0]
    last = replace(SHARDED, steps=8, recompute=True)
    assert all_ranks(run, tmp_path, "again", mixed, last) == [0, 0]
    run(mixed, replace(ALONE, sharding="none", steps=9))
    run(plain, replace(ALONE, sharding="none", steps=9))
    torch.testing.assert_close(weights(mixed, 9), weights(plain, 9), rtol=1e-4, atol=1e-5)


def look_at_weights_after_epochs(out, config):
    module, epochs = objective(), []

    def look(progress):
        is_plain = all(type(item) is torch.nn.Parameter for item in module.parameters())
        epochs.append((is_plain, {name: x.clone() for name, x in module.state_dict().items()}))
        return {}

    loader = GeneratedLoader(config.batch_size)
    machine = find_machine(config)
    settings = Training(config, OptimizerConfig())
    fit(module, loader, settings, RunFolder(out), machine, look)
    torch.save({"epochs": epochs, "last": module.state_dict()}, f"{out}.rank{machine.world.rank}")


@on_cpu
def test_the_module_of_the_caller_is_whole_after_an_epoch_and_at_the_end(tmp_path):
    out, alone = tmp_path / "out", tmp_path / "alone"
    two_steps_each = replace(SHARDED, epochs=2)
    assert all_ranks(look_at_weights_after_epochs, tmp_path, "two", out, two_steps_each) == [0, 0]
    look_at_weights_after_epochs(alone, replace(ALONE, epochs=2))
    expected = torch.load(f"{alone}.rank0")
    for rank in range(2):
        found = torch.load(f"{out}.rank{rank}")
        assert [is_plain for is_plain, _ in found["epochs"]] == [True, True]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(expected["last"], expected["epochs"][1][1], rtol=0, atol=0)


def test_sharding_and_compile_are_one_or_the_other():
    with pytest.raises(RecipeError, match="want one of them"):
        TrainConfig(compile=True, sharding="fsdp")


def test_a_torch_that_cannot_share_weights_on_a_cpu_is_named(monkeypatch):
    monkeypatch.delattr(torch.cpu.Stream, "record_event", raising=False)
    with pytest.raises(RecipeError, match=r"torch .* for GPUs only; install a newer"):
        shard(objective(), CPU)
