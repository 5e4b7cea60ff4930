"""The scripts behind docs/performance.md still run; those for a GPU on the CPU, at tiny size."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_benchmark_finds_what_it_imports(name, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    runpy.run_path(str(FOLDER / name), run_name="imported")
    for script in SCRIPTS:  # such as `step`, a name that others may have
        sys.modules.pop(script.removesuffix(".py"), None)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_is_measured_on_a_gpu_runs_at_tiny_size_without_one(tmp_path):
    settings = {"DEVICE": "cpu", "SIZE": "tiny", "RECORDINGS": "2", "SECONDS_EACH": "0.1"}
    python = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        **settings,
        "OUT": str(tmp_path),
        "PATH": os.pathsep.join([python, os.environ["PATH"]]),
    }
    command = ["bash", str(FOLDER / "gpu.sh"), "ceilings", "inference", "profile"]
    told = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True, timeout=380
    )
    lines = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    found = {line["benchmark"].partition(" ")[0] for line in lines}
    assert found == {"ceilings", "inference"}
    assert "Self CPU time total" in told.stdout
