"""How many threads a command uses."""

import os
import subprocess
import sys

import pytest

from anylead.cli import main
from anylead.engines import threads
from anylead.errors import RecipeError


@pytest.mark.parametrize(
    ("words", "left", "number"),
    [
        (["--out", "a"], ["--out", "a"], None),
        (["--threads", "3", "--out", "a"], ["--out", "a"], 3),
        (["a.yaml", "--threads=12"], ["a.yaml"], 12),
    ],
)
def test_the_option_is_taken_out_wherever_it_stands(words, left, number):
    assert threads.take_option(words) == (left, number)


@pytest.mark.parametrize("words", [["--threads"], ["--threads", "0"], ["--threads=many"]])
def test_a_number_that_is_none_is_refused(words):
    with pytest.raises(RecipeError, match="want a number of threads"):
        threads.take_option(words)


def test_a_mistake_is_one_line_of_any_command(capsys):
    assert main(["doctor", "--threads", "-1"]) == 2
    assert capsys.readouterr().err == (
        "anylead doctor: --threads '-1': want a number of threads, 1 or more\n"
    )


def test_a_command_within_a_program_leaves_its_threads_as_they_were(monkeypatch, capsys):
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(
        "anylead.commands.doctor.run",
        lambda recipe: seen.append((torch.get_num_threads(), threads.usable_cores())),
    )
    environment = dict(os.environ)
    torch.set_num_threads(2)
    try:
        assert main(["doctor", "--threads", "1"]) == 0
        assert (seen, torch.get_num_threads()) == ([(1, 1)], 2)
    finally:
        torch.set_num_threads(before)
    assert dict(os.environ) == environment


def test_what_the_user_has_set_stays():
    told = {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "active"}
    asked = dict(told)
    threads.prepare(asked, None)
    assert asked == told
    threads.prepare(asked, 2)
    assert asked["OMP_NUM_THREADS"] == asked["ANYLEAD_THREADS"] == "2"
    assert "GOMP_SPINCOUNT" not in asked


def test_ranks_of_a_machine_share_its_cores(monkeypatch):
    monkeypatch.setenv(threads.VARIABLE, "8")
    for ranks, each in ((1, "8"), (3, "2"), (16, "1")):
        asked = {"LOCAL_WORLD_SIZE": str(ranks)}
        threads.prepare(asked, None)
        assert asked["OMP_NUM_THREADS"] == each


def test_two_threads_of_a_core_count_once(tmp_path):
    for core, siblings in ((0, "0,2"), (1, "1"), (2, "0,2")):
        folder = tmp_path / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings)
    assert threads._distinct({0, 1, 2}, tmp_path) == 2
    assert threads._distinct({0, 1, 2}, tmp_path / "nowhere") == 3


@pytest.mark.parametrize(("text", "cores"), [("250000 100000", 2), ("5000 100000", 1)])
def test_a_container_has_its_share(tmp_path, text, cores):
    path = tmp_path / "cpu.max"
    path.write_text(text)
    assert threads._quota(path) == cores
    path.write_text("max 100000")
    assert threads._quota(path) > 1000
    assert threads._quota(tmp_path / "nowhere") > 1000


def test_torch_and_worker_processes_obey():
    code = (
        "import sys; sys.argv = ['anylead', 'doctor', '--threads', '1'];"
        "from anylead.cli import main; main(); import torch;"
        "from anylead.engines import usable_cores; print('now', torch.get_num_threads(),"
        " usable_cores())"
    )
    environment = {k: v for k, v in os.environ.items() if k not in threads._LIBRARIES}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert told.stdout.splitlines()[-1] == "now 1 1"
