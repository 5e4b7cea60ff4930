"""Generated ECGs with the beats they were made from: sinus rhythm, no P, paced, flat stretches."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

import anylead
from anylead.leads import LEADS
from anylead.records import Mark, Record
from anylead.signals import heart

# Where the Gaussian waves of the model heart rise above a hundredth of a millivolt, in seconds
# after the R peak; what a reader would mark to some ten milliseconds.
P, QRS, T = (-0.205, -0.095), (-0.045, 0.055), (0.12, 0.345)


def make(sample_rate=500.0, seconds=10.0, rhythm="sinus", leads=LEADS, seed=0, noise=0.005):
    """A record and the times of its R peaks.

    Args:
        sample_rate: Hz.
        seconds: length.
        rhythm: "sinus"; "fibrillation": no P and irregular; "paced": a spike, wide QRS, no P.
        leads: that the record has.
        seed: of the person.
        noise: of each electrode, mV.
    """
    rng = np.random.default_rng(seed)
    body = heart.make_body(rng)
    gaps = np.full(60, 0.85) + rng.normal(0, 0.01, 60)
    if rhythm == "fibrillation":
        gaps = rng.uniform(0.5, 1.1, 60)
    times = 0.4 + np.concatenate([[0], np.cumsum(gaps)])
    times = times[times < seconds - 0.5]
    conduction = "left" if rhythm == "paced" else "normal"
    waves = heart.beat_waves(body, conduction, has_p=rhythm == "sinus")
    num = round(seconds * sample_rate)
    beats = [(time, 0.85, 1.0, waves) for time in times]
    dipole = heart.dipole_over_time(beats, num, sample_rate)
    signal = heart.lead_signals(dipole, noise * rng.standard_normal((9, num)), body.chest)
    if rhythm == "paced":
        for time in times:
            at = round((time - 0.07) * sample_rate)
            signal[:, at : at + max(1, round(0.002 * sample_rate))] += 1.0
    rows = [LEADS.index(lead) for lead in leads]
    record = Record(
        signal[rows],
        tuple(leads),
        sample_rate,
        f"{rhythm}-{seed}",
        marks=marks_of(times, leads, rhythm),
    )
    return record, times


@cache
def marked_store(num=8):
    """A store of hearts in sinus rhythm at 100 Hz, with their waves marked."""
    return anylead.prepare(
        records=[make(500.0, seed=n)[0] for n in range(num)],
        out=Path(mkdtemp(prefix="anylead-test-")) / "marked",
        preprocess={"sample_rate": 100.0},
    ).location


def marks_of(times, leads, rhythm="sinus"):
    """What a reader would mark of a heart in sinus rhythm."""
    parts = [("P", P)] if rhythm == "sinus" else []
    parts += [("QRS", QRS), ("T", T)]
    return tuple(
        Mark(lead, name, float(time + begin), float(time + end))
        for lead in leads
        for time in times
        for name, (begin, end) in parts
        if time + begin >= 0
    )
