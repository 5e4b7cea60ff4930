"""Which channels of a file are the ECG: by name, by unit, and by what stands beside them.

A name counts for a lead where it can mean nothing else ("aVR", "V4", "ECG II"). C1 to C6, D1 to
D3, L1 to L3 and X, Y, Z are also electrodes of an EEG, depth electrodes and axes of movement: they
are leads only where the rest of the file is an ECG. "ECG", "ECG 2", "V" or "MCL" is an ECG from a
place that no one states; alone in a file it is the lead "ECG", which its user may name (`rename`).
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from anylead.errors import FormatError, LeadError
from anylead.formats.beside import FOLDER_FILE, side_car
from anylead.formats.units import is_voltage
from anylead.leads import (
    CHEST_LEADS,
    FRANK_LEADS,
    LEADS,
    LIMB_LEADS,
    UNKNOWN_PLACE,
    bare_name,
    find_lead,
)
from anylead.leads import lead_name as known_lead

Rename = Mapping[str, str]

# The electrodes of the 10-20 system, alone or as a pair, and what else a sleep laboratory records.
_EEG = re.compile(
    r"(?:eeg|eog|emg|chin|loc|roc|lat|rat)(?:[\W_\d].*)?"
    r"|(?:fp[12z]|af[z\d]|f[z\d]|fc[z\d]|ft\d+|cz|cp[z\d]|p[z3478]|po[z\d]|o[12z]|t[3-9]|t10|tp\d+|a[12]|m[12])"
    r"(?:[-_: ].*)?",
    re.IGNORECASE,
)
_CHEST_OR_SCALP = re.compile(r"c[1-6]", re.IGNORECASE)
_LIMB_OR_DEPTH = re.compile(r"[dl][1-3]", re.IGNORECASE)
_AXIS = re.compile(r"[xyz]", re.IGNORECASE)
_ECG = re.compile(r"e[ck]g(?![a-z]).*|lead[\s_.-]*[\da-h]|v|mcl|ml", re.IGNORECASE)
_VERSION = re.compile(r"[\s_-](?:raw|filt\w*|orig\w*|notch|smooth\w*)$", re.IGNORECASE)
_MOST_KEPT, _LONGEST_KEPT = 64, 1000  # channels, and letters of all of them
_TWELVE_LEAD = 8  # of the twelve leads: the six others follow from I and II


class Choice(NamedTuple):
    """What is taken of a file.

    Attributes:
        rows: lead -> its row, in the order of the file.
        left_out: what was not taken, and why; one sentence each.
    """

    rows: dict[str, int]
    left_out: tuple[str, ...]


def choose(
    path: Path,
    names: Sequence[str],
    units: Sequence[str] | None = None,
    rename: Rename | None = None,
) -> Choice:
    """The ECG leads among the channels of a file.

    Args:
        path: the file; a JSON beside it may rename, too.
        names: as the file spells them; those without a name are "channel 1" and so on.
        units: of each; None where the file has one unit for all.
        rename: name of a channel -> its lead, in any case; it goes before what a name says.

    Raises:
        FormatError: no channel is an ECG lead, or several are of unknown place.
        LeadError: a channel is to be renamed to no lead.
    """
    # What has no name is called by its place, so that it can be renamed.
    names = [name if name and name.strip() else f"channel {n}" for n, name in enumerate(names, 1)]
    renamed = _renamed(path, names, rename or {})
    # A corpus spells its channels alike in thousands of files; what is no name is not kept.
    is_kept = len(names) <= _MOST_KEPT and sum(map(len, (*names, *(units or ())))) <= _LONGEST_KEPT
    call = _chosen if is_kept else _chosen.__wrapped__
    try:
        rows, left_out = call(tuple(names), None if units is None else tuple(units), renamed)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    return Choice(dict(rows), left_out)


def choose_in_memory(names: Sequence[str], units: Sequence[str] | None = None) -> dict[str, int]:
    """Lead -> row, as `choose` finds them, of channels without a file; none where no name tells."""
    stated = None if units is None else tuple(units)
    try:
        rows, _ = _chosen(tuple(names), stated, (None,) * len(names))
    except FormatError:
        return {}
    return dict(rows)


@lru_cache(maxsize=256)
def _chosen(
    names: tuple[str, ...], units: tuple[str, ...] | None, renamed: tuple[str | None, ...]
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Lead and row of each channel that is taken, and what is left out."""
    usable = [True] * len(names) if units is None else [is_voltage(unit) for unit in units]
    found = _by_name(names, usable, renamed)
    rows: dict[str, int] = {}
    left_out = []
    unknown = []
    for row, (name, lead) in enumerate(zip(names, found, strict=True)):
        if not usable[row] and units is not None:
            left_out.append(f"{name}: unit {units[row]!r} is no voltage")
        elif lead is None and _is_unplaced(name):
            unknown.append(row)
        elif lead is None:
            left_out.append(f"{name}: no ECG lead")
        elif lead not in rows:
            rows[lead] = row
        else:
            left_out.append(f"{name}: lead {lead} is taken from {names[rows[lead]]}")
    if rows:
        left_out += [f"{names[row]}: an ECG, but its place is not stated" for row in unknown]
    elif sum(not _VERSION.search(names[row]) for row in unknown) == 1 or len(unknown) == 1:
        first = next((row for row in unknown if not _VERSION.search(names[row])), unknown[0])
        rows[UNKNOWN_PLACE] = first
        others = [row for row in unknown if row != first]
        left_out += [f"{names[row]}: {names[first]} is taken instead" for row in others]
    elif unknown:
        listed = ", ".join(names[row] for row in unknown)[:300]
        raise FormatError(
            f"the places of its ECG channels are not stated ({listed});"
            f" {_remedy(names[unknown[0]])}"
        )
    else:
        raise FormatError(_nothing(names, units))
    return tuple(rows.items()), tuple(left_out)


