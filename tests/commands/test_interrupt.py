"""Ctrl-C as a terminal sends it, to the command and its workers; benchmarks/faults.py does more."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fitted_model

SOURCE = Path(__file__).parents[2] / "src"
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="wants /proc of Linux")


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "anylead", *words],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell starts background jobs deaf to Ctrl-C, and these tests may be in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def members(group):
    """Processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("interrupt") / "store"
    words = ("prepare", "synthetic", "--out", str(out), "--options.num_patients", "400")
    process = start(*words, "--preprocess.sample_rate", "100", "--preprocess.highpass_hz", "0.5")
    assert process.communicate(timeout=300) and process.returncode == 0
    return str(out)


@pytest.mark.parametrize("verb", ["prepare", "embed"])
def test_ctrl_c_ends_the_command_and_its_workers_in_one_line(verb, store, tmp_path):
    out = tmp_path / {"prepare": "store", "embed": "e.parquet"}[verb]
    words = {
        "prepare": ("prepare", "synthetic", "--options.num_patients", "20000"),
        "embed": ("embed", store, str(fitted_model.folder()), "--records_per_part", "8"),
    }[verb]
    process = start(*words, "--out", str(out), "--num_workers", "2")
    try:
        assert until(lambda: len(members(process.pid)) > 1 or process.poll() is not None)
        time.sleep(0.5)  # within the work of prepare, within the imports of the workers of embed
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        lines = [line for line in said.splitlines() if "preparing:" not in line]
        assert lines == [f"anylead {verb}: stopped by Ctrl-C"]
        assert until(lambda: not members(process.pid), 10), "processes are left"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
