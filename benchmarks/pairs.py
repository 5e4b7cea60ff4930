"""Two processes of one command at once, writing in one place: what they leave is never mixed.

    python benchmarks/pairs.py --times 4

The two differ in a seed, in leads or in the data (where it says "same", in nothing). Each runs
alone first; then both are started, the second at a moment drawn between the start of the first and
its usual end. One JSON line for each pair; exit status 1 if anything is not right:

- at least one ends well, and who does not is refused: status 2 and one line of its own;
- what lies there is, file by file, what one of them leaves alone, and of one that was not refused;
- no process is left.
"""

import fnmatch
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults import TRAIN, asked, ended, finished, left_over, make, said_by, started
from imitation import served


@dataclass
class Pair:
    """Two command lines whose last word is where they write.

    Attributes:
        words: that both have.
        place: option that names the place, and the name in the folder of a trial.
        own: words of each alone.
        varies: patterns of files that hold times, or that differ from run to run.
    """

    words: Sequence[str]
    place: tuple[str, str]
    own: tuple[Sequence[str], Sequence[str]] = ((), ())
    varies: Sequence[str] = ()
    wrong: list[str] = field(default_factory=list)

    def line(self, number: int, folder: Path) -> list[str]:
        """The command line of one of the two."""
        option, name = self.place
        return [*self.words, *self.own[number], option, str(folder / name)]


def pairs(base: Path, address: str) -> dict[str, Pair]:
    """All that writes, on what `made` put into `base`."""
    store, run, other = (str(base / name) for name in ("store", "run", "other"))
    data = ("--data.store", store, *TRAIN)
    seeds = ("--train.seed=1",), ("--train.seed=2",)
    leads = ("--leads", "I"), ("--leads", "II")
    logs = ("*/log.csv",)
    people = tuple(("--options", f'{{"num_patients": {number}}}') for number in (200, 201))
    sets = ("--lead_sets", "12"), ("--lead_sets", "II")
    embed = ("embed", store, run, "--num_workers", "1", "--records_per_part", "40")
    scored = ("--num_resamples", "100")
    return {
        "prepare": Pair(
            ("prepare", "synthetic", "--records_per_shard", "50"), ("--out", "s"), people
        ),
        "pretrain": Pair(
            ("pretrain", "--encoder.size", "tiny", *data), ("--out", "run"), seeds, logs
        ),
        "finetune": Pair(
            ("finetune", "--model.encoder.size", "tiny", *data), ("--out", "run"), seeds, logs
        ),
        "evaluate": Pair(("evaluate", run, *scored), ("--out", "scores"), sets),
        "embed": Pair(embed, ("--out", "e.parquet"), leads),
        "embed, same": Pair(embed, ("--out", "e.parquet")),
        "predict": Pair(("predict", store, "--model", run), ("--out", "p.csv"), leads),
        "pack": Pair(("pack", *scored), ("--out", "packed"), ((run, *sets[0]), (other, *sets[1]))),
        "export": Pair(
            ("export", "--format", "torch"), ("--out", "m.pt2"), ((run,), (other,)), ("m.pt2",)
        ),
        "benchmark, same": Pair(
            ("benchmark", str(base / "table.yaml")),
            ("--out", "table"),
            varies=(*logs, "*.json", "*/table.*", "*/report.html"),
        ),
        "model by name, same": Pair(
            ("embed", str(base / "ecg.npz"), "hf://lab/ecg", "--num_workers", "1"),
            ("--out", "e.parquet"),
        ),
        "download, same": Pair(
            ("download", "ludb", "--mirror", f"{address}/mirror"), ("--out", "ludb")
        ),
    }


def content(folder: Path, varies: Sequence[str]) -> dict[str, str]:
    """File -> hash of what it says, whatever the folder is called."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if "tfevents" in name:  # called by the time and the process: how many there are counts
            events = file.parent.relative_to(folder) / "events"
            found[str(events)] = found.get(str(events), "") + "one more"
            continue
        if not file.is_file() or file.name == ".lock" or ".locks" in file.parts:
            continue
        if any(fnmatch.fnmatch(name, pattern) for pattern in varies):
            found[name] = "there" if file.stat().st_size else "empty"
        elif file.suffix == ".safetensors" and "resume-" not in name:
            found[name] = said_by(file, False)  # its description holds the folder: model.json, too
        else:
            plain = file.read_bytes().replace(str(folder).encode(), b"")
            found[name] = hashlib.sha256(plain).hexdigest()
    return {name: said for name, said in found.items() if "resume-" not in name}


def trial(pair: Pair, folder: Path, delay: float, alone: Sequence[dict[str, str]]) -> list[int]:
    """Both at once; returns how they ended."""
    folder.mkdir(parents=True)
    first = started(pair.line(0, folder), folder)
    time.sleep(delay)
    second = started(pair.line(1, folder), folder)
    statuses = []
    for process in (first, second):
        status, said = ended(process, 300)
        statuses.append(status)
        lines = said.strip().splitlines() or [""]
        is_refused = status == 2 and lines[-1].startswith("anylead ") and "Traceback" not in said
        if status and not is_refused:
            pair.wrong.append(f"status {status}: {said[-300:]}")
        left = left_over(process.pid)
        if left:
            pair.wrong.append(f"processes left: {left}")
    found = content(folder, pair.varies)
    right = [each for status, each in zip(statuses, alone, strict=True) if status == 0]
    if found not in right:
        nearest = min(
            alone, key=lambda each: sum(each.get(n) != found.get(n) for n in each | found)
        )
        differ = [n for n in nearest | found if nearest.get(n) != found.get(n)]
        pair.wrong.append(f"statuses {statuses}, differs: {', '.join(sorted(differ))}")
    return statuses


def main() -> None:
    arguments = asked(__doc__, times=4)
    is_right = True
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as address:
        base = Path(name)
        make(base, address)
        finished(
            ("finetune", "--model.encoder.size", "tiny", "--data.store", str(base / "store"),
             "--out", str(base / "other"), "--train.seed=7", *TRAIN)
        )  # fmt: skip
        for title, pair in pairs(base, address).items():
            if not title.startswith(tuple(arguments.only)):
                continue
            draw = random.Random(f"{title} {arguments.seed}")
            alone = []
            for number in (0, 1):
                folder = base / title / f"alone {number}"
                folder.mkdir(parents=True)
                begin = time.monotonic()
                finished(pair.line(number, folder), folder)
                usual = time.monotonic() - begin
                alone.append(content(folder, pair.varies))
            ends: dict[str, int] = {}
            for turn in range(arguments.times):
                delay = draw.uniform(0, usual) if turn else 0.0
                statuses = trial(pair, base / title / str(turn), delay, alone)
                ends[str(statuses)] = ends.get(str(statuses), 0) + 1
            told = {"pair": title, "trials": arguments.times, "statuses": ends,
                    "files": len(alone[0]), "wrong": pair.wrong}  # fmt: skip
            print(json.dumps(told), flush=True)
            is_right = is_right and not pair.wrong
    sys.exit(not is_right)


if __name__ == "__main__":
    main()
