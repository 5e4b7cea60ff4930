"""A model heart: a dipole that turns in space as Gaussian waves, seen by nine electrodes.

After McSharry et al. 2003 (Gaussian waves per beat) and Dower 1980 (from the three Frank leads to
the leads of the chest and limbs). Axes: x to the left, y to the feet, z to the back; mV, seconds.
Limb leads are differences of electrodes, so Einthoven's law holds for the noise as well.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylead.leads import DOWER, EINTHOVEN

Array = NDArray[np.float64]
# Waves of a beat: time after the R peak, width (standard deviation), dipole.
Table = list[tuple[float, float, tuple[float, float, float]]]

# Rows I, II, V1 ... V6.
_DOWER = DOWER[[0, 1, *range(6, 12)]]

_P: Table = [(-0.165, 0.019, (0.05, 0.07, -0.06)), (-0.138, 0.021, (0.06, 0.07, 0.05))]
_QRS: Table = [
    (-0.026, 0.0085, (-0.14, -0.06, -0.36)),
    (0.000, 0.0115, (1.02, 0.86, 0.62)),
    (0.029, 0.0110, (-0.12, -0.22, 0.46)),
]
_T: Table = [(0.235, 0.050, (0.17, 0.15, -0.12)), (0.275, 0.030, (0.15, 0.12, -0.10))]
_LEFT_BUNDLE_QRS: Table = [
    (-0.028, 0.014, (0.22, 0.12, 0.20)),
    (0.003, 0.018, (0.72, 0.40, 0.78)),
    (0.047, 0.018, (0.80, 0.22, 0.74)),
]
_LEFT_BUNDLE_T: Table = [
    (0.150, 0.055, (-0.07, -0.02, -0.16)),
    (0.285, 0.048, (-0.25, -0.08, -0.30)),
]
_RIGHT_BUNDLE_TAIL: Table = [
    (0.064, 0.017, (-0.44, -0.04, -0.60)),
    (0.090, 0.018, (-0.20, 0.0, -0.22)),
]
_RIGHT_BUNDLE_T: Table = [(0.250, 0.048, (0.26, 0.16, 0.10))]
_ECTOPIC: Table = [(0.000, 0.030, (1.0, 1.0, 1.0)), (0.050, 0.030, (0.55, 0.6, 0.5))]
_ECTOPIC_T: Table = [(0.290, 0.055, (-0.40, -0.42, -0.38))]

# Gaussians end at four standard deviations; the widest is a T wave in a slow rhythm.
_REACH = 4.0


@dataclass(frozen=True)
class Waves:
    """Gaussian waves: when, how wide, and which dipole.

    Attributes:
        time: (wave,) seconds after the R peak of the beat.
        width: (wave,) standard deviation in seconds.
        dipole: (wave, 3) mV.
    """

    time: Array
    width: Array
    dipole: Array


@dataclass(frozen=True)
class Body:
    """What stays the same in all recordings of a person.

    Attributes:
        turn: (3, 3) rotation of the heart.
        strength: factor of all voltages.
        stretch: factor of the duration of the QRS complex.
        personal: (wave, 3) factors of single waves: P from row 0, QRS from 2, T from 7, ST from 9.
        chest: (8, 3) from dipole to leads I, II, V1 ... V6.
        ectopic: (3,) direction of extra beats.
    """

    turn: Array
    strength: float
    stretch: float
    personal: Array
    chest: Array
    ectopic: Array


def make_body(rng: np.random.Generator) -> Body:
    """Draw a person."""
    chest = _DOWER.copy()
    chest[2:] += 0.11 * rng.standard_normal((6, 3))
    ectopic = rng.standard_normal(3) * (1.0, 1.0, 0.8)
    return Body(
        turn=_rotation(
            frontal=np.deg2rad(rng.normal(0, 24)),
            horizontal=np.deg2rad(rng.normal(0, 16)),
        ),
        strength=float(np.exp(rng.normal(0, 0.22))),
        stretch=float(rng.uniform(0.88, 1.15)),
        personal=np.exp(rng.normal(0, 0.2, (11, 3))),
        chest=chest,
        ectopic=ectopic / np.linalg.norm(ectopic) * rng.uniform(1.1, 1.7),
    )


def beat_waves(
    body: Body,
    conduction: str = "normal",
    pr_delay: float = 0.0,
    has_p: bool = True,
    st_dipole: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Waves:
    """The waves of a conducted beat.

    Args:
        body: whose.
        conduction: "normal", "left" or "right" bundle branch block.
        pr_delay: seconds by which P comes earlier than usual.
        has_p: False in atrial fibrillation.
        st_dipole: mV in the ST segment.
    """
    if conduction == "left":
        qrs, recovery = _LEFT_BUNDLE_QRS, _LEFT_BUNDLE_T
    elif conduction == "right":
        qrs, recovery = [*_QRS, *_RIGHT_BUNDLE_TAIL], _RIGHT_BUNDLE_T
    else:
        qrs, recovery = _QRS, _T
    atrial: Table = (
        [(time - pr_delay, width, dipole) for time, width, dipole in _P] if has_p else []
    )
    ventricular: Table = [
        (t * body.stretch, width * body.stretch, dipole) for t, width, dipole in qrs
    ]
    raised: Table = [(0.085, 0.030, st_dipole), (0.150, 0.045, st_dipole)] if any(st_dipole) else []
    return _turned({0: atrial, 2: ventricular, 7: recovery, 9: raised}, body)


def ectopic_waves(body: Body) -> Waves:
    """The waves of an extra beat from a ventricle: wide, elsewhere directed, T opposite."""
    x, y, z = body.ectopic.tolist()
    waves = [
        (time, width, (dipole[0] * x, dipole[1] * y, dipole[2] * z))
        for time, width, dipole in [*_ECTOPIC, *_ECTOPIC_T]
    ]
    return _turned({2: waves}, body)


def dipole_over_time(
    beats: list[tuple[float, float, float, Waves]], num_samples: int, sample_rate: float
) -> Array:
    """Sum up the waves of all beats.

    Args:
        beats: R time in seconds, seconds since the beat before (T comes later in a slow rhythm),
            factor of the voltage, and waves.
        num_samples: length.
        sample_rate: Hz.

    Returns:
        (3, num_samples) mV.
    """
    centre, width, dipole = [], [], []
    for r_time, interval, factor, waves in beats:
        pace = np.sqrt(np.clip(interval, 0.35, 1.3) / 0.85)
        late = waves.time > 0.12
        centre.append(r_time + np.where(late, waves.time * pace, waves.time))
        width.append(np.where(late, waves.width * pace, waves.width))
        dipole.append(waves.dipole * factor)
    centres, widths, dipoles = map(np.concatenate, (centre, width, dipole))
    total = np.zeros((3, num_samples))
    # Narrow and wide waves apart: each group is evaluated over its own reach only.
    for chosen in (widths < 0.025, widths >= 0.025):
        if chosen.any():
            total += _sum_waves(
                centres[chosen], widths[chosen], dipoles[chosen], num_samples, sample_rate
            )
    return total


def lead_signals(dipole: Array, electrode_noise: Array, chest: Array) -> NDArray[np.float32]:
    """What a device would store: 12 leads in whole microvolts, Einthoven's law exact.

    Args:
        dipole: (3, time) mV.
        electrode_noise: (9, time) mV on the right arm, left arm, left leg, V1 ... V6.
        chest: (8, 3) from dipole to leads I, II, V1 ... V6.

    Returns:
        (12, time) mV; every sample a multiple of 0.001.
    """
    right_arm, left_arm, left_leg = electrode_noise[:3]
    leads = chest @ dipole
    leads[0] += left_arm - right_arm
    leads[1] += left_leg - right_arm
    leads[2:] += electrode_noise[3:] - (right_arm + left_arm + left_leg) / 3
    # I and II in steps of 2 microvolt, so that the halves in aVR, aVL and aVF are whole.
    first_two = np.rint(leads[:2] * 500) * 2
    microvolts = np.concatenate([EINTHOVEN @ first_two, np.rint(leads[2:] * 1000)])
    return (microvolts / 1000).astype(np.float32)


def _turned(tables: dict[int, Table], body: Body) -> Waves:
    """Waves as the body shapes and turns them; keys are first rows of `Body.personal`."""
    waves = [each for table in tables.values() for each in table]
    rows = [first + n for first, table in tables.items() for n in range(len(table))]
    dipole = np.array([each[2] for each in waves]) * body.personal[rows]
    return Waves(
        time=np.array([each[0] for each in waves]),
        width=np.array([each[1] for each in waves]),
        dipole=body.strength * dipole @ body.turn.T,
    )


def _rotation(frontal: float, horizontal: float) -> Array:
    cos, sin = np.cos(frontal), np.sin(frontal)
    around_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    cos, sin = np.cos(horizontal), np.sin(horizontal)
    around_y = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    turn: Array = around_z @ around_y
    return turn


def _sum_waves(
    centre: Array, width: Array, dipole: Array, num_samples: int, sample_rate: float
) -> Array:
    reach = int(np.ceil(_REACH * width.max() * sample_rate))
    nearest = np.rint(centre * sample_rate).astype(np.int64)
    index = nearest[:, None] + np.arange(-reach, reach + 1)  # (wave, time)
    distance = (index / sample_rate - centre[:, None]) / width[:, None]
    height = np.exp(-0.5 * np.square(distance))
    inside = (index >= 0) & (index < num_samples)
    flat, height = index[inside], np.where(inside, height, 0)
    return np.stack(
        [
            np.bincount(flat, (height * dipole[:, axis, None])[inside], minlength=num_samples)
            for axis in range(3)
        ]
    )
