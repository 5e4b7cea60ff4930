"""Names, order and algebra of ECG leads.

The twelve standard leads have one canonical order here (that of the PhysioNet challenges), and
every signal reaches a model as those twelve rows plus a flag per row. Six of the twelve, the limb
leads, are linear functions of any two of them (Einthoven 1913, Goldberger 1942), exactly.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from anylead.errors import LeadError, known_are

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST_LEADS = ("V1", "V2", "V3", "V4", "V5", "V6")
LEADS = LIMB_LEADS + CHEST_LEADS
NUM_LEADS = len(LEADS)

# An ECG whose source does not say where its electrodes were.
UNKNOWN_PLACE = "ECG"
# Right-sided, posterior and Frank leads: known by name, never mistaken for one of the twelve.
OTHER_LEADS = ("V3R", "V4R", "V5R", "V6R", "V7", "V8", "V9", "X", "Y", "Z", UNKNOWN_PLACE)

# The reduced sets of the PhysioNet/CinC Challenge 2021 and of the paper.
LEAD_SETS: dict[str, tuple[str, ...]] = {
    "12": LEADS,
    "6": LIMB_LEADS,
    "4": ("I", "II", "III", "V2"),
    "3": ("I", "II", "V2"),
    "2": ("I", "II"),
    "1": ("I",),
}

# Rows: the six limb leads; columns: I and II.
EINTHOVEN = np.array(
    [[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]], dtype=np.float64
)

FRANK_LEADS = ("X", "Y", "Z")
# Leads I, II and V1 to V6 as a sum of Frank's X, Y, Z: Dower 1968 ("A lead synthesizer for the
# Frank system to simulate the standard 12-lead electrocardiogram"), as printed by Edenbrandt and
# Pahlm 1988 ("Vectorcardiogram synthesized from a 12-lead ECG: superiority of the inverse Dower
# matrix").
_DOWER_I_II = np.array([[0.632, -0.235, 0.059], [0.235, 1.066, -0.132]])
_DOWER_CHEST = np.array(
    [
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# (12, 3): leads = DOWER @ (X, Y, Z).
DOWER: NDArray[np.float64] = np.concatenate([EINTHOVEN @ _DOWER_I_II, _DOWER_CHEST])

_BY_LOWER = {name.lower(): name for name in LEADS + OTHER_LEADS}
_ALIASES = {
    **{f"mcl{n}": f"V{n}" for n in range(1, 7)},
    **{f"c{n}": f"V{n}" for n in range(1, 7)},
    **{f"ml{roman.lower()}": roman for roman in ("I", "II", "III")},
    **{f"d{roman.lower()}": roman for roman in ("I", "II", "III")},
    **{f"d{n}": roman for n, roman in enumerate(("I", "II", "III"), start=1)},
    **{f"l{n}": roman for n, roman in enumerate(("I", "II", "III"), start=1)},
    **{f"v{letter}": f"aV{letter.upper()}" for letter in "rlf"},
    "ekg": UNKNOWN_PLACE,
    "rv3": "V3R",
    "rv4": "V4R",
    "rv5": "V5R",
    "rv6": "V6R",
    "vx": "X",
    "vy": "Y",
    "vz": "Z",
}
_PREFIXES = (
    "mdc_ecg_lead_",
    "ecg lead ",
    "ecg_lead_",
    "ecglead",
    "ecg ",
    "ecg_",
    "ecg-",
    "ecg:",
    "lead ",
    "lead_",
    "lead-",
    "lead",
    "ekg ",
    "ekg_",
    "ekg-",
    "ekg:",
    "ecg",
    "ekg",
)
_SUFFIXES = (
    *("-ref", "_ref", " ref", "-avg"),
    *("-filtered", "_filtered", " filtered", "-raw", "_raw", " raw"),
)
# "I (mV)", "V2[uV]": a unit behind the name.
_UNIT = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])$")
_LONGEST_NAME = 100


def find_lead(name: str) -> str | None:
    """The canonical name behind any usual spelling ("avr", "MLII", "V1-REF"), or None."""
    key = bare_name(name)
    for prefix in _PREFIXES:
        if key.startswith(prefix) and key != prefix.strip():
            key = key.removeprefix(prefix)
            break
    key = key.strip(" .:_-,;") if not key.startswith("-") else key
    return _BY_LOWER.get(key) or _ALIASES.get(key)


def bare_name(name: str) -> str:
    """In lower case, without quotes, unit and what was done to it: "'C3-REF (uV)'" -> "c3"."""
    key = _UNIT.sub("", name[:_LONGEST_NAME].strip().strip("'\",;").lower())
    for suffix in _SUFFIXES:
        key = key.removesuffix(suffix)
    return key


def lead_name(name: str) -> str:
    """The canonical name of a lead in any usual spelling.

    Raises:
        LeadError: no such lead is known.
    """
    found = find_lead(name) if isinstance(name, str) else None
    if found is None:
        raise LeadError(f"unknown lead {name!r}{known_are(name, LEADS + OTHER_LEADS)}")
    return found


def parse_leads(leads: str | Sequence[str]) -> tuple[str, ...]:
    """A named set ("3"), a list in text ("I,II,V2") or in names -> canonical names in order.

    Raises:
        LeadError: an unknown or repeated name, none at all, or one outside the twelve.
    """
    if isinstance(leads, str):
        if leads.strip() in LEAD_SETS:
            return LEAD_SETS[leads.strip()]
        leads = [part for part in leads.replace(";", ",").split(",") if part.strip()]
    names = [lead_name(name) for name in (leads if isinstance(leads, Iterable) else [leads])]
    outside = [name for name in names if name not in LEADS]
    if outside:
        raise LeadError(f"{', '.join(outside)}: not among the 12 standard leads of a model")
    if not names or len(set(names)) != len(names):
        raise LeadError(
            f"{list(leads)}: want one of the sets {', '.join(LEAD_SETS)} or a list of different"
            f" leads out of {', '.join(LEADS)}"
        )
    return tuple(sorted(names, key=LEADS.index))


def lead_mask(leads: str | Sequence[str]) -> NDArray[np.bool_]:
    """(12,) bool: which of the canonical leads a set holds."""
    chosen = parse_leads(leads)
    return np.array([name in chosen for name in LEADS])


def to_canonical(
    signal: NDArray[np.float32], leads: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Put the rows of a signal in their canonical places.

    Args:
        signal: (lead, time).
        leads: canonical names of the rows; leads outside the twelve are left out.

    Returns:
        (12, time) with zeros for what is missing, and (12,) bool `has_lead`.

    Raises:
        LeadError: rows and names differ in number, a name stands twice, none is of the twelve.
    """
    if signal.ndim != 2 or len(signal) != len(leads):
        raise LeadError(f"{len(leads)} lead names for a signal of shape {signal.shape}")
    if len(set(leads)) != len(leads):
        raise LeadError(f"a lead stands twice among {', '.join(leads)}")
    rows = [LEADS.index(name) for name in leads if name in LEADS]
    if not rows and UNKNOWN_PLACE in leads:
        raise LeadError(
            f"the place of its lead {UNKNOWN_PLACE} is not stated; state it with --rename"
            f' "{UNKNOWN_PLACE}=I" (or another lead)'
        )
    if not rows:
        raise LeadError(f"none of the 12 standard leads among {', '.join(leads)}")
    canonical = np.zeros((NUM_LEADS, signal.shape[1]), dtype=np.float32)
    canonical[rows] = signal[[name in LEADS for name in leads]]
    has_lead = np.zeros(NUM_LEADS, dtype=bool)
    has_lead[rows] = True
    return canonical, has_lead


