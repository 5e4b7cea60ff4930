import csv
import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from rich.console import Console

from anylead import datasets
from anylead.commands import prepare
from anylead.datasets import Corpus
from anylead.errors import DatasetError, FormatError, StoreError
from anylead.records import Record
from anylead.signals import PreprocessConfig
from anylead.store import Store, build
from anylead.store.build import Plan

SOURCE = Path(__file__).resolve().parents[2] / "src"


def quiet():
    return Console(file=io.StringIO(), width=200)


def recipe(out, num_patients=20, **changes):
    values = {
        "dataset": "synthetic",
        "out": out,
        "options": {"num_patients": num_patients, "seconds": 2.0},
        "num_workers": 1,
        "records_per_shard": 7,
    }
    return prepare.Recipe(**{**values, **changes})


def content(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


class OddCorpus:
    """A corpus in memory of which some recordings cannot be used."""

    name = "odd"

    @staticmethod
    def corpus(root=None):
        items = [(f"file{n:02d}.hea", n) for n in range(20)]
        return Corpus("odd", items, OddCorpus.read)

    @staticmethod
    def read(item):
        name, n = item
        if n == 3:
            raise FormatError(f"/data/Mary Smith/{name}: truncated after 12 samples")
        if n == 5:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        if n == 7:
            raise ValueError("something nobody thought of")
        signal = np.arange(200, dtype=np.float32).reshape(2, 100) + n
        if n == 9:
            signal[:] = 1.5
        return Record(signal, ("I", "V1"), 500.0, record_id=name, patient_id=f"Mary {n // 2}")


@pytest.fixture
def odd(monkeypatch):
    monkeypatch.setitem(datasets.DATASETS, "odd", OddCorpus)


def test_the_store_holds_every_recording_whatever_the_number_of_workers(tmp_path):
    one = prepare.run(recipe(tmp_path / "one"), quiet())
    two = prepare.run(recipe(tmp_path / "two", num_workers=2), quiet())
    assert one.num_records == 40
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert one == two
    assert sorted(content(tmp_path / "one")) == [
        "index.arrow",
        "manifest.json",
        "rejected.csv",
        *(f"shard-{n:06d}.arrow" for n in range(6)),
    ]
    store = Store.open(tmp_path / "one")
    expected = datasets.records("synthetic", num_patients=20, seconds=2.0)
    for row, record in enumerate(expected):
        assert store.record_id[row] == record.record_id
        crop = store.read(np.array([row]), np.array([0]), 1000)[0]
        np.testing.assert_array_equal(crop, np.rint(record.signal * 1000).astype(np.int16))


def test_says_how_many_were_stored_and_left_out_and_lists_the_reasons(tmp_path, odd):
    console = quiet()
    manifest = prepare.run(recipe(tmp_path / "s", dataset="odd", options={}), console)
    assert (manifest.num_records, manifest.num_rejected) == (16, 4)
    assert "16 recordings of odd stored, 4 left out" in console.file.getvalue()
    assert "rejected.csv" in console.file.getvalue()
    with (tmp_path / "s" / "rejected.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["record", "reason"],
        ["file03.hea", "/data/Mary Smith/file03.hea: truncated after 12 samples"],
        ["file05.hea", "file05.hea: cannot be read (No such file or directory)"],
        ["file07.hea", "file07.hea: unexpected ValueError: something nobody thought of"],
        ["file09.hea", "file09.hea: every lead is missing or constant"],
    ]
    assert manifest.has_patients


def test_without_identifiers_no_id_stays_but_patients_remain_patients(tmp_path, odd):
    private = recipe(tmp_path / "s", dataset="odd", options={}, no_identifiers=True)
    prepare.run(private, quiet())
    for name, data in content(tmp_path / "s").items():
        assert b"Mary" not in data, name
        assert b"file0" not in data, name
    store = Store.open(tmp_path / "s")
    assert store.patient.tolist() == [0, 0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
    prepare.run(recipe(tmp_path / "t", dataset="odd", options={}, no_identifiers=True), quiet())
    other = Store.open(tmp_path / "t")
    assert not set(store.patient_id) & set(other.patient_id)  # another salt


def test_a_finished_store_is_left_as_it_is(tmp_path):
    prepare.run(recipe(tmp_path / "s"), quiet())
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "s").iterdir()}
    prepare.run(recipe(tmp_path / "s"), quiet())
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "s").iterdir()}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preprocess": PreprocessConfig(sample_rate=250.0)}, "sample_rate: 500.0, now 250.0"),
        ({"options": {"num_patients": 21, "seconds": 2.0}}, "listed 40 recordings then"),
        ({"options": {"num_patients": 20, "seconds": 3.0}}, "options"),
        ({"records_per_shard": 8}, "records_per_shard"),
        ({"no_identifiers": True}, "no_identifiers"),
    ],
)
def test_other_settings_on_the_same_folder_are_refused(tmp_path, changes, told):
    prepare.run(recipe(tmp_path / "s"), quiet())
    with pytest.raises(StoreError, match=told):
        prepare.run(recipe(tmp_path / "s", **changes), quiet())
    begun = tmp_path / "begun"
    stop_after(begun, 2)
    with pytest.raises(StoreError, match=told):
        prepare.run(recipe(begun, **changes), quiet())


