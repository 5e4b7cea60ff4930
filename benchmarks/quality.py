"""How well the quality flags tell recordings that a human reader would not take.

    python benchmarks/quality.py CLINICAL [CLINICAL ...] [--most N] [--choose]
                                 [--cinc2017 FOLDER] [--cinc2011 FOLDER]

CLINICAL: folders of 12-lead WFDB records as hospitals keep them; all count as acceptable, so what
is refused there is counted against the flags, rightly or not. Copies with a little of everything
are acceptable, too; copies with one lead, or all, damaged in ten ways are not.

Half of the recordings, by the number in their names, is for --choose alone: it looks for the
limits (`anylead.signals.readability.Limits`) of the best accuracy where 775 of 1,000 recordings are
acceptable, as in the Challenge 2011. All that is reported is of the other half, with four damages
that no limit was chosen by. --cinc2017: the
class "~" of that challenge, one lead, against the other three; --cinc2011: the labels that the
verdict is made for. Neither is used to choose.
"""

import argparse
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from anylead import datasets, formats
from anylead.errors import AnyleadError
from anylead.records import Record
from anylead.signals import PreprocessConfig, Quality, is_acceptable, preprocess
from anylead.signals.quality import assess
from anylead.signals.readability import (
    UNREADABLE,
    Limits,
    Measures,
    is_beyond,
    is_noisy,
    measure,
    spaced,
)

ACCEPTABLE = 0.775  # of the recordings of the Challenge 2011
LOST = np.uint16(Quality.RATE | Quality.PARTLY_FLAT)
FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.25, 1.4, 1.7, 2.0)  # of a limit, that are tried
SECONDS = 10
KINDS = (
    *("flat", "flat for 2 to 5 s", "drift to a rail", "white noise .15 to .5 mV"),
    *("motion 1 to 12 Hz .4 to 1.2 mV", "noise of .02 mV and no heart", "mains .5 to 2 mV"),
    *("a step of 3 to 8 mV", "noise in all leads .2 to .5 mV", "wander of 6 to 12 mV in all"),
)
FURTHER = (
    *("muscle noise .1 to .3 mV", "an arm or leg electrode off, .1 to 1 mV of noise"),
    *("saturated for 2 to 4 s", "12 spikes of 3 to 8 mV"),
)


def kinds(rate: float) -> list[str]:
    """Damages that show at a sample rate: 50 Hz is nothing at 100 Hz."""
    return [kind for kind in KINDS if rate > 119 or not kind.startswith("mains")]


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


def damage_further(
    kind: str, signal: NDArray[np.float32], rate: float, seed: int
) -> NDArray[np.float32]:
    """A copy damaged in a way of `FURTHER`."""
    rng = np.random.default_rng(seed)
    made = signal.astype(np.float64)
    num = made.shape[1]
    lead = made[rng.integers(len(made))]  # a view
    band = [20, min(120, 0.45 * rate)]
    muscle = sosfilt(butter(2, band, "bandpass", fs=rate, output="sos"), rng.standard_normal(num))
    muscle /= muscle.std()
    if kind == FURTHER[0]:
        lead += rng.uniform(0.1, 0.3) * muscle
    elif kind == FURTHER[1]:
        # Potentials of the right arm, the left arm and the leg, their mean zero.
        points = np.stack([-made[0] - made[1], 2 * made[0] - made[1], 2 * made[1] - made[0]]) / 3
        points[rng.integers(3)] = rng.uniform(0.1, 1) * muscle
        right, left, leg = points
        made[:3] = left - right, leg - right, leg - left
        made[3:6] = 1.5 * (points - points.mean(axis=0))
        made[6:] -= points.mean(axis=0)
    elif kind == FURTHER[2]:
        start = rng.integers(0, num // 2)
        stretch = lead[start : start + int(rng.uniform(2, 4) * rate)]
        stretch[:] = 5 + 0.001 * rng.standard_normal(len(stretch))
    else:
        for start in rng.integers(0, num, 12):
            lead[start : start + round(0.01 * rate)] += rng.choice([-1, 1]) * rng.uniform(3, 8)
    return made.astype(np.float32)


def mild(signal: NDArray[np.float32], rate: float, seed: int) -> NDArray[np.float32]:
    """A copy with noise, wander and mains that no reader minds."""
    rng = np.random.default_rng(seed)
    time = np.arange(signal.shape[1]) / rate
    made = signal + rng.uniform(0, 0.025) * rng.standard_normal(signal.shape)
    made += rng.uniform(0, 0.4) * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time)
    return (made + rng.uniform(0, 0.05) * np.sin(2 * np.pi * 50 * time)).astype(np.float32)


