"""Worker processes started from scripts as people write them, and what Ctrl-C does to them."""

import os
import signal
import subprocess
import sys

# No `if __name__ == "__main__"`: as typed at a prompt, or in a short script.
SCRIPT = """
import time
from anylead.engines.workers import run_pieces
for result in run_pieces({work}, {pieces}, num_workers=2):
    print(result, flush=True)
"""


def begin(tmp_path, work, pieces):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(work=work, pieces=pieces))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, str(path)],
        start_new_session=True,
        # A shell's background jobs are deaf to Ctrl-C, and so would be what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **pipes,
    )


def test_a_script_needs_no_main_guard(tmp_path):
    child = begin(tmp_path, "abs", [-1, -2, -3])
    told, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (0, "")
    assert sorted(told.split()) == ["1", "2", "3"]


def test_ctrl_c_ends_the_workers_at_once_and_only_the_parent_hears_it(tmp_path):
    child = begin(tmp_path, "time.sleep", [0, 100, 100])
    assert child.stdout.readline() == "None\n"
    os.killpg(child.pid, signal.SIGINT)  # as a terminal sends it, to all of them
    _, errors = child.communicate(timeout=30)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "SpawnProcess" not in errors


def test_workers_end_with_the_process_that_started_them_also_when_it_is_killed(tmp_path):
    child = begin(tmp_path, "time.sleep", [0, 100, 100])
    assert child.stdout.readline() == "None\n"
    child.kill()
    child.communicate(timeout=30)  # until nobody holds the other ends any more
