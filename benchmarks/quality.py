"""How well the quality flags tell recordings that a human reader would not take.

    python benchmarks/quality.py CLINICAL [CLINICAL ...] [--cinc2017 FOLDER] [--cinc2011 FOLDER]

CLINICAL: folders of 12-lead WFDB records as hospitals keep them; all count as acceptable, so what
is refused there is counted against the flags, rightly or not. One lead of each is then damaged in
ten ways. --cinc2017: the class "~" of the challenge, one lead, against the other three. --cinc2011:
the challenge whose labels the verdict is made for.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from anylead import datasets, formats
from anylead.errors import AnyleadError
from anylead.records import Record
from anylead.signals import PreprocessConfig, is_acceptable, preprocess

SECONDS = 10
KINDS = (
    *("flat", "flat for 2 to 5 s", "drift to a rail", "white noise .15 to .5 mV"),
    *("motion 1 to 12 Hz .4 to 1.2 mV", "noise of .02 mV and no heart", "mains .5 to 2 mV"),
    *("a step of 3 to 8 mV", "noise in all leads .2 to .5 mV", "wander of 6 to 12 mV in all"),
)


def verdict(record: Record) -> bool:
    """Whether the flags take a recording."""
    config = PreprocessConfig(sample_rate=record.sample_rate)
    return is_acceptable(preprocess(record, config).quality)


def damage(kind: str, signal: NDArray[np.float32], rate: float, seed: int) -> NDArray[np.float32]:
    """A copy with one lead damaged, or all."""
    rng = np.random.default_rng(seed)
    made = signal.astype(np.float64)
    num = made.shape[1]
    time = np.arange(num) / rate
    lead = made[rng.integers(len(made))]  # a view
    noise = rng.standard_normal(made.shape)
    if kind == KINDS[0]:
        lead[:] = 0
    elif kind == KINDS[1]:
        start = rng.integers(0, num // 2)
        lead[start : start + int(rng.uniform(2, 5) * rate)] = rng.uniform(-1, 1)
    elif kind == KINDS[2]:
        lead[:] = np.clip(lead + np.cumsum(noise[0]) * rng.uniform(4, 12) / np.sqrt(num), -5, 5)
    elif kind == KINDS[3]:
        lead += rng.uniform(0.15, 0.5) * noise[0]
    elif kind == KINDS[4]:
        slow = sosfilt(butter(2, [1, 12], "bandpass", fs=rate, output="sos"), noise[0])
        lead += rng.uniform(0.4, 1.2) * slow / slow.std()
    elif kind == KINDS[5]:
        lead[:] = 0.02 * noise[0]
    elif kind == KINDS[6]:
        lead += rng.uniform(0.5, 2) * np.sin(2 * np.pi * 50 * time)
    elif kind == KINDS[7]:
        lead[rng.integers(0, num) :] += rng.choice([-1, 1]) * rng.uniform(3, 8)
    elif kind == KINDS[8]:
        made += rng.uniform(0.2, 0.5) * noise
    else:
        turn = 2 * np.pi * rng.uniform(0.1, 0.4) * time + rng.uniform(0, 6)
        made += rng.uniform(3, 6) * np.sin(turn)
    return made.astype(np.float32)


def clinical(folders: list[Path]) -> Iterator[Record]:
    """The first ten seconds of recordings with twelve leads."""
    for path in sorted(path for folder in folders for path in folder.rglob("*.hea")):
        try:
            record = formats.read(path)
        except AnyleadError:
            continue
        if len(record.leads) == 12:
            yield cut(record, record.signal)


def cut(record: Record, signal: NDArray[np.float32]) -> Record:
    short = signal[:, : round(SECONDS * record.sample_rate)]
    return Record(np.nan_to_num(short), record.leads, record.sample_rate, record.record_id)


def corpus(name: str, folder: Path, bad: str) -> None:
    """Sensitivity, specificity and accuracy on labels of people."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for record in datasets.records(name, folder):
        for labels in record.labels.values():
            counts[labels == (bad,), not verdict(record)] += 1
    hit, missed = counts[True, True], counts[True, False]
    right, wrong = counts[False, False], counts[False, True]
    print(f"{name}: sensitivity {hit / (hit + missed):.3f} ({hit + missed} {bad}), specificity"
          f" {right / (right + wrong):.3f} ({right + wrong} others), accuracy"
          f" {(hit + right) / counts.total():.3f}")  # fmt: skip


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clinical", nargs="*", type=Path)
    parser.add_argument("--cinc2017", type=Path)
    parser.add_argument("--cinc2011", type=Path)
    args = parser.parse_args()
    good: list[Record] = []
    num = 0
    for record in clinical(args.clinical):
        num += 1
        if verdict(record):
            good.append(record)
    if num:
        print(f"clinical: {len(good)} of {num} acceptable, {len(good) / num:.3f}")
    for kind in KINDS if good else ():
        found = sum(
            not verdict(cut(record, damage(kind, record.signal, record.sample_rate, seed)))
            for seed, record in enumerate(good)
        )
        print(f"  {kind}: {found / len(good):.3f} of {len(good)} refused")
    for name, folder, bad in (
        ("physionet2017", args.cinc2017, "~"),
        ("cinc2011", args.cinc2011, "unacceptable"),
    ):
        if folder is not None:
            corpus(name, folder, bad)


if __name__ == "__main__":
    main()