def stop_after(out, num_shards):
    """Begin a prepare and stop it after some shards, as Ctrl-C would."""
    done = []
    original = prepare.build.write_shard

    def write(*args):
        if len(done) == num_shards:
            raise KeyboardInterrupt
        done.append(args[1])
        return original(*args)

    prepare.build.write_shard = write
    try:
        with pytest.raises(KeyboardInterrupt):
            prepare.run(recipe(out), quiet())
    finally:
        prepare.build.write_shard = original


def test_goes_on_without_doing_finished_shards_again(tmp_path, monkeypatch):
    stop_after(tmp_path / "s", 4)
    with pytest.raises(StoreError, match="not finished; run the same prepare command again"):
        Store.open(tmp_path / "s")
    written = []
    original = prepare.build.write_shard
    monkeypatch.setattr(
        prepare.build, "write_shard", lambda *a: written.append(a[1]) or original(*a)
    )
    prepare.run(recipe(tmp_path / "s"), quiet())
    assert written == [4, 5]
    prepare.run(recipe(tmp_path / "straight"), quiet())
    assert content(tmp_path / "s") == content(tmp_path / "straight")


COMMAND = """
import sys
from pathlib import Path
from anylead.commands.prepare import Recipe, run
if __name__ == "__main__":
    run(Recipe("synthetic", Path(sys.argv[1]), options={"num_patients": 90, "seconds": 8.0},
               num_workers=2, records_per_shard=9))
"""


def test_killed_at_random_moments_it_ends_in_the_same_store(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(COMMAND)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script)]

    def begin(folder):
        return subprocess.Popen(
            [*command, str(folder)], env=environment, stderr=subprocess.PIPE, text=True
        )

    options = {"num_patients": 90, "seconds": 8.0}
    straight = recipe(tmp_path / "straight", options=options, records_per_shard=9)
    prepare.run(straight, quiet())
    random.seed(os.getpid())
    kills = 0
    for _ in range(3):
        process = begin(tmp_path / "killed")
        try:
            process.wait(random.uniform(0.7, 1.2))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            kills += 1
    else:
        process = begin(tmp_path / "killed")
    with process.stderr:
        assert process.wait(60) == 0, process.stderr.read()
    assert kills
    time.sleep(0.8)  # workers of killed runs notice and end
    assert content(tmp_path / "killed") == content(tmp_path / "straight")
    Store.open(tmp_path / "killed").verify()


def test_two_runs_on_one_store_at_once_are_refused(tmp_path):
    (tmp_path / "s").mkdir()
    with FileLock(tmp_path / "s" / ".lock"), pytest.raises(StoreError, match="another prepare"):
        prepare.run(recipe(tmp_path / "s"), quiet())
    assert prepare.run(recipe(tmp_path / "s"), quiet()).num_records == 40