def parse_rename(text: str) -> dict[str, str]:
    """Channel -> lead out of "ECG=I,ECG 2=V5".

    Raises:
        LeadError: a part without "=", or one that ends in no lead.
    """
    renamed = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        channel, sign, lead = part.rpartition("=")
        if not sign or not channel.strip():
            raise LeadError(f"rename {part!r}: want CHANNEL=LEAD, such as ECG=I")
        renamed[channel.strip()] = known_lead(lead)
    return renamed


def is_ecg_name(name: str) -> bool:
    """Whether a name alone makes a channel an ECG, of a known place or not.

    A bare number is the number of a channel, of a Holter or of a table, and not lead I, II or III.
    """
    return _is_unplaced(name) or (_may_be_lead(name) is not None and not _is_ambiguous(name))


def why_taken(name: str, lead: str) -> str:
    """What makes a channel of a file the lead that it was taken for."""
    if lead == UNKNOWN_PLACE:
        return "an ECG, its place is not stated"
    if _may_be_lead(name) != lead:
        return "renamed"
    return "by name, beside other leads" if _is_ambiguous(name) else "by name"


def _renamed(path: Path, names: Sequence[str], rename: Rename) -> tuple[str | None, ...]:
    """What the user says each channel is; of several channels of one name, the first."""
    beside = side_car(path).get("rename") or {}
    if not isinstance(beside, dict):
        raise FormatError(f'{path}: "rename" beside it is {beside!r}; want {{"ECG": "I"}}')
    if not beside and not rename:
        return (None,) * len(names)
    try:
        stated = {
            str(name).strip().lower(): known_lead(str(lead))
            for name, lead in {**beside, **rename}.items()
        }
    except LeadError as error:
        raise LeadError(f"{path}: rename: {error}") from None
    keys = [name.strip().lower() for name in names]
    return tuple(stated.get(key) if key not in keys[:row] else None for row, key in enumerate(keys))


def _by_name(
    names: Sequence[str], usable: Sequence[bool], renamed: Sequence[str | None]
) -> list[str | None]:
    """The lead of every channel, as far as its name and its company tell."""
    taken = set(renamed) - {None}
    plain = [
        None if again or _is_ambiguous(name) or _is_unplaced(name) else _may_be_lead(name)
        for name, again in zip(names, renamed, strict=True)
    ]
    certain = {lead for lead, good in zip(plain, usable, strict=True) if good and lead in LEADS}
    is_eeg = any(_EEG.fullmatch(bare_name(name).strip()) for name in names)
    is_chest = not is_eeg and len(certain & set(LIMB_LEADS)) >= 2
    is_chest = is_chest and not certain & set(CHEST_LEADS)
    is_limb = not is_eeg and bool(certain) and not certain & set(LIMB_LEADS[:3])
    is_frank = _has_frank(names, usable, certain) and not is_eeg
    found = []
    for name, again, lead in zip(names, renamed, plain, strict=True):
        key = _key(name)
        counts = (
            (is_chest and _CHEST_OR_SCALP.fullmatch(key))
            or (is_limb and _LIMB_OR_DEPTH.fullmatch(key))
            or (is_frank and _AXIS.fullmatch(key))
        )
        lead = _may_be_lead(name) if counts else lead
        found.append(again or (None if lead in taken else lead))
    return found


def _has_frank(names: Sequence[str], usable: Sequence[bool], certain: set[str]) -> bool:
    """Whether X, Y and Z are Frank's leads: beside twelve, or alone and spelled like leads.

    A wearable's one or two leads beside x, y, z come with the axes of its accelerometer.
    """
    axes = {name.strip() for name, good in zip(names, usable, strict=True) if good}
    if not set(FRANK_LEADS) <= {name.upper() for name in axes}:
        return False
    is_alone = not certain and not any(_is_unplaced(name) for name in axes)
    return len(certain) >= _TWELVE_LEAD or (is_alone and set(FRANK_LEADS) <= axes)


def _may_be_lead(name: str) -> str | None:
    return None if name.strip().isdecimal() else find_lead(name)


def _is_ambiguous(name: str) -> bool:
    key = _key(name)
    return any(each.fullmatch(key) for each in (_CHEST_OR_SCALP, _LIMB_OR_DEPTH, _AXIS))


def _key(name: str) -> str:
    """Without "lead" in front, which says of C3 no more than that it is one."""
    return re.sub(r"^lead[\s_-]*", "", bare_name(name).strip(" .:_-"))


def _is_unplaced(name: str) -> bool:
    lead = _may_be_lead(name)
    return lead == UNKNOWN_PLACE or (lead is None and bool(_ECG.fullmatch(name.strip())))


def _nothing(names: Sequence[str], units: Sequence[str] | None) -> str:
    """Why no channel was taken, and what to do."""
    told = [
        name if units is None or is_voltage(unit) else f"{name} (unit {unit!r})"
        for name, unit in zip(names, units or names, strict=True)
    ]
    voltages = [n for n, u in zip(names, units or names, strict=True) if not units or is_voltage(u)]
    listed = ", ".join(told)[:300] or "none"
    if names and not voltages:
        return f"no ECG lead in volts among {listed}; export them in mV"
    return f"no ECG lead in volts among {listed}; {_remedy(*voltages[:1])}"


def _remedy(name: str = "NAME") -> str:
    key = name.strip().replace('"', "'")[:60]
    return (
        f'name the lead with --rename "{key}=I" or with {{"rename": {{"{key}": "I"}}}} in'
        f" {FOLDER_FILE} beside it"
    )
