"""Numbers that cannot be the millivolts they are called: raw integers, or another unit."""

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError

# An ECG stays below; a hundred times more is another unit or the steps of a converter.
LARGEST_MV = 100.0


def check_millivolts(name: str, signal: NDArray[np.float32], largest: float) -> None:
    """Refuse what is far too large for an ECG, wherever it comes from.

    One lead at the rail and offsets of electrodes pass: a tenth of the samples may be anything, and
    each lead counts from its own middle.

    Args:
        name: of the recording.
        signal: (lead, time) finite, said to be mV.
        largest: of the absolute values.

    Raises:
        FormatError: it is.
    """
    # A percentile takes as long as the rest of the preprocessing: most recordings need none.
    if 2 * largest <= LARGEST_MV or not signal.size:
        return
    middle = np.median(signal, axis=1, keepdims=True)
    size = float(np.percentile(np.abs(signal - middle), 90))
    if size > LARGEST_MV:
        raise FormatError(
            f"{name or 'recording'}: typical values of {size:,.0f} mV, as its unit has it: raw"
            ' integers, or another unit; say unit="uV", "V", ... of an array (unit="NU" where it is'
            " no voltage), correct gain or unit of a file"
        )