def test_a_store_that_another_prepare_has_just_finished_is_not_made_again(tmp_path):
    out = tmp_path / "s"
    prepare.run(recipe(out), quiet())
    before = content(out)
    (out / "journal").mkdir()  # the other one has still to remove it
    plan = Plan("other", PreprocessConfig(), {}, 1, "", 1)
    with pytest.raises(StoreError, match="has just finished"), build.building(out, plan):
        raise AssertionError("made again")
    (out / "journal").rmdir()
    assert content(out) == before


def test_a_folder_with_other_files_is_not_written_into(tmp_path):
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(StoreError, match=r"other files \(thesis.docx"):
        prepare.run(recipe(tmp_path), quiet())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/s: cannot be written"):
        prepare.run(recipe(tmp_path / "file" / "s"), quiet())


LIMITED = """
import resource, signal, sys
from pathlib import Path
from anylead.errors import StoreError
from anylead.commands.prepare import Recipe, run
if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        run(Recipe("synthetic", Path(sys.argv[1]), options={"num_patients": 20, "seconds": 2.0},
                   num_workers=int(sys.argv[2]), records_per_shard=20))
    except StoreError as error:
        print(error)
        sys.exit(2)
"""


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_full_disk_is_told_and_nothing_half_written_stays(tmp_path, num_workers):
    script = tmp_path / "run.py"
    script.write_text(LIMITED)
    out = tmp_path / "s"
    done = subprocess.run(
        [sys.executable, str(script), str(out), str(num_workers)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "make room and run the same command again" in done.stdout
    assert not list(out.glob("*.arrow*")) + list(out.glob("*unfinished"))
    assert prepare.run(recipe(out, records_per_shard=20), quiet()).num_records == 40


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_write_that_fails_names_the_remedy(tmp_path, monkeypatch, code):
    def fail(self, data):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("anylead.store.files.HashingFile.write", fail)
    remedy = {errno.ENOSPC: "make room", errno.EROFS: "may write to", errno.EIO: "check"}[code]
    with pytest.raises(StoreError, match=remedy):
        prepare.run(recipe(tmp_path / "s"), quiet())
    assert not list((tmp_path / "s").glob("**/*unfinished"))


def test_nothing_to_store_is_an_error_with_the_first_reason(tmp_path, monkeypatch):
    class Empty:
        @staticmethod
        def corpus(root=None):
            return Corpus("empty", [("a", 3), ("b", 3)], OddCorpus.read)

    monkeypatch.setitem(datasets.DATASETS, "empty", Empty)
    with pytest.raises(
        StoreError, match=r"none of 2 recordings could be stored; the first: .*trunc"
    ):
        prepare.run(recipe(tmp_path / "s", dataset="empty", options={}), quiet())
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["rejected.csv"]


def test_unknown_datasets_and_options_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"'ptbx'; known are .*synthetic"):
        prepare.run(recipe(tmp_path / "s", dataset="ptbx"), quiet())
    with pytest.raises(DatasetError, match="no option 'patients'; it has num_patients"):
        prepare.run(recipe(tmp_path / "s", options={"patients": 3}), quiet())
    assert not (tmp_path / "s").exists()


def test_the_manifest_tells_how_the_store_was_made(tmp_path):
    config = PreprocessConfig(sample_rate=250.0, lowpass_hz=40.0)
    prepare.run(recipe(tmp_path / "s", preprocess=config), quiet())
    values = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert values["preprocess"]["lowpass_hz"] == 40.0
    assert values["settings"]["options"] == {"num_patients": "20", "seconds": "2.0"}
    store = Store.open(tmp_path / "s")
    assert store.manifest.preprocess == config
    assert store.manifest.sample_rate == 250.0
    assert store.num_samples.tolist() == [500] * 40
