"""The sample rate of a table out of its column of times."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError

TIMES = (
    *("time", "t", "timestamp", "seconds", "elapsed time", "elapsed", "datetime", "date_time"),
    *("zeit", "temps", "tiempo", "tempo"),
)
SECONDS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds", "hh:mm:ss.mmm"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), 1e-6),
    "µs": 1e-6,
    "ns": 1e-9,
}
# Of the step between two samples: beyond this the times are no even grid.
UNEVEN = 0.05
# Between a stated rate and that of the times, beside those of a unit not stated (ms, us, ns).
DISAGREE = 0.01
UNITS = (1.0, 1e-3, 1e-6, 1e-9)


def is_time(name: str) -> bool:
    """Whether a column of this name holds times."""
    return _split(name)[0] in TIMES


def rate_in_hertz(stated: Any) -> float:
    """Hz out of a number, or of "250 Hz", "0.5 kHz", "512,4 hertz".

    Raises:
        ValueError: neither.
    """
    if not isinstance(stated, (str, bytes)):
        return float(stated)
    text = stated.decode() if isinstance(stated, bytes) else stated
    found = re.fullmatch(r"\s*([-+.,\deE]+)\s*(k?)(?:hz|hertz|sps)?\s*", text, re.IGNORECASE)
    if found is None:
        raise ValueError(text)
    return float(found[1].replace(",", ".")) * (1000.0 if found[2] else 1.0)


def _split(name: str) -> tuple[str, str]:
    """("time", "ms") of "Time_ms"; the unit is "" where the name has none."""
    found = re.fullmatch(r"(.+?)[_ ](s|ms|us|µs|ns)", name.strip().lower())
    return (found[1], found[2]) if found else (name.strip().lower(), "")


def seconds_per_unit(path: Path, name: str, unit: str = "") -> float:
    """What the numbers of a column of times are to be multiplied by.

    Raises:
        FormatError: its unit is no time.
    """
    unit = unit or _split(name)[1]
    if unit.lower() not in SECONDS:
        raise FormatError(f"{path}: times in {unit!r}; want s, ms or us")
    return SECONDS[unit.lower()]


def rate_of(path: Path, times: NDArray[np.float64]) -> float:
    """Hz of an even grid of times in seconds.

    Raises:
        FormatError: fewer than two times, or they are not evenly spaced.
    """
    steps = np.diff(times)
    step = float(np.median(steps)) if steps.size else 0.0
    if step == 1 and bool((steps == 1).all()):
        # Whole seconds between samples are no ECG; a thousandth of them is.
        raise FormatError(
            f"{path}: the times count 1, 2, 3 and may be milliseconds or numbers of samples; state"
            " the sample rate"
        )
    if not step > 0 or not np.isfinite(steps).all() or np.ptp(steps) > 2 * UNEVEN * step:
        raise FormatError(f"{path}: the times are not evenly spaced; state the sample rate")
    rate = steps.size / float(times[-1] - times[0])
    if rate < 1:
        raise FormatError(
            f"{path}: the times go at {rate:g} Hz if they are seconds; name their column"
            ' "time (ms)" if they are milliseconds, or state the sample rate'
        )
    # Times are written with few digits: 0.0039 s steps of 256 Hz are a whole number of Hz.
    return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate


def settle_rate(path: Path, stated: Any, times: NDArray[np.float64]) -> Any:
    """The stated rate, if the times do not deny it; that of the times where none is stated.

    Raises:
        FormatError: they disagree, or no rate is stated and the times are uneven.
    """
    if stated is None:
        return rate_of(path, times)
    steps = np.diff(times)
    step = float(np.median(steps)) if steps.size else np.nan
    # Numbered samples are no times, and whoever states a rate may leave the unit of times out.
    is_number = step == 1 and bool((steps == 1).all())
    rates = [1 / (step * unit) for unit in UNITS] if step > 0 else []
    try:
        hertz = rate_in_hertz(stated)
    except ValueError:
        raise FormatError(f"{path}: sample rate {stated!r}; want Hz") from None
    if rates and not is_number and all(abs(rate - hertz) > DISAGREE * rate for rate in rates):
        mean = steps.size / float(times[-1] - times[0])
        raise FormatError(
            f"{path}: {hertz:g} Hz stated, but its times go at {mean:g} Hz; correct one of them"
        )
    return stated
