from itertools import pairwise

import numpy as np
import pytest

from anylead import formats
from anylead.commands import cli, convert_ecg
from anylead.errors import FormatError, LeadError
from anylead.formats import csv
from anylead.records import Record
from format_samples import SAMPLES


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".edf", ".dcm"])
@pytest.mark.parametrize("name", ["hl7_aecg", "muse_xml", "scp", "matlab"])
def test_any_format_becomes_any_written_one(name, suffix, tmp_path):
    sample = next(iter(SAMPLES[name].values()))(tmp_path)
    target = tmp_path / f"out{suffix}"
    assert convert_ecg.run(convert_ecg.Recipe(sample.path, target)) == target
    found = formats.read(target)
    assert (found.leads, found.sample_rate) == (sample.leads, sample.sample_rate)
    np.testing.assert_allclose(found.signal, sample.signal, atol=1e-4)


@pytest.mark.parametrize("suffix", [".hea", ".dat"])
def test_wfdb_gets_both_of_its_files(suffix, tmp_path):
    import wfdb

    sample = SAMPLES["edf"]["edf"](tmp_path)
    convert_ecg.run(convert_ecg.Recipe(sample.path, tmp_path / f"out{suffix}"))
    found = wfdb.rdrecord(str(tmp_path / "out"))
    np.testing.assert_allclose(found.p_signal.T, sample.signal, atol=1e-4)


@pytest.fixture
def source(tmp_path):
    record = Record(np.full((1, 5), np.nan, dtype=np.float32), ("I",), 500.0)
    csv.write(record, tmp_path / "in.csv")
    return tmp_path / "in.csv"


def test_a_conversion_that_fails_leaves_nothing_and_keeps_what_was_there(source, tmp_path):
    target = tmp_path / "out.edf"
    target.write_bytes(b"before")
    with pytest.raises(FormatError, match="missing"):
        convert_ecg.run(convert_ecg.Recipe(source, target))
    assert target.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.edf"]


def test_the_input_is_never_overwritten(source):
    before = source.read_bytes()
    with pytest.raises(FormatError, match="is the input"):
        convert_ecg.run(convert_ecg.Recipe(source, source))
    assert source.read_bytes() == before


def test_an_unknown_ending_names_the_known_ones(source, tmp_path):
    with pytest.raises(FormatError, match=r"\.hea, \.dat, \.csv"):
        convert_ecg.run(convert_ecg.Recipe(source, tmp_path / "out.docx"))


def test_a_folder_that_is_not_there_is_one_clear_line(source, tmp_path):
    with pytest.raises(FormatError, match="cannot be written: No such file"):
        convert_ecg.run(convert_ecg.Recipe(source, tmp_path / "absent" / "out.csv"))


def test_the_command_converts_and_says_where(source, tmp_path, capsys):
    target = tmp_path / "out.tsv"
    assert cli.main(["convert-ecg", str(source), str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert np.isnan(formats.read(target).signal).all()


def test_the_command_fails_with_one_line_and_status_2(tmp_path, capsys):
    arguments = ["convert-ecg", str(tmp_path / "absent.scp"), str(tmp_path / "out.csv")]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"anylead convert-ecg: {tmp_path / 'absent.scp'}: ")
    assert error.count("\n") == 1


def test_integers_pass_through_three_formats_unchanged(tmp_path):
    first = SAMPLES["scp"]["huffman 2"](tmp_path).path
    names = ("b.edf", "c.dcm", "d.hea")
    paths = [first, *(tmp_path / name for name in names)]
    for source, target in pairwise(paths):
        convert_ecg.run(convert_ecg.Recipe(source, target))
    before, after = formats.read(first), formats.read(paths[-1])
    steps = [np.rint(record.signal / 0.005) for record in (before, after)]
    np.testing.assert_array_equal(*steps)
    assert after.resolution == pytest.approx(before.resolution)


def test_what_the_output_has_no_place_for_is_told(tmp_path, capsys):
    record = Record(np.ones((1, 5), np.float32), ("I",), 500.0, age=63.0, diagnosis="AF")
    csv.write(record, tmp_path / "in.csv")
    for name, told in (("a.edf", "a.edf: has no place for age and diagnosis\n"), ("a.dcm", "")):
        assert cli.main(["convert-ecg", str(tmp_path / "in.csv"), str(tmp_path / name)]) == 0
        assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("leads", "kept"),
    [("V7,II", ("II", "V7")), ("V3R", ("V3R",)), ("2", ("II",)), ("MLII, v7", ("II", "V7"))],
)
def test_leads_that_no_model_knows_can_be_kept(leads, kept, tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    csv.write(Record(rows, ("II", "V7", "V3R"), 500.0), tmp_path / "in.csv")
    convert_ecg.run(convert_ecg.Recipe(tmp_path / "in.csv", tmp_path / "out.csv", leads=leads))
    record = formats.read(tmp_path / "out.csv")
    assert record.leads == kept
    assert record.signal[-1].tolist() == rows[("II", "V7", "V3R").index(kept[-1])].tolist()
    with pytest.raises(LeadError, match="V1: none of them is there; it has II, V7, V3R"):
        convert_ecg.run(convert_ecg.Recipe(tmp_path / "in.csv", tmp_path / "o.csv", leads="V1"))


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [(".csv", "2024-03-01"), (".dcm", "2024-03-01"), (".edf", None), (".hea", None)],
)
def test_a_date_without_a_time_never_becomes_midnight(suffix, kept, tmp_path, capsys):
    record = Record(np.ones((1, 500), np.float32), ("I",), 500.0, start_time="2024-03-01")
    csv.write(record, tmp_path / "in.csv")
    target = tmp_path / f"out{suffix}"
    convert_ecg.run(convert_ecg.Recipe(tmp_path / "in.csv", target))
    assert formats.read(target).start_time == kept
    assert ("no place for a date without a time" in capsys.readouterr().err) == (kept is None)
