"""Damage files of every format and read them: a Record or a FormatError, nothing else.

    PYTHONPATH=src:tests python -m format_fuzz --examples 20000 --out docs/formats_fuzz.json

Every damage is a function of (format, number), so a finding can be made again. A child process
reads the files under a limit of 1 GiB over what it starts with; one that is killed, by a crash in
a library or by the alarm, costs one file and is counted as a finding. Seconds are those that this
process computes, since a machine with other work is no fault of a reader; formats that are read in
a process of their own have the limit of that (`anylead.formats.sandbox`).
"""

import argparse
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.csv

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import sandbox
from anylead.records import Record
from format_samples import SAMPLES, Sample

MAX_SECONDS = 5.0
HANG_SECONDS = 20
MAX_BYTES = 2**30
ABSURD = (0, 1, -1, 2**31 - 1, -(2**31), 2**15 - 1, -(2**15), 2**24, 10**6, 29999)
ABSURD_TEXT = (b"99999999", b"-1", b"0", b"1e308", b"nan", b"inf", b"", b"\xff\xfe", b"1e-300")


@dataclass
class Outcome:
    """What became of the damaged files of one format."""

    examples: int = 0
    records: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    peak_mebibytes: float = 0.0
    findings: list[str] = field(default_factory=list)


def damage(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """One to four damages: flipped bits, cuts, splices, absurd numbers."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not broken:
            return bytes(broken)
        _damage_once(broken, others, rng)
    return bytes(broken)


def _damage_once(broken: bytearray, others: list[bytes], rng: random.Random) -> None:
    # Headers decide more than samples: half of the places lie in the first kilobyte.
    at = rng.randrange(min(len(broken), rng.choice((1024, len(broken)))))
    kind = rng.randrange(9)
    if kind <= 1:
        for _ in range(rng.choice((1, 1, 8))):
            broken[rng.randrange(at, len(broken)) if _ else at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del broken[at + 1 :]
    elif kind == 3:
        del broken[at : at + rng.choice((1, 2, 4, 16, 256))]
    elif kind == 4:
        number = rng.choice(ABSURD)
        code = rng.choice("<>") + rng.choice("bhiq")
        bits = 8 * struct.calcsize(code)
        wrapped = (number + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        packed = struct.pack(code, wrapped)
        broken[at : at + len(packed)] = packed
    elif kind == 5:
        digits = [i for i in range(at, min(at + 400, len(broken))) if 48 <= broken[i] <= 57]
        place = digits[0] if digits else at
        text = rng.choice(ABSURD_TEXT)
        broken[place : place + rng.choice((1, len(text)))] = text
    elif kind == 6:
        other = rng.choice(others)
        start = rng.randrange(len(other))
        size = rng.choice((4, 16, 256, 1024))
        broken[at : at + size] = other[start : start + size]
    elif kind == 7:
        stretch = bytes(broken[at : at + rng.choice((4, 64, 1024))])
        broken[at:at] = stretch * rng.choice((1, 2, 50))
    else:
        size = rng.choice((1, 8, 64, 512))
        broken[at : at + size] = bytes([rng.choice((0, 0xFF, 0x20))]) * len(broken[at : at + size])


def damaged(
    name: str, samples: list[Sample], intact: list[bytes], number: int
) -> tuple[int, bytes]:
    """Which sample it was, and its damaged file of that number."""
    rng = random.Random(f"{name} {number}")
    chosen = rng.randrange(len(samples))
    sample = samples[chosen]
    if sample.wrap is not None and sample.inner is not None and rng.random() < 0.6:
        return chosen, sample.wrap(damage(sample.inner, intact, rng))
    return chosen, damage(intact[chosen], intact, rng)


def read_damaged(name: str, path: Path) -> str:
    """ "record" or "refused"; anything else that happens is raised.

    Raises:
        AssertionError: the Record or the message is not as promised.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = formats.READERS[name].read(path)
    except FormatError as error:
        # A record of WFDB is several files of a folder; any of them may be at fault.
        if not str(error).startswith(f"{path.parent}/" if name == "wfdb" else f"{path}: "):
            raise ValueError(f"message without the path: {error}") from error
        return "refused"
    assert isinstance(record, Record)
    assert record.signal.dtype == np.float32
    assert not np.isinf(record.signal).any()
    assert len(set(record.leads)) == len(record.leads)
    return "record"


def run(name: str, folder: Path, numbers: Iterator[int] | range) -> Outcome:
    """Read damaged files in this process."""
    samples = [write(folder) for write in SAMPLES[name].values()]
    if len({sample.path for sample in samples}) < len(samples):
        raise ValueError(f"{name}: two samples of one name")
    intact = [sample.path.read_bytes() for sample in samples]
    for sample in samples:
        read_damaged(name, sample.path)  # imports, and the child process of some, are not timed
    outcome = Outcome()
    before = _peak()
    for number in numbers:
        chosen, data = damaged(name, samples, intact, number)
        path = samples[chosen].path  # in its place, so that a side-car stays beside it
        path.write_bytes(data)
        started = time.process_time()
        try:
            what = read_damaged(name, path)
        except (Exception, MemoryError) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            outcome.findings.append(f"{number}: {type(error).__name__}: {error} at {where}"[:300])
            what = "finding"
        seconds = time.process_time() - started
        if seconds > MAX_SECONDS:
            outcome.findings.append(f"{number}: took {seconds:.1f} s")
        outcome.examples += 1
        outcome.records += what == "record"
        outcome.refused += what == "refused"
        outcome.slowest_seconds = max(outcome.slowest_seconds, round(seconds, 3))
    outcome.peak_mebibytes = round(_peak() - before, 1)
    return outcome


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _child(name: str, numbers: range, result: Path, progress: Path) -> None:
    """Run in a fork: leave the outcome in a file, and each number before it is tried."""
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_BYTES, resource.RLIM_INFINITY))
    sandbox.START_SECONDS = sandbox.WAITING = 600.0  # the machine may have other work

    file = os.open(progress, os.O_CREAT | os.O_WRONLY)

    def announced() -> Iterator[int]:
        for number in numbers:
            os.pwrite(file, b"%012d" % number, 0)
            signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
            yield number
        signal.setitimer(signal.ITIMER_PROF, 0)

    with tempfile.TemporaryDirectory() as folder:
        outcome = run(name, Path(folder), announced())
    result.write_text(json.dumps(vars(outcome)))


