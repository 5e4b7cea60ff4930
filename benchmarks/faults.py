"""Ctrl-C and kill -9 at random moments: what the commands leave behind, and whether they go on.

    python benchmarks/faults.py --times 10

Every command runs once undisturbed. Then it is stopped --times times by Ctrl-C (as a terminal does
it: all its processes) and by kill -9 (of all its processes, then of the first alone), each time at
a moment drawn between the start and the usual end, and at last left alone, going on or anew. One
JSON line for each command and way; exit status 1 if anything is not right:

- Ctrl-C: within 20 s over, status 130 (75: a training whose state is kept), one line on stderr;
- no process is left, and at the end no unfinished file;
- what the last run left, and the names of all files, equal what the undisturbed run left.

Models by name and corpora come from an imitation of their servers on this machine.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imitation import served

TRAIN = ("--train.steps=60", "--train.batch_size=8", "--train.save_every=10",
         "--train.is_quiet=true", "--train.device=cpu")  # fmt: skip
#: Their bytes hold times, paths or the order of a disk; content is compared by other means.
TABLE = """
store: {store}
rows: [{{name: random}}, {{name: CMSC, pretrain: {{method: cmsc}}}}]
lead_sets: ["12", "2"]
unseen: []
seeds: [0]
pretrain: {{train: {{steps: 20, batch_size: 8, save_every: 5}}}}
finetune: {{train: {{steps: 20, batch_size: 8, save_every: 5}}}}
encoder: {{size: tiny}}
evaluate: {{num_resamples: 30}}
devices: cpu
"""
NOT_COMPARED = (".lock", "log.csv", "recipe.yaml", "tensorboard", "README.md", "report.html",
                "table.md", ".locks", "xet", "logs")  # fmt: skip


@dataclass
class Command:
    """A command whose last word is where it writes.

    Attributes:
        words: of the command line, without the place.
        place: option that names the place, and the name in the folder of a trial.
        again: what a run after a stopped one has in addition.
        is_once: it refuses a place where something lies.
        is_exact: every byte of what it writes is compared.
        says: so many lines before it begins.
    """

    words: Sequence[str]
    place: tuple[str, str]
    again: Sequence[str] = ()
    is_training: bool = False
    is_once: bool = False
    is_exact: bool = False
    says: int = 0
    wrong: list[str] = field(default_factory=list)


def commands(base: Path, address: str) -> dict[str, Command]:
    """All that takes a while and writes, on what `made` put into `base`."""
    store, run = str(base / "store"), str(base / "run")
    data = ("--data.store", store)
    synthetic = ("prepare", "synthetic", "--options", '{"num_patients": 300}',
                 "--records_per_shard", "50")  # fmt: skip
    again = ("--train.resume",)
    return {
        "prepare": Command(synthetic, ("--out", "store")),
        "prepare, 2 workers": Command((*synthetic, "--num_workers", "2"), ("--out", "store")),
        "pretrain": Command(
            ("pretrain", "--encoder.size", "tiny", *data, *TRAIN), ("--out", "run"), again, True
        ),
        "finetune": Command(
            ("finetune", "--model.encoder.size", "tiny", *data, *TRAIN),
            ("--out", "run"),
            again,
            True,
        ),
        "evaluate": Command(("evaluate", run), ("--out", "scores")),
        "embed": Command(("embed", store, run, "--num_workers", "1"), ("--out", "e.parquet")),
        "embed, 2 workers": Command(
            ("embed", store, run, "--num_workers", "2"), ("--out", "e.parquet")
        ),
        "predict": Command(("predict", store, "--model", run), ("--out", "p.csv"), is_once=True),
        "export": Command(("export", run), ("--out", "model.onnx")),
        "export, torch": Command(("export", run, "--format", "torch"), ("--out", "model.pt2")),
        "pack": Command(
            ("pack", run, "--lead_sets", "12 II", "--num_resamples", "100"),
            ("--out", "packed"),
            is_exact=True,
        ),
        "benchmark": Command(("benchmark", str(base / "table.yaml")), ("--out", "table")),
        "benchmark, 2 devices": Command(
            ("benchmark", str(base / "table.yaml"), "--devices", "cpu,cpu"), ("--out", "table")
        ),
        "model by name": Command(
            ("embed", str(base / "ecg.npz"), "hf://lab/ecg", "--num_workers", "1"),
            ("--out", "e.parquet"),
        ),
        "download": Command(
            ("download", "ludb", "--mirror", f"{address}/mirror"),
            ("--out", "ludb"),
            is_exact=True,
            says=2,  # whose files these are
        ),
        "plot": Command(("plot", str(base / "ecg.npz")), ("--out", "ecg.pdf")),
        "explain": Command(("explain", str(base / "ecg.npz"), "--model", run), ("--out", "x.png")),
    }  # fmt: skip


def make(base: Path, address: str) -> None:
    """A store, a fine-tuned model, a file, a recipe of a table, a mirror and a hub."""
    os.environ |= {"HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1"}
    os.environ |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    import numpy as np

    from anylead import datasets

    said = ("prepare", "synthetic", "--out", str(base / "store"), "--options",
            '{"num_patients": 200}')  # fmt: skip
    finished(said)
    finished(("finetune", "--model.encoder.size", "tiny", "--data.store", str(base / "store"),
              "--out", str(base / "run"), *TRAIN))  # fmt: skip
    record = next(iter(datasets.records("synthetic", num_patients=1)))
    np.savez(base / "ecg.npz", signal=record.signal, leads=np.array(record.leads),
             sample_rate=record.sample_rate, unit="mV")  # fmt: skip
    (base / "table.yaml").write_text(TABLE.format(store=base / "store"))
    model = base / "hub" / "lab" / "ecg"
    model.mkdir(parents=True)
    for name in ("model.safetensors", "model.json"):
        shutil.copyfile(base / "run" / name, model / name)
    mirror = base / "mirror"
    mirror.mkdir()
    draw, sums = random.Random(0), ""
    for number in range(8):
        content = draw.randbytes(250_000)
        (mirror / f"{number}.dat").write_bytes(content)
        sums += f"{hashlib.sha256(content).hexdigest()} {number}.dat\n"
    (mirror / "SHA256SUMS.txt").write_text(sums)


def started(words: Sequence[str], folder: Path | None = None) -> subprocess.Popen:
    """In a group of its own; a shell's background jobs would be deaf to Ctrl-C.

    `folder` has a cache of models of its own.
    """
    hub = {"HF_HOME": str(folder / "hub")} if folder else {}
    return subprocess.Popen(
        [sys.executable, "-m", "anylead", *words], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ | hub,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def finished(words: Sequence[str], folder: Path | None = None) -> str:
    process = started(words, folder)
    _, said = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(f"anylead {' '.join(words)}: status {process.returncode}: {said}")
    return said


def trial(
    command: Command, name: str, way: str, folder: Path, usual: float, times: int, seed: int
) -> dict:
    """Stop it so often, then let it end."""
    draw = random.Random(f"{name} {way} {seed}")
    option, place = command.place
    words = [*command.words, option, str(folder / place)]
    statuses: dict[str, int] = {}
    for turn in range(times):
        process = started([*words, *(command.again if turn else ())], folder)
        try:
            process.wait(draw.uniform(0, 1.05 * usual))
        except subprocess.TimeoutExpired:
            WAYS[way](process)
        status, said = ended(process)
        statuses[str(status)] = statuses.get(str(status), 0) + 1
        if way == "Ctrl-C":
            judge(command, status, said)
        if command.is_once:  # it was over before the signal came
            (folder / place).unlink(missing_ok=True)
        left = left_over(process.pid)
        if left:
            command.wrong.append(f"processes left: {left}")
    finished([*words, *command.again], folder)
    return statuses


def ended(process: subprocess.Popen, seconds: float = 60) -> tuple[int, str]:
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 999, ""
    return process.returncode, said


def judge(command: Command, status: int, said: str) -> None:
    expected = {0, 130, 75} if command.is_training else {0, 130}
    lines = [line for line in said.splitlines() if line.strip()]
    if status == -signal.SIGINT:  # Python itself had not started: no line can be expected
        return
    if status not in expected:
        command.wrong.append(f"status {status}: {said[-300:]}")
    elif status and len(lines) - 1 not in (0, command.says):
        command.wrong.append(f"status {status}, {len(lines)} lines: {said[-300:]}")


def left_over(group: int, seconds: float = 10) -> list[int]:
    """Processes of a group that are still there after a while."""
    end = time.monotonic() + seconds
    while True:
        found = [
            int(p.name) for p in Path("/proc").glob("[0-9]*") if group_of(int(p.name)) == group
        ]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def interrupt(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)


def kill_all(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def kill_first(process: subprocess.Popen) -> None:
    os.kill(process.pid, signal.SIGKILL)


WAYS: dict[str, Callable[[subprocess.Popen], None]] = {
    "Ctrl-C": interrupt,
    "kill -9 of all": kill_all,
    "kill -9 of the first": kill_first,
}


def content(folder: Path, is_exact: bool) -> dict[str, str]:
    """File -> hash of its bytes; of weights and tables that hold a time, of what they say."""
    skipped = (".lock",) if is_exact else NOT_COMPARED
    return {
        str(file.relative_to(folder)): said_by(file, is_exact)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(part in skipped or part.startswith("resume-") for part in file.parts)
    }


def said_by(file: Path, is_exact: bool) -> str:
    if is_exact:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        joined = b"".join(k.encode() + v.tobytes() for k, v in sorted(load_file(file).items()))
        return hashlib.sha256(joined).hexdigest()
    if file.suffix in (".pdf", ".onnx", ".json", ".png", ".html", ".csv"):
        return "there" if file.stat().st_size else "empty"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def asked(about: str | None, times: int) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=times, help="trials of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[""], help="those that start so")
    return parser.parse_args()


def main() -> None:
    arguments = asked(__doc__, times=10)
    is_right = True
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as address:
        base = Path(name)
        make(base, address)
        for title, command in commands(base, address).items():
            if not title.startswith(tuple(arguments.only)):
                continue
            option, place = command.place
            straight = base / title / "straight"
            straight.mkdir(parents=True)
            begin = time.monotonic()
            finished([*command.words, option, str(straight / place)], straight)
            usual = time.monotonic() - begin
            expected = content(straight, command.is_exact)
            for way in WAYS:
                folder = base / title / way
                folder.mkdir()
                command.wrong.clear()
                statuses = trial(
                    command, title, way, folder, usual, arguments.times, arguments.seed
                )
                found = content(folder, command.is_exact)
                differ = [
                    n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n)
                ]
                command.wrong += [f"differs: {name}" for name in sorted(differ)]
                told = {
                    "command": title,
                    "way": way,
                    "stops": arguments.times,
                    "statuses": statuses,
                    "files": len(expected),
                    "wrong": command.wrong,
                }
                print(json.dumps(told), flush=True)
                is_right = is_right and not command.wrong
    sys.exit(not is_right)


if __name__ == "__main__":
    main()
