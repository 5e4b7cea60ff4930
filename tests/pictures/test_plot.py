import numpy as np
import pytest

from anylead.commands import plot
from anylead.commands.plot import Recipe, run
from anylead.errors import LeadError, RecipeError


@pytest.fixture
def read_files(ecg, monkeypatch):
    """Every file holds the same recording; the list tells which were read."""
    read = []

    def reader(path):
        read.append(path)
        return ecg(record_id="r1", patient_id="p1")

    monkeypatch.setattr(plot, "read", reader)
    return read


@pytest.mark.parametrize("name", ["page.svg", "page.pdf", "page.png"])
def test_a_file_becomes_a_page(read_files, tmp_path, name):
    out = run(Recipe(tmp_path / "ecg.hea", tmp_path / name, layout="6x2", dpi=60))
    assert out.stat().st_size > 5000
    assert read_files == [tmp_path / "ecg.hea"]


def test_the_patient_is_on_the_page_only_when_asked_for(read_files, tmp_path):
    hidden = run(Recipe(tmp_path / "ecg.hea", tmp_path / "a.svg")).read_text()
    shown = run(Recipe(tmp_path / "ecg.hea", tmp_path / "b.svg", show_header=True)).read_text()
    assert "patient p1" not in hidden
    assert "patient p1" in shown


def test_a_format_that_cannot_be_drawn_is_refused_before_reading(read_files, tmp_path):
    with pytest.raises(RecipeError, match=r"page\.jpg"):
        run(Recipe(tmp_path / "ecg.hea", tmp_path / "page.jpg"))
    assert read_files == []


def test_a_wrong_lead_leaves_no_file(read_files, tmp_path):
    with pytest.raises(LeadError, match="V9"):
        run(Recipe(tmp_path / "ecg.hea", tmp_path / "page.svg", leads="V9"))
    assert list(tmp_path.iterdir()) == []


def test_a_real_file_format_goes_all_the_way(ecg, tmp_path):
    import wfdb

    record = ecg(seconds=4)
    wfdb.wrsamp(
        "r1",
        fs=record.sample_rate,
        units=["mV"] * 12,
        sig_name=list(record.leads),
        p_signal=record.signal.T.astype(np.float64),
        fmt=["16"] * 12,
        write_dir=str(tmp_path),
    )
    svg = run(Recipe(tmp_path / "r1.hea", tmp_path / "page.svg")).read_text()
    assert "0.0 to 4.0 s of 4.0 s" in svg
