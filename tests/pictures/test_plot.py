import shutil
from dataclasses import replace

import numpy as np
import pytest

import anylead
from anylead.commands import plot
from anylead.commands.plot import Recipe, run
from anylead.errors import FormatError, LeadError, RecipeError
from anylead.formats import csv, wfdb_write
from anylead.pictures.ecg_layout import arrange, view
from anylead.pictures.page_waves import tints
from anylead.records import Mark
from heart_records import make


@pytest.fixture
def read_files(ecg, monkeypatch):
    """Every file holds the same recording; the list tells which were read."""
    read = []

    def reader(path, rename):
        read.append(path)
        return ecg(record_id="r1", patient_id="p1")

    monkeypatch.setattr(plot, "read", reader)
    return read


@pytest.mark.parametrize("name", ["page.svg", "page.pdf", "page.png"])
def test_a_file_becomes_a_page(read_files, tmp_path, name):
    out = run(Recipe(str(tmp_path / "ecg.hea"), tmp_path / name, layout="6x2", dpi=60))
    assert out.stat().st_size > 5000
    assert read_files == [tmp_path / "ecg.hea"]


def test_the_leads_that_are_drawn_are_told(read_files, tmp_path, capsys):
    run(Recipe(str(tmp_path / "ecg.hea"), tmp_path / "page.svg", leads="V2,aVR"))
    assert "page.svg: V2, aVR, 10.0 s" in capsys.readouterr().out


def test_the_patient_is_on_the_page_only_when_asked_for(read_files, tmp_path):
    hidden = run(Recipe(str(tmp_path / "ecg.hea"), tmp_path / "a.svg")).read_text()
    shown = run(Recipe(str(tmp_path / "ecg.hea"), tmp_path / "b.svg", show_header=True)).read_text()
    assert "patient p1" not in hidden
    assert "patient p1" in shown


def test_a_format_that_cannot_be_drawn_is_refused_before_reading(read_files, tmp_path):
    with pytest.raises(RecipeError, match=r"page\.jpg"):
        run(Recipe(str(tmp_path / "ecg.hea"), tmp_path / "page.jpg"))
    assert read_files == []


def test_a_wrong_lead_leaves_no_file(read_files, tmp_path):
    with pytest.raises(LeadError, match="V9"):
        run(Recipe(str(tmp_path / "ecg.hea"), tmp_path / "page.svg", leads="V9"))
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
    svg = run(Recipe(str(tmp_path / "r1.hea"), tmp_path / "page.svg")).read_text()
    assert "0.0 to 4.0 s of 4.0 s" in svg


@pytest.fixture
def folder(ecg, tmp_path):
    place = tmp_path / "ecgs"
    place.mkdir()
    for name in ("a", "b", "c"):
        csv.write(ecg(seconds=4, seed=ord(name)), place / f"{name}.csv")
    (place / "notes.md").write_text("no ECG")
    return place


def test_a_folder_becomes_one_pdf_or_a_folder_of_pages(folder, tmp_path):
    pdf = run(Recipe(str(folder), tmp_path / "all.pdf")).read_bytes()
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") == 3
    out = run(Recipe(str(folder), tmp_path / "pages"))
    assert sorted(path.name for path in out.iterdir()) == ["a.svg", "b.svg", "c.svg"]
    some = run(Recipe(f"{folder}/[ab].csv", tmp_path / "some"))
    assert sorted(path.name for path in some.iterdir()) == ["a.svg", "b.svg"]


def test_recordings_of_one_name_do_not_take_each_others_page(folder, tmp_path):
    (folder / "b").mkdir()
    shutil.copy(folder / "a.csv", folder / "b" / "a.csv")
    out = run(Recipe(str(folder), tmp_path / "pages"))
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 4
    assert {name[-7:] for name in set(names) - {"b.svg", "c.svg"}} == {
        f"{folder.name}_a.svg"[-7:],
        "b_a.svg",
    }


