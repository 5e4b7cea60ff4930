"""Bring back the ratios among limb leads that were scaled one by one.

The six limb leads are linear functions of two (Einthoven, Goldberger). If each was multiplied by
a factor of its own, the factors are known up to a common one: they are the combination that makes
III = II - I, aVR = -(I + II)/2, aVL = I - II/2 and aVF = II - I/2 hold best.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.leads import LIMB_LEADS
from anylead.signals.quality import smallest_misfit


def restore_limb_ratios(
    signal: NDArray[np.float32], leads: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Scale the limb leads of a recording so that they fit together; other leads stay.

    Args:
        signal: (lead, time), each lead in a scale of its own, without an offset.
        leads: canonical names.

    Returns:
        The signal, its six limb leads with a mean square of 1, and the factor of each row.

    Raises:
        FormatError: one of the six limb leads is missing or constant, or they do not fit together
            whatever the factors.
    """
    missing = [name for name in LIMB_LEADS if name not in leads]
    if missing:
        raise FormatError(f"limb leads {', '.join(missing)} are missing; all six are needed")
    rows = [list(leads).index(name) for name in LIMB_LEADS]
    limbs = np.nan_to_num(signal[rows].astype(np.float64))
    gram = limbs @ limbs.T  # (6, 6)
    power = np.diag(gram)
    if (power <= 0).any():
        flat = LIMB_LEADS[int(np.argmin(power))]
        raise FormatError(f"limb lead {flat} is constant; ratios need all six")
    error, factors = smallest_misfit(gram)
    if error > 0.01 or (factors <= 0).any():
        raise FormatError(
            "limb leads do not fit together whatever their scales (swapped or damaged leads?)"
        )
    scaled = limbs * factors[:, None]
    factors /= np.sqrt(np.square(scaled).mean())
    every = np.ones(len(leads))
    every[rows] = factors
    return (signal * every[:, None]).astype(np.float32), every