def clinical(folders: list[Path], most: int, for_choice: bool) -> Iterator[Record]:
    """The first ten seconds of one half of the recordings with twelve leads."""
    paths: list[Path] = []
    for folder in folders:
        half = [p for p in sorted(folder.rglob("*.hea")) if is_for_choice(p.stem) == for_choice]
        paths += half[:: max(1, -(-len(half) // most))]
    for path in paths:
        try:
            record = formats.read(path)
        except AnyleadError:
            continue
        if len(record.leads) == 12:
            yield cut(record, record.signal)


def is_for_choice(name: str) -> bool:
    """Which half a recording belongs to; the same ECG in two corpora has the same number."""
    digits = "".join(re.findall(r"\d+", name)) or "0"
    return zlib.crc32(str(int(digits)).encode()) % 2 == 0


def cut(record: Record, signal: NDArray[np.float32]) -> Record:
    short = signal[:, : round(SECONDS * record.sample_rate)]
    return Record(np.nan_to_num(short), record.leads, record.sample_rate, record.record_id)


class Looked(NamedTuple):
    """What is measured of recordings once, for any limits.

    measures: each (recording, lead).
    is_lost: (recording,) flat, partly flat, or without beats: no limit changes that.
    """

    measures: Measures
    is_lost: NDArray[np.bool_]

    def accepted(self, limits: Limits) -> float:
        """The share that other limits would take."""
        is_bad = is_noisy(self.measures, "mV", limits) | is_beyond(self.measures, "mV", limits)
        return 1 - float((is_bad.any(axis=1) | self.is_lost).mean())


def look(records: Iterable[Record]) -> Looked:
    """Measure recordings of twelve leads."""
    found, is_lost = [], []
    for record in records:
        signal, _ = record.canonical()
        height, samples = np.ptp(signal, axis=1), spaced(signal, record.sample_rate)
        has_lead = height > 1e-6
        quality = assess(signal, has_lead, record.sample_rate, "mV")
        is_lost.append(not has_lead.all() or bool((quality & LOST).any()))
        found.append(measure(signal, samples, height, record.sample_rate))
    return Looked(Measures(*map(np.stack, zip(*found, strict=True))), np.array(is_lost))


def choose(records: Sequence[Record]) -> Limits:
    """The limits of the best accuracy, one after another until none is better."""
    good = look(
        each
        for seed, record in enumerate(records)
        for each in (record, cut(record, mild(record.signal, record.sample_rate, seed)))
    )
    bad = look(
        cut(record, damage(str(kind), record.signal, record.sample_rate, seed))
        for seed, record in enumerate(records)
        for kind in np.random.default_rng(seed).choice(kinds(record.sample_rate), 2, replace=False)
    )

    def accuracy(limits: Limits) -> float:
        taken, missed = good.accepted(limits), bad.accepted(limits)
        return ACCEPTABLE * taken + (1 - ACCEPTABLE) * (1 - missed)

    best = UNREADABLE
    score = accuracy(best)
    print(f"chosen on {len(records)} recordings; accuracy of {best} {score:.4f}")
    for _ in range(3):
        for name in [field.name for field in fields(Limits)]:
            tried = [replace(best, **{name: getattr(best, name) * f}) for f in FACTORS]
            scores = [accuracy(limits) for limits in tried]
            # A limit is moved for more than two recordings in a thousand.
            if max(scores) > score + 0.002:
                best, score = tried[int(np.argmax(scores))], max(scores)
                print(f"  {name} {getattr(best, name):.4g}: {score:.4f}", flush=True)
    return best


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


def report(records: Sequence[Record]) -> None:
    """What the limits do on recordings that they were not chosen on."""
    good = [record for record in records if verdict(record)]
    print(f"clinical: {len(good)} of {len(records)} acceptable, {len(good) / len(records):.3f}")
    taken = sum(verdict(cut(r, mild(r.signal, r.sample_rate, n))) for n, r in enumerate(good))
    print(f"  with a little of everything: {taken / len(good):.3f} of {len(good)} acceptable")
    for kind in KINDS:
        found = [
            not verdict(cut(record, damage(kind, record.signal, record.sample_rate, seed)))
            for seed, record in enumerate(good)
            if kind in kinds(record.sample_rate)
        ]
        print(f"  {kind}: {np.mean(found):.3f} of {len(found)} refused", flush=True)
    for kind in FURTHER:
        found = [
            not verdict(cut(r, damage_further(kind, r.signal, r.sample_rate, seed)))
            for seed, r in enumerate(good)
        ]
        print(f"  {kind}: {np.mean(found):.3f} of {len(found)} refused", flush=True)


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clinical", nargs="*", type=Path)
    parser.add_argument("--most", type=int, default=400, help="of a folder's half, evenly spread")
    parser.add_argument("--choose", action="store_true", help="look for limits, then report")
    parser.add_argument("--cinc2017", type=Path)
    parser.add_argument("--cinc2011", type=Path)
    args = parser.parse_args()
    if args.choose:
        print(choose(list(clinical(args.clinical, args.most, for_choice=True))))
    if args.clinical:
        report(list(clinical(args.clinical, args.most, for_choice=False)))
    for name, folder, bad in (
        ("physionet2017", args.cinc2017, "~"),
        ("cinc2011", args.cinc2011, "unacceptable"),
    ):
        if folder is not None:
            corpus(name, folder, bad)


if __name__ == "__main__":
    main()