def test_what_cannot_hold_several_pages_and_what_matches_nothing_is_refused(folder, tmp_path):
    with pytest.raises(RecipeError, match=r"3 recordings; name a \.pdf or a folder"):
        run(Recipe(str(folder), tmp_path / "page.svg"))
    with pytest.raises(FormatError, match="no ECG file there"):
        run(Recipe(f"{folder}/*.dcm", tmp_path / "page.svg"))


def test_hours_are_drawn_in_full_on_numbered_pages(ecg, tmp_path, monkeypatch):
    record = ecg(seconds=10)
    long = replace(record, signal=np.tile(record.signal, 186))  # 31 minutes
    monkeypatch.setattr(plot, "read", lambda path, rename: long)
    recipe = Recipe("holter.edf", tmp_path / "full.svg", layout="full", leads="V1")
    run(recipe)
    first, second = (tmp_path / f"full-{number:02d}.svg" for number in (1, 2))
    assert "V1 · 60 s a row · 4 mm/mV · page 1 of 2" in first.read_text()
    assert "0:29:00" in first.read_text() and "0:30:00" in second.read_text()
    assert first.stat().st_size < 4e6  # a point for each tenth of a millimetre, not each sample


@pytest.mark.parametrize("band", ["40-0.5", "x", "5", "-", "0-40", "0.5-a"])
def test_a_filter_that_is_none_is_refused_before_reading(read_files, tmp_path, band):
    with pytest.raises(RecipeError, match="want LOW-HIGH"):
        run(Recipe("ecg.hea", tmp_path / "page.svg", filter=band))
    assert read_files == []


def test_a_filter_takes_away_what_is_outside_and_keeps_what_is_missing(ecg):
    record = ecg(seconds=10)
    time = np.arange(record.signal.shape[1]) / record.sample_rate
    signal = np.sin(2 * np.pi * np.outer([0.05, 10.0, 100.0], time)).astype(np.float32)
    signal[:, 100] = np.nan
    three = replace(record, signal=signal, leads=("I", "II", "V1"), resolution=None)
    power = np.nanvar(plot.filtered(three, "0.5-40").signal[:, 500:-500], axis=1)
    assert power[0] < 0.01 and power[1] == pytest.approx(0.5, abs=0.02) and power[2] < 0.01
    assert np.isnan(plot.filtered(three, "0.5-40").signal[:, 100]).all()
    with pytest.raises(RecipeError, match="Hz only"):
        plot.filtered(three, f"0.5-{record.sample_rate:g}")


def test_waves_are_tinted_where_they_are_and_intervals_told(tmp_path):
    record, _ = make(seed=1)
    file = tmp_path / "ecg.hea"
    wfdb_write.write(record, file)
    plain = run(Recipe(str(file), tmp_path / "a.svg")).read_text()
    tinted = run(Recipe(str(file), tmp_path / "b.svg", waves=True)).read_text()
    assert 'id="waves-' not in plain and 'id="waves-strip-II"' in tinted
    found = anylead.load("ptbxl-small", device="cpu").delineate(file)
    assert f"PR {found.intervals['PR_ms']:.0f} ms" in tinted
    with pytest.raises(RecipeError, match="whole recording"):
        run(Recipe(str(file), tmp_path / "c.pdf", layout="full", waves=True))


def test_a_tint_lies_from_onset_to_offset_and_not_beyond_its_column(ecg):
    shown = view(ecg(), None, 10.0, 0.0, 10.0, 25.0)
    trace = next(each for each in arrange(shown, "3x4").traces if each.column == 1)
    lead = shown.leads[trace.lead]
    begins = trace.first / shown.sample_rate
    waves = [Mark(lead, "P", begins - 0.1, begins + 0.1), Mark(lead, "T", begins + 1, begins + 1.2)]
    boxes = tints(shown, trace, 20.0, 50.0, waves).get_paths()
    edges = [(box.vertices[:, 0].min(), box.vertices[:, 0].max()) for box in boxes]
    left = 20 + 25 * begins
    np.testing.assert_allclose(edges, [(left, left + 2.5), (left + 25, left + 30)])
