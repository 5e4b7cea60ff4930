"""Checks that cannot be skipped: in CI a test that this machine could run and did not fails."""

import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
import pytest

@pytest.mark.skip(reason={reason!r})
def test_one(): pass
def test_two(): pass
"""


@pytest.mark.parametrize(
    ("ci", "reason", "status"),
    [("true", "chromium is missing", 1), ("true", "no CUDA device", 0), ("", "no chromium", 0)],
)
def test_a_skipped_test_fails_the_run_in_ci(tmp_path, monkeypatch, ci, reason, status):
    (tmp_path / "conftest.py").write_text("from skips import pytest_sessionfinish\n")
    (tmp_path / "test_it.py").write_text(TEST.format(reason=reason))
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout
    assert ("chromium is missing" in ran.stdout) == bool(status)
