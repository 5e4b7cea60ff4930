import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from training.test_faults import equal
from training.test_sharding import weights
from training.tiny_run import QUIET, run, start

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.timeout(600)  # four processes import torch
def test_torchrun_starts_all_ranks_again_and_they_go_on_from_the_last_state(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "--max-restarts=1"]
    command += [str(TESTS / "training" / "killed_once.py"), str(tmp_path / "killed")]
    paths = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    ended = subprocess.run(
        command,
        env=os.environ
        | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stderr
    assert "SIGKILL" in ended.stderr or "-9" in ended.stderr
    config = replace(QUIET, steps=12)
    processes = [
        start(run, tmp_path / "whole", config, rank=rank, size=2, meeting=tmp_path / "meeting")
        for rank in range(2)
    ]
    for process in processes:
        process.join(300)
    assert equal(weights(tmp_path / "killed", 12), weights(tmp_path / "whole", 12))
