"""The recording that every sample file holds, in whole steps of 5 uV."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # what most devices store
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
STEP_MV = 0.005
STEP_UV = 1000 * STEP_MV
RATE = 250.0
NUM_SAMPLES = 100
ABOUT = {
    "patient_id": "P-17",
    "age": 63.0,
    "sex": "female",
    "start_time": "2013-01-25T10:59:19",
    "diagnosis": "Sinus rhythm\nNormal ECG",
}


@dataclass(frozen=True, eq=False)
class Sample:
    """A written file and what a reader must find in it.

    Attributes:
        path: the file.
        leads, signal: rows in mV, as the file has them (or as they follow from it).
        tolerance: mV, half a step of the file plus float32 rounding.
        facts: fields of Record that the format carries, with their values.
        sample_rate: Hz.
        inner: what of the file is packed (base64, checksummed), for fuzzing beneath the packing.
        wrap: packs it again into the bytes of a file.
    """

    path: Path
    leads: tuple[str, ...]
    signal: NDArray[np.float64]
    tolerance: float = 1e-6
    facts: dict[str, object] | None = None
    sample_rate: float = RATE
    inner: bytes | None = None
    wrap: Callable[[bytes], bytes] | None = None


def steps(num_samples: int = NUM_SAMPLES) -> NDArray[np.int64]:
    """(12, time) whole numbers of steps; the limb leads obey Einthoven's law, aVR etc. halved down.

    Leads I and II are multiples of 4 steps, so the halves are exact.
    """
    rng = np.random.default_rng(7)
    time = np.arange(num_samples)
    wave = np.round(40 * np.sin(2 * np.pi * time / 50) + rng.integers(-3, 4, num_samples))
    one = 4 * wave.astype(np.int64)
    two = 4 * np.round(0.6 * wave + rng.integers(-2, 3, num_samples)).astype(np.int64)
    limbs = [one, two, two - one, -(one + two) // 2, one - two // 2, two - one // 2]
    chest = [
        rng.integers(-300, 300) + np.round(wave * (k - 2.5)).astype(np.int64) for k in range(6)
    ]
    return np.stack([*limbs, *chest])


def recording(
    leads: tuple[str, ...] = LEADS, num_samples: int = NUM_SAMPLES
) -> NDArray[np.float64]:
    """(lead, time) mV."""
    rows = [LEADS.index(lead) for lead in leads]
    return steps(num_samples)[rows] * STEP_MV


def about(*fields: str) -> dict[str, object]:
    """Some of the facts."""
    return {field: ABOUT[field] for field in fields}
