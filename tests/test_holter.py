"""Beats of recordings that last hours: none lost or told twice, memory that does not grow."""

import csv
import tracemalloc

import numpy as np
import pytest

import anylead
from anylead.commands import beat_list
from anylead.commands.cli import main
from anylead.formats import edf, edf_write, wfdb, wfdb_parts, wfdb_write
from anylead.inference import holter
from anylead.leads import LEADS
from anylead.records import Record
from anylead.signals.intervals import GLOBAL
from format_samples import SAMPLES
from heart_records import make
from killed_writers import left_by_others


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(holter, "PIECE", 20.0)


@pytest.fixture(scope="module")
def model():
    return anylead.load("ptbxl-small", device="cpu")


def long_record(halves, seed=3):
    """One lead at 100 Hz; the same half minute again and again."""
    record, times = make(100.0, seconds=30.0, leads=("II",), seed=seed)
    return Record(np.tile(record.signal, halves), ("II",), 100.0, f"long{halves}"), times


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("holter")
    for halves in (1, 3):
        wfdb_write.write(long_record(halves)[0], path / f"long{halves}.hea")
    return path


def test_a_part_of_a_wfdb_record_is_that_of_the_whole(folder):
    whole = wfdb.read(folder / "long3.hea")
    part = wfdb_parts.read_part(folder / "long3.hea", 1501, 4003)
    np.testing.assert_array_equal(part.signal, whole.signal[:, 1501:4003])
    assert part.leads == whole.leads and part.sample_rate == 100.0
    assert wfdb_parts.length_of(folder / "long3.dat") == (9000, 100.0)


@pytest.mark.parametrize("name", ["edf", "bdf", "edf+"])
def test_a_part_of_an_edf_file_is_that_of_the_whole(name, tmp_path):
    path = SAMPLES["edf"][name](tmp_path).path
    whole = edf.read(path)
    total, rate = edf.length_of(path)
    assert (total, rate) == (whole.signal.shape[1], whole.sample_rate)
    for start, stop in ((0, total), (1, 2), (3, total - 5), (total // 2, total)):
        part = edf.read_part(path, start, stop)
        np.testing.assert_array_equal(part.signal, whole.signal[:, start:stop])
    assert part.leads == whole.leads and part.unit == whole.unit


def test_an_edf_file_with_gaps_is_read_whole(tmp_path):
    path = SAMPLES["edf"]["edf+d"](tmp_path).path
    assert edf.length_of(path) is None
    (piece,) = holter.pieces(path)
    np.testing.assert_array_equal(piece.record.signal, edf.read(path).signal)


def test_pieces_lie_side_by_side_and_overlap(folder):
    found = list(holter.pieces(folder / "long3.hea"))
    assert [(each.first, each.last) for each in found] == [
        (0, 20),
        (20, 40),
        (40, 60),
        (60, 80),
        (80, 90),
    ]
    assert [each.begin for each in found] == [0, 15, 35, 55, 75]
    assert [each.record.seconds for each in found] == [25, 30, 30, 30, 15]


def test_the_beats_are_those_of_the_recording_in_one_piece(model, folder):
    found = list(holter.beats(model, folder / "long3.hea"))
    whole = model.delineate(folder / "long3.hea")
    onsets = [mark.onset for mark in whole.waves if mark.lead == GLOBAL and mark.name == "QRS"]
    assert len(found) == len(onsets)
    np.testing.assert_allclose([beat.time for beat in found], onsets, atol=0.02)
    assert found[0].rr_ms is None
    rr = [beat.rr_ms for beat in found[1:]]
    np.testing.assert_allclose(rr, 1000 * np.diff([each.time for each in found]), atol=0.06)


def test_a_flat_half_minute_has_no_beats_and_no_interval_across_it(model, tmp_path):
    record, _ = long_record(3)
    record.signal[:, 3200:6800] = 0.0
    wfdb_write.write(record, tmp_path / "flat.hea")
    found = list(holter.beats(model, tmp_path / "flat.hea"))
    assert not [beat for beat in found if 33 < beat.time < 67]
    assert [beat.rr_ms for beat in found].count(None) == 2
    assert max(beat.rr_ms or 0 for beat in found) < 3000


@pytest.mark.parametrize("lost", [np.nan, 0.0])
def test_no_interval_bridges_seconds_without_signal(lost, model, tmp_path):
    """Within one piece, and over the seam at 40 s."""
    record, _ = long_record(3)
    for begin, end in ((900, 1500), (3700, 4300)):
        record.signal[:, begin:end] = lost
    wfdb_write.write(record, tmp_path / "off.hea")
    found = list(holter.beats(model, tmp_path / "off.hea"))
    rr = [beat.rr_ms for beat in found]
    assert rr.count(None) == 3 and max(each or 0 for each in rr) < 1500


@pytest.mark.parametrize("kind", ["hea", "edf"])
def test_memory_does_not_grow_with_the_recording(kind, tmp_path, monkeypatch):
    """Reading and pieces alone: torch does not count, and takes the same for each piece."""
    monkeypatch.setattr(holter, "_of_piece", lambda model, record, use_leads: ([], []))
    peaks = []
    for minutes in (2, 6):
        signal = np.zeros((12, minutes * 30_000), np.float32)
        signal[:, ::2] = 1
        path = tmp_path / f"long{minutes}.{kind}"
        {"hea": wfdb_write, "edf": edf_write}[kind].write(Record(signal, LEADS, 500.0), path)
        tracemalloc.start()
        assert list(holter.beats(None, path)) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]
    assert peaks[1] < signal.nbytes / 2


def test_the_command_lists_beats_and_draws_them(folder, tmp_path, capsys):
    out, picture = tmp_path / "beats.csv", tmp_path / "rr.png"
    words = ["delineate", str(folder / "long3.hea"), "-o", str(out), "--rows", "beats"]
    assert main([*words, "--tachogram", str(picture)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == ["record", "time", "RR_ms", "PR_ms", "QRS_ms", "QT_ms", "class"]
    assert rows[0]["RR_ms"] == "" and 400 < float(rows[1]["RR_ms"]) < 1200
    assert picture.stat().st_size > 5000
    assert f"{len(rows)} beats of 1 recordings" in capsys.readouterr().err
    assert main(words) == 2
    assert "there already" in capsys.readouterr().err


def test_a_run_that_is_stopped_leaves_nothing_and_a_later_one_clears_up(
    folder, tmp_path, monkeypatch
):
    out = tmp_path / "beats.csv"
    words = ["delineate", str(folder / "long1.hea"), "-o", str(out), "--rows", "beats"]

    def stopped(*args, **options):
        yield holter.HeartBeat(0.5, None, None, None, None)
        assert [path.suffix for path in tmp_path.iterdir()] == [".unfinished"]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(beat_list, "beats", stopped)
        assert main(words) == 130
    assert list(tmp_path.iterdir()) == []
    _, alive, other = left_by_others(tmp_path / "beats.csv", "record,ti")
    assert main(words) == 0
    assert set(tmp_path.iterdir()) == {out, alive, other}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rows", "beats"], "say where to write them"),
        (["--rows", "beats", "-o", "b.parquet"], "written as .csv"),
        (["--tachogram", "rr.png", "-o", "b.csv"], "goes with --rows beats"),
    ],
)
def test_what_does_not_go_together_is_told(words, told, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["delineate", str(folder / "long3.hea"), *words]) == 2
    assert told in capsys.readouterr().err
