import errno
import os
import random
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from anylead.errors import CheckpointError, RecipeError, TrainingError
from anylead.training import resume
from anylead.training.resume import states
from anylead.training.settings import TrainConfig
from anylead.training.stopping import stop_on_signals
from training.tiny_run import QUIET, GeneratedLoader, objective, run, start

STEPS = 24
RESUMING = replace(QUIET, steps=STEPS, resume=True)


def final_weights(folder):
    module = objective()
    optimizer = torch.optim.AdamW(module.parameters())
    facts = resume.load_state(folder, module, optimizer)
    assert facts["step"] == STEPS
    return module.state_dict()


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Weights by number of ranks, of runs that nothing disturbed."""
    known = {}

    def get(size):
        if size not in known:
            folder = tmp_path_factory.mktemp("uninterrupted")
            processes = start_ranks(folder, size, "whole")
            for process in processes:
                process.join(300)
                assert process.exitcode == 0
            known[size] = final_weights(folder)
        return known[size]

    return get


def start_ranks(folder, size, name):
    return [
        start(run, folder, RESUMING, rank=rank, size=size, meeting=folder / f"{name}.meeting")
        for rank in range(size)
    ]


@pytest.mark.timeout(600)  # many starts: slow where cores are shared
@pytest.mark.parametrize(("size", "num_kills"), [(1, 8), (2, 4)])
def test_killed_at_random_moments_it_ends_with_the_very_same_weights(
    tmp_path, uninterrupted, size, num_kills
):
    expected = uninterrupted(size)
    rng = random.Random(size)
    num_killed = 0
    for attempt in range(num_kills + 1):
        processes = start_ranks(tmp_path, size, str(attempt))
        if attempt < num_kills:
            wait_for_progress(tmp_path, processes[0])
            time.sleep(rng.uniform(0, 0.05))
            victim = rng.choice(processes)
            num_killed += victim.exitcode is None
            victim.kill()
            victim.join()
            for process in processes:  # as torchrun does with the others
                process.kill()
        for process in processes:
            process.join(300)
    assert [process.exitcode for process in processes] == [0] * size
    assert num_killed >= 2  # a starved test may find some attempts already finished
    assert equal(final_weights(tmp_path), expected)


def wait_for_progress(folder, process):
    """Until one more state is on the disk, so that every attempt gets somewhere."""
    before, end = states(folder), time.monotonic() + 30
    while states(folder) == before and process.is_alive() and time.monotonic() < end:
        time.sleep(0.002)


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    run(tmp_path, replace(RESUMING, steps=4))
    processes = start_ranks(tmp_path, 2, "two")
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    final_weights(tmp_path)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")]
)
def test_a_polite_end_keeps_the_state_and_has_its_own_status(tmp_path, uninterrupted, number, name):
    config = replace(RESUMING, save_every=1000)
    process = start(run_slowly, tmp_path, config)
    time.sleep(0.3)
    while not (tmp_path / "begun").exists() and process.is_alive():
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.join(300)
    assert process.exitcode == 75
    said = tmp_path.with_name(f"{tmp_path.name}.rank0.error").read_text()
    assert name in said and "--train.resume true" in said
    assert len(states(tmp_path)) == 1
    assert f"{STEPS:08d}" not in states(tmp_path)[0].name
    resumed = start(run, tmp_path, config)  # with the threads of the others: sums are in order
    resumed.join(300)
    assert equal(final_weights(tmp_path), uninterrupted(1))


def test_a_second_ctrl_c_ends_at_once():
    # A shell starts background jobs deaf to Ctrl-C, and these tests may be in one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with stop_on_signals() as came:
        os.kill(os.getpid(), signal.SIGINT)
        assert came() == "Ctrl-C"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # as it was before
        os.kill(os.getpid(), signal.SIGINT)


def run_slowly(folder, config):
    class Slow(GeneratedLoader):
        def batch(self, step, part=0, num_parts=1):
            (folder / "begun").touch()
            time.sleep(0.1)
            return super().batch(step, part, num_parts)

    run(folder, config, Slow(config.batch_size))


def test_the_loss_of_a_rank_is_one_clear_line_on_the_other(tmp_path):
    processes = [
        start(run_and_fail, tmp_path, rank, rank=rank, size=2, meeting=tmp_path / "meeting")
        for rank in range(2)
    ]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [2, 2]
    said = tmp_path.with_name(f"{tmp_path.name}.rank0.error").read_text()
    assert said.startswith("rank 0 of 2: another rank is gone")
    assert "--train.resume true" in said


def run_and_fail(folder, rank):
    class Failing(GeneratedLoader):
        def batch(self, step, part=0, num_parts=1):
            if rank == 1 and step == 3:
                raise TrainingError("this rank cannot go on")
            return super().batch(step, part, num_parts)

    run(folder, RESUMING, Failing(RESUMING.batch_size))


def test_ranks_get_equal_shares_or_the_remedy(tmp_path):
    config = replace(RESUMING, batch_size=3)
    processes = [
        start(run, tmp_path, config, rank=rank, size=2, meeting=tmp_path / "meeting")
        for rank in range(2)
    ]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [2, 2]
    assert "a multiple of 2" in tmp_path.with_name(f"{tmp_path.name}.rank1.error").read_text()


def test_a_full_disk_keeps_the_state_before_and_training_goes_on(tmp_path, monkeypatch, caplog):
    write = resume.save_file

    def full_at_step_two(tensors, path, metadata):
        write(tensors, path, metadata)
        if '"step": 2' in metadata["facts"]:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(resume, "save_file", full_at_step_two)
    run(tmp_path, replace(QUIET, steps=3, keep_last=5))
    warning = caplog.text
    assert "No space left on device" in warning
    assert "resume-00000001.safetensors is kept; training goes on" in warning
    assert [path.name for path in states(tmp_path)] == [
        "resume-00000001.safetensors",
        "resume-00000003.safetensors",
    ]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".unfinished")]


def test_a_disk_that_is_full_at_the_end_is_an_error(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(resume, "save_file", full)
    with pytest.raises(CheckpointError, match=r"No space left.*no state is kept"):
        run(tmp_path, replace(QUIET, steps=2))


def test_the_last_states_stay(tmp_path):
    run(tmp_path, replace(QUIET, steps=5, keep_last=2))
    names = [path.name for path in states(tmp_path)]
    assert names == ["resume-00000004.safetensors", "resume-00000005.safetensors"]


def test_a_damaged_state_is_named_with_the_remedy(tmp_path):
    run(tmp_path, replace(QUIET, steps=1))
    states(tmp_path)[0].write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=r"resume-00000001.*damaged.*delete it"):
        run(tmp_path, replace(QUIET, steps=2, resume=True))


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_records(tmp_path):
    class Broken(GeneratedLoader):
        def batch(self, step, part=0, num_parts=1):
            batch = super().batch(step, part, num_parts)
            return replace(batch, signal=batch.signal * np.nan) if step == 2 else batch

    loader = Broken(4)
    rows = loader.sampler.rows(2).tolist()
    with pytest.raises(TrainingError) as caught:
        run(tmp_path, replace(QUIET, steps=4), loader)
    assert str(caught.value).startswith("step 2: loss nan")
    assert str(rows) in str(caught.value)
    assert states(tmp_path)[-1].name == "resume-00000002.safetensors"


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate", "save_every", "keep_last"])
def test_a_number_that_makes_no_sense_is_refused(name):
    with pytest.raises(RecipeError, match=rf"train\.{name} is 0; want at least 1"):
        TrainConfig(**{name: 0})
