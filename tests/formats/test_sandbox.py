"""The child process is fed readers of the tests' own, put where it looks for readers."""

import os
import time

import numpy as np
import pytest

from anylead.errors import FormatError, MissingPackageError
from anylead.formats import sandbox
from anylead.records import Record

READER = """
import ctypes, os, time
import numpy as np
from anylead.errors import FormatError, MissingPackageError
from anylead.records import Record

def read_here(path, how="well", seconds=0):
    print("libraries print")
    os.write(1, b"what they like")
    if how == "crash":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "hang":
        while True:
            time.sleep(1)
    if how == "eat":
        np.ones(2**28)
    if how == "format error":
        raise FormatError(f"{path}: not this one; try another")
    if how == "missing":
        raise MissingPackageError("no h5py")
    return Record(np.arange(6, dtype=np.float32).reshape(2, 3), ("I", "II"), 500.0, age=63.0)
"""


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    """A module anylead.formats.trial that only the child sees."""
    package = tmp_path / "readers"
    package.mkdir()
    (package / "trial.py").write_text(READER)
    start = f"import anylead.formats as f; f.__path__.append({str(package)!r})\n{sandbox.MAIN}"
    monkeypatch.setattr(sandbox, "MAIN", start)
    monkeypatch.setattr(sandbox, "SECONDS", 0.6)
    sandbox._stop()
    yield
    sandbox._stop()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"ten bytes!")
    return tmp_path / "a.bin"


def test_a_record_comes_back_whole(path):
    record = sandbox.read("trial", path, {})
    assert isinstance(record, Record)
    np.testing.assert_array_equal(record.signal, [[0, 1, 2], [3, 4, 5]])
    assert (record.leads, record.sample_rate, record.age) == (("I", "II"), 500.0, 63.0)


@pytest.mark.parametrize(
    ("how", "found"),
    [("crash", "crashed"), ("abort", "crashed"), ("hang", "took over 1 s"), ("eat", "MiB")],
)
def test_a_crash_a_hang_and_hunger_are_format_errors_and_the_next_file_is_read(how, found, path):
    started = time.perf_counter()
    with pytest.raises(FormatError, match=found) as caught:
        sandbox.read("trial", path, {"how": how})
    assert str(caught.value).startswith(f"{path}: ")
    assert time.perf_counter() - started < 10
    assert sandbox.read("trial", path, {}).leads == ("I", "II")


def test_errors_keep_their_kind_and_message(path):
    with pytest.raises(FormatError) as caught:
        sandbox.read("trial", path, {"how": "format error"})
    assert str(caught.value) == f"{path}: not this one; try another"
    with pytest.raises(MissingPackageError, match="no h5py"):
        sandbox.read("trial", path, {"how": "missing"})


def test_one_child_reads_many_files(path):
    sandbox.read("trial", path, {})
    first = sandbox._children[os.getpid()].pid
    sandbox.read("trial", path, {})
    assert sandbox._children[os.getpid()].pid == first


def test_a_forked_process_starts_a_child_of_its_own(path):
    sandbox.read("trial", path, {})
    pid = os.fork()
    if pid == 0:
        try:
            is_fresh = not sandbox._children
            is_read = sandbox.read("trial", path, {}).leads == ("I", "II")
            sandbox._stop()
            os._exit(0 if is_fresh and is_read else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sandbox.read("trial", path, {}).leads == ("I", "II")
