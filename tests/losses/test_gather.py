import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anylead.losses.gather import gather
from losses.gather_worker import losses_and_gradients, whole_batch

ROOT = Path(__file__).resolve().parents[2]
NUM_RANKS = 2


def test_one_process_gets_its_own_rows():
    rows = torch.randn(3, 2)
    assert gather(rows) is rows


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    outs = [folder / f"{rank}.pt" for rank in range(NUM_RANKS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    worker = str(ROOT / "tests" / "losses" / "gather_worker.py")
    processes = [
        subprocess.Popen(
            [sys.executable, worker, str(rank), str(NUM_RANKS), str(folder / "meeting"), str(out)],
            env=environment,
        )
        for rank, out in enumerate(outs)
    ]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0] * NUM_RANKS
    finally:
        for process in processes:
            process.kill()
    return [torch.load(out) for out in outs]


@pytest.mark.parametrize("name", ["nt_xent", "cmsc"])
def test_two_processes_have_the_loss_and_the_gradients_of_one(ranks, name):
    all_terms = sum(range(1, NUM_RANKS + 1))
    loss, gradient = losses_and_gradients(*whole_batch(), terms=all_terms)[name]
    for rank in ranks:
        torch.testing.assert_close(rank[name][0], loss)
    torch.testing.assert_close(torch.cat([rank[name][1] for rank in ranks]), gradient)
    assert gradient.abs().sum() > 0
