"""The child process is fed readers of the tests' own, put where it looks for readers."""

import gc
import os
import signal
import time

import numpy as np
import pytest

from anylead.errors import FormatError, MissingPackageError, SourceError
from anylead.formats import sandbox
from anylead.records import Record

READER = """
import ctypes, os, time
import numpy as np
from anylead.errors import FormatError, MissingPackageError
from anylead.formats.guard import guarded
from anylead.records import Record

def read_here(path, how="well", seconds=0, number=None):
    print("libraries print")
    os.write(1, b"what they like")
    if how == "crash":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "hang":
        while True:
            pass
    if how == "wait":
        time.sleep(60)
    if how == "wait once" and not os.path.exists(f"{path}.tried"):
        open(f"{path}.tried", "w").close()
        time.sleep(60)
    if how == "slow":
        time.sleep(seconds)
    if how == "disk":
        with guarded(path, "trial"):
            raise OSError(5, "Input/output error")
    if how == "eat":
        np.ones(2**28)
    if how == "format error":
        raise FormatError(f"{path}: not this one; try another")
    if how == "missing":
        raise MissingPackageError("no h5py")
    rows = np.full((2, 3), number or 0, np.float32) + np.arange(6).reshape(2, 3)
    return Record(rows.astype(np.float32), ("I", "II"), 500.0, age=63.0)
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
    [("crash", "crashed"), ("abort", "crashed"), ("hang", "took over"), ("eat", "MiB")],
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


class Interruption(BaseException):
    """What a signal handler may raise."""


# Python swallows what is raised within a destructor, and says so.
@pytest.mark.timeout(60, method="thread")  # its alarm is not that of the limit
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError, Interruption])
def test_after_an_interruption_at_any_moment_every_file_gives_its_own_samples(kind, path):
    def interrupt(*_):
        raise kind

    def read_until_interrupted(seconds):
        while True:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            for _ in range(1000):
                sandbox.read("trial", path, {"number": 100})

    sandbox.read("trial", path, {"number": 1})
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for trial in range(5):
            with pytest.raises(kind):
                read_until_interrupted(0.001 * (trial + 1))
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert sandbox.read("trial", path, {"number": trial}).signal[0, 0] == trial
        gc.collect()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_answer_to_another_request_is_no_answer(path, monkeypatch):
    sandbox.read("trial", path, {"number": 1})
    child = sandbox._children[os.getpid()]
    child.stdin.write(b'{"number": -1}\n')  # as if someone had asked and gone away
    child.stdin.flush()
    assert sandbox.read("trial", path, {"number": 7}).signal[0, 0] == 7


def test_a_reader_that_only_waits_is_tried_once_more(path, monkeypatch):
    monkeypatch.setattr(sandbox, "WAITING", 1.0)
    record = sandbox.read("trial", path, {"how": "wait once", "number": 3})
    assert record.signal[0, 0] == 3


def test_a_reader_that_waits_twice_is_no_statement_about_the_file(path, monkeypatch):
    monkeypatch.setattr(sandbox, "WAITING", 0.5)
    with pytest.raises(SourceError, match="try again"):
        sandbox.read("trial", path, {"how": "wait"})


def test_a_machine_that_sleeps_costs_no_file(path):
    assert (
        sandbox.read("trial", path, {"how": "slow", "seconds": 2.0, "number": 4}).signal[0, 0] == 4
    )


def test_a_failing_disk_is_told_apart_from_a_bad_file(path):
    with pytest.raises(SourceError, match="Input/output error"):
        sandbox.read("trial", path, {"how": "disk"})


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


def test_an_interruption_within_poll_hangs_no_one(path, monkeypatch):
    sandbox.read("trial", path, {})
    child = sandbox._children[os.getpid()]
    child._waitpid_lock.acquire()  # as an exception between its two lines leaves it
    monkeypatch.setattr(sandbox, "END_SECONDS", 0.2)
    started = time.perf_counter()
    sandbox._stop()
    assert time.perf_counter() - started < 10
    assert sandbox.read("trial", path, {}).leads == ("I", "II")
    child._waitpid_lock.release()
    assert child.wait() is not None
