"""What lies in a folder besides plain files: links, pipes, devices, folders without permission."""

import os

import numpy as np
import pytest

from anylead import datasets
from anylead.datasets.folder import list_files
from anylead.formats.search import files_below
from anylead.inference.gallery import ecg_files
from corpora import RECORDS, write_wfdb


@pytest.fixture
def root(tmp_path):
    write_wfdb(tmp_path / "in" / "a" / "x0", RECORDS[0])
    write_wfdb(tmp_path / "elsewhere" / "x1", RECORDS[1])
    return tmp_path / "in"


def names(root):
    return [record_id for record_id, _ in datasets.corpus("folder", root).items]


def test_a_linked_folder_is_followed(root, tmp_path):
    (root / "link").symlink_to(tmp_path / "elsewhere")
    assert names(root) == ["a/x0", "link/x1"]
    assert [path.stem for path in ecg_files([str(root)])] == ["x0", "x1"]


def test_each_folder_is_looked_into_once_under_its_own_name(root):
    (root / "0").symlink_to(root / "a")
    (root / "a" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    assert names(root) == ["a/x0"]


def test_a_linked_file_is_a_file(root, tmp_path):
    for ending in (".hea", ".dat"):
        (root / f"x1{ending}").symlink_to(tmp_path / "elsewhere" / f"x1{ending}")
    assert names(root) == ["a/x0", "x1"]


def test_what_is_not_looked_at_is_named_on_the_screen_and_counted_in_the_store(root):
    os.mkfifo(root / "Mary.csv")
    os.mkfifo(root / "a" / "x0.edf")
    (root / "zero.npy").symlink_to("/dev/zero")
    (root / "gone.edf").symlink_to(root / "nowhere")
    corpus = datasets.corpus("folder", root)
    assert [item[0] for item in corpus.items] == ["a/x0"]
    for told in ("4 not looked at", "Mary.csv: a pipe (FIFO)", "zero.npy: a device",
                 "gone.edf: No such file"):  # fmt: skip
        assert told in corpus.summary
    assert "4 more could not be looked at" in corpus.note
    assert "Mary" not in corpus.note


def test_a_folder_that_cannot_be_read_is_named(root, monkeypatch):
    real = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    (root / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    assert files_below(root).skipped == ["locked: Permission denied"]


def test_sources_tell_that_a_file_changed(root):
    before = list_files(root, None).sources
    assert list_files(root, None).sources == before
    os.utime(root / "a" / "x0.dat", (2e9, 2e9))
    assert list_files(root, None).sources != before


def test_a_table_may_call_a_file_by_a_path_of_another_machine(root, tmp_path):
    (tmp_path / "about.csv").write_text("Record;Patient ID;AF\nC:\\study\\a\\x0.hea;007;TRUE\n")
    (record,) = datasets.records("folder", root, labels=str(tmp_path / "about.csv"))
    assert (record.patient_id, record.labels["labels"]) == ("007", ("AF",))
    assert np.isfinite(record.signal).all()


def test_a_table_is_looked_for_here_first_and_then_among_the_files(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (root / "about.csv").write_text("record,patient\na/x0,there\n")
    (record,) = datasets.records("folder", root, labels="about.csv")
    assert record.patient_id == "there"
    (tmp_path / "about.csv").write_text("record,patient\na/x0,here\n")
    (record,) = datasets.records("folder", root, labels="about.csv")
    assert record.patient_id == "here"
