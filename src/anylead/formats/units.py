"""Units as files write them -> millivolts."""

import re
from functools import lru_cache

from anylead.errors import FormatError

MILLIVOLTS = {"nv": 1e-6, "uv": 1e-3, "mv": 1.0, "cv": 10.0, "v": 1e3, "0.1uv": 1e-4}
# Of a signal that holds no voltage: a z-score, the steps of a converter.
NO_VOLTAGE = ("nu", "nd", "z", "adu", "a.u.", "au")
_PREFIXES = {"nano": "n", "micro": "u", "mic": "u", "milli": "m"}
# The Greek and the other small mu, and what UTF-8 and DOS make of them where Latin-1 is read.
_TIMES = ("s", "sec", "seconds", "ms", "us", "µs", "ns")
_LONGEST = 100  # letters of a name, beyond which it takes the pattern too long
_MICRO = re.compile("âµ|î¼|µ|μ|æ(?=v)")


@lru_cache(maxsize=256)
def voltage_factor(unit: str) -> float:
    """Millivolts in one `unit`; 1 for "NU" and other words for no voltage.

    Raises:
        FormatError: not a voltage.
    """
    key = unit.strip().strip("[]()").lower().replace(" ", "")
    key = _MICRO.sub("u", key)
    for word, letter in _PREFIXES.items():
        if key.startswith(word):
            key = letter + key.removeprefix(word).lstrip("-")
            break
    key = re.sub(r"volts?$", "v", key)
    if key in NO_VOLTAGE:
        return 1.0
    if key not in MILLIVOLTS:
        raise FormatError(f"unit {unit!r} is not a voltage; want uV, mV, V, or NU for none")
    return MILLIVOLTS[key]


def is_voltage(unit: str) -> bool:
    """Whether `unit` names a voltage (or none, such as "NU")."""
    try:
        voltage_factor(unit)
    except FormatError:
        return False
    return True


def split_unit(name: str) -> tuple[str, str]:
    """(name, unit) of a column: "II_mV", "II (mV)" -> ("II", "mV"); "" where it has none."""
    found = re.fullmatch(r"(.+?)[_ ]([num\u00b5\u03bc]V)", name.strip(), re.IGNORECASE)
    found = found or re.fullmatch(r"(.+?)\s*[(\[]([^()\[\]]{1,20})[)\]]", name.strip()[:_LONGEST])
    is_unit = found is not None and (is_voltage(found[2]) or found[2].strip().lower() in _TIMES)
    return (found[1], found[2]) if found and is_unit else (name, "")


def is_arbitrary(unit: str) -> bool:
    """Whether `unit` is a word for no voltage."""
    return unit.strip().lower() in NO_VOLTAGE