def run_guarded(name: str, numbers: range, batch: int = 5000) -> Outcome:
    """Read damaged files in forked children, so that a crash is a finding and no end."""
    pyarrow.csv.read_csv(io.BytesIO(b"a\n1\n"))  # its arenas are made here, not under the limit
    total = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        result, progress = Path(folder) / "result", Path(folder) / "progress"
        while numbers:
            part = numbers[:batch]
            result.unlink(missing_ok=True)
            pid = os.fork()
            if pid == 0:
                try:
                    _child(name, part, result, progress)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(0)
            _, status = os.waitpid(pid, 0)
            if result.exists():
                _add(total, Outcome(**json.loads(result.read_text())))
                numbers = numbers[batch:]
                continue
            if not progress.exists() or not progress.read_text():
                raise RuntimeError(f"{name}: the samples themselves could not be read")
            culprit = int(progress.read_text())
            code = os.waitstatus_to_exitcode(status)
            total.findings.append(f"{culprit}: the process ended with {code}")
            total.examples += 1
            # What was read before it is read again, without the file that ended the process.
            _add(total, run_guarded(name, range(numbers.start, culprit), batch))
            numbers = range(culprit + 1, numbers.stop)
    return total


def _add(total: Outcome, part: Outcome) -> None:
    total.examples += part.examples
    total.records += part.records
    total.refused += part.refused
    total.findings += part.findings
    total.slowest_seconds = max(total.slowest_seconds, part.slowest_seconds)
    total.peak_mebibytes = max(total.peak_mebibytes, part.peak_mebibytes)


def main() -> None:
    """Damage and read the chosen formats, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=20000)
    parser.add_argument("--formats", nargs="*", default=list(SAMPLES))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for name in args.formats:
        started = time.perf_counter()
        outcome = run_guarded(name, range(args.examples))
        seconds = time.perf_counter() - started
        kinds = Counter(finding.partition(": ")[2] for finding in outcome.findings)
        print(
            f"{name}: {outcome.examples} files in {seconds:.0f} s, {outcome.records} read,"
            f" {outcome.refused} refused, slowest {outcome.slowest_seconds} s,"
            f" {outcome.peak_mebibytes} MiB, {len(outcome.findings)} findings",
            flush=True,
        )
        for kind, count in kinds.most_common(20):
            first = next(f for f in outcome.findings if f.endswith(kind))
            print(f"    {count} x {first}", file=sys.stderr, flush=True)
        if args.out is not None:
            known = json.loads(args.out.read_text()) if args.out.exists() else {}
            counts = {key: value for key, value in vars(outcome).items() if key != "findings"}
            known[name] = {**counts, "findings": len(outcome.findings)}
            args.out.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
