import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import pytest

from anylead.errors import AnyleadError, RecipeError
from anylead.pictures import ecg_page, render, save
from anylead.pictures.output import write_whole


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_the_same_recording_gives_the_same_bytes(ecg, kind):
    first, second = (render(ecg_page(ecg(seed=3)), kind) for _ in range(2))
    assert first == second


def test_threads_draw_what_one_thread_draws_and_leave_no_settings_behind(ecg):
    before = dict(mpl.rcParams)
    records = [ecg(seed=seed, seconds=3) for seed in range(8)]
    alone = [render(ecg_page(record)) for record in records]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda record: render(ecg_page(record)), records))
    assert together == alone
    assert dict(mpl.rcParams) == before


def test_a_persons_own_settings_do_not_change_the_scale(ecg):
    expected = render(ecg_page(ecg()))
    own = {"savefig.bbox": "tight", "svg.fonttype": "path", "figure.dpi": 50, "font.size": 30}
    with mpl.rc_context(own):
        assert render(ecg_page(ecg())) == expected


def test_drawing_never_loads_pyplot():
    code = "import sys, anylead.pictures; sys.exit('matplotlib.pyplot' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


@pytest.mark.parametrize(
    ("name", "start"), [("a.svg", b"<?xml"), ("b.PDF", b"%PDF"), ("c.png", b"\x89PNG")]
)
def test_the_name_chooses_the_format_and_folders_are_made(ecg, tmp_path, name, start):
    path = tmp_path / "new" / "folder" / name
    save(ecg_page(ecg(seconds=2)), path, dpi=50)
    assert path.read_bytes().startswith(start)
    assert os.listdir(path.parent) == [name]


@pytest.mark.parametrize("name", ["page", "page.gif", "page.svg.exe"])
def test_another_format_is_refused_before_anything_is_written(ecg, tmp_path, name):
    with pytest.raises(RecipeError, match=r"\.svg, \.pdf or \.png"):
        save(ecg_page(ecg(seconds=2)), tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "page.svg"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AnyleadError, match=r"page\.svg: cannot be written \(No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["page.svg"]


def test_a_file_in_the_place_of_the_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AnyleadError, match="cannot be written"):
        write_whole(tmp_path / "file" / "page.svg", b"new")