def limb_completion(has_limb: Iterable[bool]) -> NDArray[np.float64]:
    """The matrix that fills in limb leads which follow exactly from those present.

    Args:
        has_limb: six flags, in the order of `LIMB_LEADS`.

    Returns:
        (6, 6): complete = matrix @ present, where missing rows of `present` are zero. Present
        leads pass unchanged; with fewer than two present the missing stay zero. More than two
        present: the missing ones by least squares.
    """
    present = np.fromiter(has_limb, dtype=bool)
    matrix = np.diag(present.astype(np.float64))
    if present.sum() >= 2:
        from_present = EINTHOVEN @ np.linalg.pinv(EINTHOVEN * present[:, None])
        matrix[~present] = from_present[~present]
    return matrix


def limb_completion_table() -> NDArray[np.float64]:
    """(64, 6, 6): `limb_completion` for every subset; bit i of the index is limb lead i."""
    subsets = product((False, True), repeat=len(LIMB_LEADS))
    return np.stack([limb_completion(reversed(bits)) for bits in subsets])


def complete_limb_leads(
    signal: NDArray[np.float32], has_lead: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fill in missing limb leads that follow from two present ones.

    Args:
        signal: (12, time) in a unit common to all leads; a z-score per lead breaks the relation.
        has_lead: (12,).

    Returns:
        The completed signal and flags; the derived leads are those where the flags differ.
    """
    limbs = has_lead[:6]
    if limbs.sum() < 2 or limbs.all():
        return signal, has_lead
    completed = signal.copy()
    completed[:6] = (limb_completion(limbs) @ signal[:6]).astype(np.float32)
    return completed, np.concatenate([np.ones(6, dtype=bool), has_lead[6:]])


def has_frank(leads: Iterable[str]) -> bool:
    """Whether all three of Frank's leads are there."""
    return set(FRANK_LEADS) <= set(leads)
