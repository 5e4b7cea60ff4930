"""Faults of a disk, files that change, labels that cannot be learnt: what `prepare` says."""

import io
import os

import numpy as np
import pytest
from rich.console import Console

from anylead.commands import prepare, prepare_shard
from anylead.datasets import Corpus
from anylead.errors import DatasetError, FormatError, SourceError, StoreError
from anylead.records import Record
from anylead.store import Store
from corpora import RECORDS, write_csv, write_wfdb


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(prepare_shard, "_PAUSE", 0.0)


def run(out, root=None, corpus=None, **changes):
    screen = io.StringIO()
    values = {"num_workers": 1, "records_per_shard": 4, **changes}
    recipe = prepare.Recipe(dataset="folder", out=out, root=root, **values)
    prepare.run(recipe, Console(file=screen, width=500), corpus)
    return screen.getvalue()


class Disk:
    """Recordings of which some cannot be read, for a while or for ever."""

    def __init__(self, error, num_failures):
        self.error, self.left = error, num_failures

    def read(self, item):
        number = int(item[0])
        if number == 5 and self.left:
            self.left -= 1
            raise self.error
        signal = np.random.default_rng(number).normal(size=(2, 1000)).astype(np.float32)
        return Record(signal, ("I", "II"), 500.0, patient_id=f"p{number}")

    def corpus(self):
        return Corpus("disk", [(str(number), None) for number in range(10)], self.read)


def through(error):
    """As a reader hands on what the disk said."""
    try:
        raise FormatError("file: cannot be read") from error
    except FormatError as told:
        return told


FAULTS = [OSError(5, "Input/output error"), through(OSError(116, "Stale file handle")),
          SourceError("file: not read: no answer")]  # fmt: skip


@pytest.mark.parametrize("error", FAULTS)
def test_a_fault_of_the_disk_costs_no_recording(error, tmp_path):
    disk = Disk(error, 10**6)
    with pytest.raises(StoreError, match=r"1 recordings could not be read just now.*goes on"):
        run(tmp_path / "s", corpus=disk.corpus())
    disk.left = 0
    run(tmp_path / "s", corpus=disk.corpus())
    store = Store.open(tmp_path / "s")
    assert (store.num_records, store.manifest.num_rejected) == (10, 0)
    once = Disk(error, 0)
    run(tmp_path / "whole", corpus=once.corpus())
    assert Store.open(tmp_path / "whole").manifest.content_hash == store.manifest.content_hash


def test_a_short_fault_is_not_even_told(tmp_path):
    said = run(tmp_path / "s", corpus=Disk(OSError(5, "Input/output error"), 1).corpus())
    assert "10 recordings of folder stored, 0 left out" in " ".join(said.split())


def test_who_wants_to_goes_on_without_them(tmp_path):
    disk = Disk(OSError(5, "Input/output error"), 10**6)
    run(tmp_path / "s", corpus=disk.corpus(), skip_unreadable=True)
    assert "Input/output error" in (tmp_path / "s" / "rejected.csv").read_text()
    assert Store.open(tmp_path / "s").num_records == 9


def test_a_bad_file_is_left_out_for_good(tmp_path):
    disk = Disk(FormatError("file: broken"), 10**6)
    run(tmp_path / "s", corpus=disk.corpus())
    assert Store.open(tmp_path / "s").manifest.num_rejected == 1


def test_a_finished_store_whose_files_changed_says_so(tmp_path):
    for number in range(3):
        write_wfdb(tmp_path / "in" / f"x{number}", RECORDS[number])
    run(tmp_path / "s", tmp_path / "in")
    assert "changed" not in run(tmp_path / "s", tmp_path / "in")
    os.utime(tmp_path / "in" / "x1.dat", (2e9, 2e9))
    assert "its files have changed since it was made (some were written since)" in run(
        tmp_path / "s", tmp_path / "in"
    )
    with (tmp_path / "in" / "x1.hea").open("a") as file:
        file.write("# more\n")
    assert "bytes then" in run(tmp_path / "s", tmp_path / "in")


def table(tmp_path, rows):
    for number in range(len(rows)):
        write_wfdb(tmp_path / "in" / f"x{number}", RECORDS[number])
    write_csv(tmp_path / "t.csv", [{"record": f"x{n}", **row} for n, row in enumerate(rows)])
    return {"labels": str(tmp_path / "t.csv")}


def test_a_split_that_shares_patients_is_refused_unless_it_is_allowed(tmp_path):
    rows = [{"patient": f"p{n % 3}", "split": ("train", "test")[n > 3], "AF": n % 2}
            for n in range(6)]  # fmt: skip
    options = table(tmp_path, rows)
    with pytest.raises(
        DatasetError, match=r"2 patients are on more than one side .*--allow_shared"
    ):
        run(tmp_path / "s", tmp_path / "in", options=options)
    assert not (tmp_path / "s").exists()
    run(tmp_path / "s", tmp_path / "in", options=options, allow_shared_patients=True)
    assert {k: len(v) for k, v in Store.open(tmp_path / "s").split_rows().items()} == {
        "train": 4, "valid": 0, "test": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 0, 0, 0], "task labels: no recording has any of its 1 labels"),
        ([1, 1, 1, 1], "task labels: no negative recording of AF"),
        (["", "", "", ""], "AF (no value)"),
    ],
)
def test_labels_that_cannot_be_learnt_are_never_taken_in_silence(values, told, tmp_path):
    options = table(tmp_path, [{"AF": value} for value in values])
    assert told in run(tmp_path / "s", tmp_path / "in", options=options)


def test_an_adapter_with_empty_labels_is_told_the_same(tmp_path):
    def read(item):
        signal = np.random.default_rng(int(item[0])).normal(size=(1, 1000)).astype(np.float32)
        return Record(signal, ("I",), 500.0, labels={"code": ()})

    corpus = Corpus("c", [(str(n), None) for n in range(4)], read, {"code": ("A", "B")})
    assert "task code: no recording has any of its 2 labels" in run(tmp_path / "s", corpus=corpus)


def test_the_summary_stands_before_anything_is_written(tmp_path):
    options = table(tmp_path, [{"AF": n % 2, "height": 170 + n} for n in range(4)])
    said = run(tmp_path / "s", tmp_path / "in", options=options)
    assert said.index("AF: 2 positive, 2 negative") < said.index("recordings of folder stored")
    assert "height (numbers; name it in label_columns" in said
