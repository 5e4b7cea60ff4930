import io

import pytest
from rich.console import Console

from anylead.commands import inspect as inspect_folder
from anylead.errors import DatasetError
from corpora import RECORDS, write_csv, write_wfdb


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "ecgs"
    for n, record in enumerate(RECORDS[:6]):
        write_wfdb(root / f"x{n}", record)
    write_wfdb(root / "again", RECORDS[0])
    one = type(RECORDS[0])(RECORDS[1].signal[:1, :500], ("II",), 250.0)
    write_wfdb(root / "one", one, leads=("MLII",), rate=250)
    write_wfdb(root / "broken", RECORDS[2])
    (root / "broken.dat").write_bytes(b"short")
    return root


def inspect(**values):
    console = Console(file=io.StringIO(), width=200)
    summary = inspect_folder.run(inspect_folder.Recipe(**values), console)
    return summary, console.file.getvalue()


def test_counts_what_is_there_and_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    summary, text = inspect(root=folder)
    assert (summary.num_files, summary.num_read) == (9, 8)
    assert summary.formats == {"wfdb": 8}
    assert summary.leads == {"12 standard leads": 7, "II": 1}
    assert summary.rates == {500.0: 7, 250.0: 1}
    assert summary.seconds == {2: 8}
    assert summary.units == {"mV": 8}
    assert summary.duplicates == [["again", "x0"]]
    assert [name for name, _ in summary.problems] == ["broken"]
    assert "truncated" in summary.problems[0][1]
    for told in ("9 files", "8 readable", "1 with problems", "wfdb", "250 Hz", "again, x0",
                 "problem with broken", "no patients named"):  # fmt: skip
        assert told in text
    assert sorted(folder.rglob("*")) == before


def test_counts_labels_and_patients_of_a_table(folder, tmp_path):
    rows = [{"record": f"x{n}", "patient": f"p{n // 2}", "dx": ["SR", "AF;SR"][n % 2]}
            for n in range(6)]  # fmt: skip
    write_csv(tmp_path / "about.csv", rows)
    summary, text = inspect(root=folder, labels=tmp_path / "about.csv")
    assert summary.labels == {"dx": {"SR": 6, "AF": 3}}
    assert summary.patients == {"p0": 2, "p1": 2, "p2": 2}
    assert "3 patients, 3 with several recordings" in text
    assert "record = record" in text


def test_looks_into_a_part_when_asked(folder):
    summary, text = inspect(root=folder, max_files=3)
    assert summary.num_read + len(summary.problems) == 3
    assert "9 files, 3 looked into" in text


def test_a_folder_without_ecgs_is_told(tmp_path):
    with pytest.raises(DatasetError, match="no file of a known ECG format"):
        inspect(root=tmp_path)
