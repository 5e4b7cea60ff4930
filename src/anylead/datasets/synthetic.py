"""Generated ECGs of 12 leads with labelled rhythms and conduction: no download, any amount.

Every person keeps an own beat shape, heart axis and conduction in all recordings; rhythm, rate,
noise and the exact places of the electrodes differ. Some classes show in the chest leads alone
(anterior ST elevation), some in the rhythm of any lead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.datasets.corpus import Corpus, Item
from anylead.errors import DatasetError
from anylead.leads import LEADS
from anylead.records import Record, Split
from anylead.signals import heart

TASK = "rhythm"
CLASSES = ("SR", "SBRAD", "STACH", "AFIB", "PVC", "1AVB", "LBBB", "RBBB", "STE")

_RATES = {"SR": (62, 98), "SBRAD": (38, 55), "STACH": (105, 150), "AFIB": (60, 140)}
_ST_PLACES = ((0.16, 0.0, -0.24), (-0.02, 0.26, 0.02), (0.26, 0.02, 0.06))


@dataclass(frozen=True)
class Settings:
    """What decides a generated corpus."""

    seconds: float
    sample_rate: float
    seed: int


def corpus(
    root: Path | None = None,
    num_patients: int = 400,
    records_per_patient: int = 2,
    seconds: float = 10.0,
    sample_rate: float = 500.0,
    seed: int = 0,
) -> Corpus:
    """List generated recordings; `root` must be None.

    Of every ten patients eight train, one is for validation and one for the test (folds 1 to 10).

    Raises:
        DatasetError: a folder, or a number that gives no ECG.
    """
    if root is not None:
        raise DatasetError(f"synthetic: generates its recordings; leave out {root}")
    if num_patients < 1 or records_per_patient < 1 or seconds < 1 or sample_rate < 50:
        raise DatasetError(
            f"synthetic: {num_patients} patients x {records_per_patient} recordings of {seconds} s"
            f" at {sample_rate} Hz; want at least 1 x 1 of 1 s at 50 Hz"
        )
    items = [
        (f"p{patient:06d}-{number}", (patient, number))
        for patient in range(num_patients)
        for number in range(records_per_patient)
    ]
    read = partial(_read, settings=Settings(seconds, sample_rate, seed))
    return Corpus("synthetic", items, read, {TASK: CLASSES})


def records(
    root: Path | None = None,
    num_patients: int = 400,
    records_per_patient: int = 2,
    seconds: float = 10.0,
    sample_rate: float = 500.0,
    seed: int = 0,
) -> Iterator[Record]:
    """Generate recordings one after another; arguments as for `corpus`."""
    return corpus(root, num_patients, records_per_patient, seconds, sample_rate, seed).records()


def _read(item: Item, settings: Settings) -> Record:
    record_id, (patient, number) = item
    body_rng = np.random.default_rng([settings.seed, patient])
    rng = np.random.default_rng([settings.seed, patient, number + 1])
    body = heart.make_body(body_rng)
    conduction = body_rng.choice(["normal", "left", "right"], p=[0.7, 0.14, 0.16])
    has_long_pr = body_rng.random() < 0.18
    rhythm = str(rng.choice(["SR", "SBRAD", "STACH", "AFIB"], p=[0.44, 0.16, 0.16, 0.24]))
    # In fibrillation there is no PR interval, and in a fast rhythm a long one hides in the T wave.
    has_long_pr &= rhythm in ("SR", "SBRAD")
    has_extra_beats = rng.random() < 0.2
    has_raised_st = conduction != "left" and rng.random() < 0.2

    place = np.multiply(_ST_PLACES[rng.integers(len(_ST_PLACES))], rng.uniform(0.6, 1.5))
    conducted = heart.beat_waves(
        body,
        str(conduction),
        pr_delay=rng.uniform(0.07, 0.14) if has_long_pr else rng.uniform(-0.02, 0.015),
        has_p=rhythm != "AFIB",
        st_dipole=tuple(place.tolist()) if has_raised_st else (0.0, 0.0, 0.0),
    )
    extra = heart.ectopic_waves(body) if has_extra_beats else None
    num_samples = round(settings.seconds * settings.sample_rate)
    beats = _beats(rng, rhythm, settings.seconds, conducted, extra)
    dipole = heart.dipole_over_time(beats, num_samples, settings.sample_rate)
    if rhythm == "AFIB":
        dipole += _fibrillation(rng, num_samples, settings.sample_rate)
    noise = _electrode_noise(rng, num_samples, settings.sample_rate)
    chest = body.chest * (1 + 0.03 * rng.standard_normal(body.chest.shape))

    found = {rhythm}
    found |= {"PVC"} if has_extra_beats else set()
    found |= {"1AVB"} if has_long_pr else set()
    found |= {"LBBB"} if conduction == "left" else {"RBBB"} if conduction == "right" else set()
    found |= {"STE"} if has_raised_st else set()
    age = int(np.clip(body_rng.normal(58, 17), 18, 95))
    return Record(
        signal=heart.lead_signals(dipole, noise, chest),
        leads=LEADS,
        sample_rate=settings.sample_rate,
        record_id=record_id,
        patient_id=f"p{patient:06d}",
        labels={TASK: tuple(name for name in CLASSES if name in found)},
        split=_split(patient),
        fold=patient % 10 + 1,
        age=age + number // 2,
        sex="female" if body_rng.random() < 0.5 else "male",
        resolution=(0.001,) * len(LEADS),
    )


def _split(patient: int) -> Split:
    return {8: "valid", 9: "test"}.get(patient % 10, "train")  # type: ignore[return-value]


def _beats(
    rng: np.random.Generator,
    rhythm: str,
    seconds: float,
    conducted: heart.Waves,
    extra: heart.Waves | None,
) -> list[tuple[float, float, float, heart.Waves]]:
    """R times, intervals, factors and waves of all beats, with one more beat at either end."""
    mean = 60 / rng.uniform(*_RATES[rhythm])
    breath = rng.uniform(0.18, 0.32)
    phase = rng.uniform(0, 2 * np.pi)
    swing = rng.uniform(0.005, 0.035)
    spread = rng.uniform(0.16, 0.26)
    # About two extra beats in ten seconds, and one at least well inside the recording.
    extra_times = [] if extra is None else [rng.uniform(0.2, 0.8) * seconds]
    while extra is not None and rng.random() < 0.6:
        extra_times.append(rng.uniform(0, 1) * seconds)
    extra_times.sort()

    beats = []
    time, interval = -mean * rng.uniform(0.1, 1.1), mean
    while time < seconds + 0.4:
        factor = 1 + 0.05 * np.sin(2 * np.pi * breath * time + phase)
        beats.append((time, interval, float(factor), conducted))
        if rhythm == "AFIB":
            interval = max(0.3, mean * float(np.exp(rng.normal(0, spread))))
        else:
            wave = swing * np.sin(2 * np.pi * breath * time + phase)
            interval = mean * (1 + float(wave) + rng.normal(0, 0.008))
        if extra is not None and extra_times and time >= extra_times[0] - mean:
            extra_times.pop(0)
            early = max(0.36, interval * rng.uniform(0.55, 0.7))
            beats.append((time + early, early, 1.0, extra))
            interval = max(2 * interval, early + 0.5)  # the pause after an extra beat
        time += interval
    return beats


def _fibrillation(
    rng: np.random.Generator, num_samples: int, sample_rate: float
) -> NDArray[np.float64]:
    """Fibrillation waves of the atria: 4 to 9 Hz, unsteady, largest in V1; (3, time) mV."""
    time = np.arange(num_samples) / sample_rate
    rate = rng.uniform(4.5, 8.0)
    drift = np.cumsum(rng.standard_normal(num_samples // 25 + 2)) * 0.25
    unsteady = np.interp(time * sample_rate / 25, np.arange(len(drift)), drift)
    phase = 2 * np.pi * rate * time + unsteady
    saw = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.7)
    other = np.sin(0.83 * phase + rng.uniform(0, 6)) * 0.6
    strength = rng.uniform(0.5, 1.4)
    directions = strength * np.array([[-0.02, 0.03, -0.055], [0.02, 0.04, -0.02]])
    return np.asarray(directions.T @ np.stack([saw, other]))


def _electrode_noise(
    rng: np.random.Generator, num_samples: int, sample_rate: float
) -> NDArray[np.float64]:
    """Muscle, mains and wander on nine electrodes; (9, time) mV."""
    muscle = rng.standard_normal((9, num_samples), dtype=np.float32)
    muscle *= np.float32(np.exp(rng.normal(np.log(0.009), 0.5)))
    time = np.arange(num_samples) / sample_rate
    rates = np.array([rng.uniform(0.15, 0.35), rng.uniform(0.03, 0.12), rng.uniform(0.4, 0.7), 50])
    waves = np.sin(2 * np.pi * rates[:, None] * time + rng.uniform(0, 2 * np.pi, (4, 1)))
    sizes = np.array([0.04, 0.05, 0.01, 0.002]) * np.exp(rng.normal(0, 0.5, 4))
    noise: NDArray[np.float64] = muscle + (rng.standard_normal((9, 4)) * sizes) @ waves
    return noise
