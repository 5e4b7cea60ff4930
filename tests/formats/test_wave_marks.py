"""Marked waves: WFDB annotations and the CSV of anyone's own."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead import datasets
from anylead.errors import AnyleadError, FormatError
from anylead.formats import wave_marks, wfdb_write
from anylead.records import UNMARKED, Mark
from heart_records import make

MARKS = (Mark("V1", "P", 0.1, 0.2), Mark("V1", "QRS", 0.25, 0.35), Mark("V1", "T", 0.5, 0.7))


def test_annotations_come_back_as_they_were_written(tmp_path):
    wave_marks.write_wfdb(reversed(MARKS), tmp_path / "r.v1", 500.0)
    assert wave_marks.read_wfdb(tmp_path / "r.v1", "V1", 500.0) == MARKS


def annotate(path, marks):
    """An annotation file of (sample, symbol)."""
    samples, symbols = zip(*marks, strict=True)
    wfdb.wrann(path.stem, path.suffix[1:], np.array(samples), symbol=list(symbols),
               write_dir=str(path.parent))  # fmt: skip


def test_boundaries_that_were_not_marked_are_unmarked(tmp_path):
    # P with both; QRS alone; T from its two peaks on; u is passed over; QRS up to its peak.
    annotate(tmp_path / "r.x", [(10, "("), (20, "p"), (30, ")"), (50, "N"), (80, "t"), (90, "t"),
                                (100, ")"), (120, "u"), (130, ")"), (200, "("), (210, "N"),
                                (300, "t")])  # fmt: skip
    path = tmp_path / "r.x"
    assert wave_marks.read_wfdb(path, "", 100.0) == (Mark("", "P", 0.1, 0.3),)
    found = wave_marks.read_incomplete(path, "", 100.0)
    assert tuple(mark._replace(onset=round(mark.onset, 9)) for mark in found) == (
        Mark("", "P", 0.1, 0.3),
        Mark("", UNMARKED, 0.33, 0.5),
        Mark("", UNMARKED, 0.5, 0.8),
        Mark("", UNMARKED, 0.5, 0.8),
        Mark("", "T", 0.8, 1.0),
        Mark("", "QRS", 2.0, 2.1),
        Mark("", UNMARKED, 2.1, 3.0),
        Mark("", UNMARKED, 2.1, 3.0),
        Mark("", UNMARKED, 3.0, np.inf),
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["P", "QRS", "T"]), min_size=1, max_size=12), st.integers(0, 99))
def test_whole_waves_are_the_same_read_either_way(names, seed):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.integers(2, 40, 2 * len(names))).reshape(-1, 2).tolist()
    marks = [Mark("I", name, low / 250, high / 250)
             for name, (low, high) in zip(names, edges, strict=True)]  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.i"
        wave_marks.write_wfdb(marks, path, 250.0)
        assert wave_marks.read_wfdb(path, "I", 250.0) == tuple(marks)
        assert wave_marks.read_incomplete(path, "I", 250.0) == tuple(marks)


def test_a_table_comes_back_as_it_was_written(tmp_path):
    wave_marks.write_table(tmp_path / "w.csv", {"a": MARKS, "b": MARKS[:1]})
    assert wave_marks.read_table(tmp_path / "w.csv") == {"a": MARKS, "b": MARKS[:1]}


def test_no_waves_and_no_file_are_told(tmp_path):
    with pytest.raises(FormatError, match="no waves to write"):
        wave_marks.write_wfdb([], tmp_path / "r.v1", 500.0)
    with pytest.raises(FormatError, match=r"r\.v1: cannot be read"):
        wave_marks.read_wfdb(tmp_path / "r.v1", "V1", 500.0)


def test_a_table_of_waves_goes_with_the_files_that_it_names(tmp_path):
    for name in ("a", "b"):
        record, _ = make(100.0, seconds=2.0)
        wfdb_write.write(record, tmp_path / f"{name}.hea")
    rows = ["record,lead,wave,onset,offset", "a,ii,p,0.10,0.2", "a,V1,QRS,0.3,0.4"]
    table = tmp_path / "waves.csv"
    table.write_text("\n".join(rows))
    found = {r.record_id: r.marks for r in datasets.records("folder", tmp_path, waves=str(table))}
    assert found == {"a": (Mark("II", "P", 0.1, 0.2), Mark("V1", "QRS", 0.3, 0.4)), "b": None}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a,II,U,0.1,0.2", "line 2: wave 'U'; want P, QRS, T"),
        ("a,II,P,0.3,0.2", "line 2: from '0.3' to '0.2'"),
        ("a,II,P,x,0.2", "line 2: from 'x'"),
        ("a,Q,P,0.1,0.2", "Q"),
    ],
)
def test_a_row_that_marks_no_wave_is_told_with_its_line(tmp_path, row, told):
    table = tmp_path / "waves.csv"
    table.write_text(f"record,lead,wave,onset,offset\n{row}\n")
    with pytest.raises(AnyleadError, match=re.escape(told)):
        wave_marks.read_table(table)


def test_a_table_of_waves_without_a_column_names_it(tmp_path):
    table = tmp_path / "waves.csv"
    table.write_text("record,lead,wave,onset\na,II,P,0.1\n")
    with pytest.raises(FormatError, match=r"no column offset; want record,lead,wave,onset,offset"):
        wave_marks.read_table(table)
