"""Marked waves: WFDB annotations and the CSV of anyone's own."""

import re

import pytest

from anylead import datasets
from anylead.errors import AnyleadError, FormatError
from anylead.formats import wave_marks, wfdb_write
from anylead.records import Mark
from heart_records import make

MARKS = (Mark("V1", "P", 0.1, 0.2), Mark("V1", "QRS", 0.25, 0.35), Mark("V1", "T", 0.5, 0.7))


def test_annotations_come_back_as_they_were_written(tmp_path):
    wave_marks.write_wfdb(reversed(MARKS), tmp_path / "r.v1", 500.0)
    assert wave_marks.read_wfdb(tmp_path / "r.v1", "V1", 500.0) == MARKS


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
