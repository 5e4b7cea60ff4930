"""WFDB users name records without extension: every command that takes a file takes such a name."""

import numpy as np
import pytest

from anylead.commands import cli
from anylead.datasets import synthetic
from anylead.errors import RecipeError
from anylead.formats.search import divided, fitting, named
from anylead.inference.sources import files_corpus
from corpora import write_wfdb


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (made,) = synthetic.records(num_patients=1, records_per_patient=1, seconds=10, seed=1)
    write_wfdb(tmp_path / "a,1", made)
    return made


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "a,1", "--out", "out.csv"],
        ["embed", "a,1", "ptbxl-small", "--out", "out.parquet"],
        ["delineate", "a,1", "--out", "out.csv"],
        ["inspect", "a,1"],
        ["plot", "a,1", "--out", "out.svg"],
        ["explain", "a,1", "--out", "out.svg"],
        ["convert-ecg", "a,1", "out.csv"],
    ],
)
def test_a_record_is_found_by_its_name(record, words, capsys):
    assert cli.main(words) in (0, None), capsys.readouterr().err


def test_a_name_is_a_file_first_and_a_header_second(record, tmp_path):
    header = tmp_path / "a,1.hea"
    assert named("a,1").samefile(header) and fitting("a,1") == [named("a,1")]
    assert divided("a,1,a,1.hea,other") == ["a,1", "a,1.hea", "other"]
    (tmp_path / "a,1").mkdir()
    assert named("a,1").is_dir()
    assert [named(name).name for name in ("none", "", ".", "..")] == ["none", "", "", ".."]
    np.testing.assert_allclose(files_corpus(["a,1.hea"]).read(files_corpus(["a,1.hea"]).items[0])
                               .signal, record.signal, atol=1e-3)  # fmt: skip


def test_a_model_in_the_place_of_recordings_is_called_one():
    with pytest.raises(RecipeError, match=r"^ptbxl-small: a model; name the recordings first"):
        files_corpus(["ptbxl-small"])
