"""Damaged files of every format; `python -m format_fuzz` does the same for tens of thousands."""

import os
import time
from pathlib import Path

import pytest

from anylead import formats
from anylead.formats import sandbox
from format_fuzz import MAX_BYTES, MAX_SECONDS, read_damaged, run_guarded
from format_samples import SAMPLES

EXAMPLES = int(os.environ.get("ANYLEAD_FUZZ_EXAMPLES", "60"))
# Found by fuzzing: each once crashed or hung the library that read its format.
OFFENDERS = sorted(Path(__file__).with_name("offenders").iterdir())


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_read_or_refused_in_time_and_memory(name):
    outcome = run_guarded(name, range(EXAMPLES))
    assert outcome.findings == []
    assert outcome.examples == outcome.records + outcome.refused == EXAMPLES
    assert outcome.refused > 0
    assert outcome.slowest_seconds < MAX_SECONDS
    assert outcome.peak_mebibytes < MAX_BYTES / 2**20


def test_every_format_with_a_reader_is_fuzzed():
    assert set(formats.READERS) == set(SAMPLES)


@pytest.mark.parametrize("path", OFFENDERS, ids=lambda path: path.name)
def test_files_that_once_did_harm_are_refused_in_time(path, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 1.0)
    started = time.perf_counter()
    name = formats.find_format(path)
    assert name is not None
    assert read_damaged(name, path) in ("refused", "record")
    # Besides one of computing, starting the process: seconds where the machine has other work.
    assert time.perf_counter() - started < 3 * MAX_SECONDS
