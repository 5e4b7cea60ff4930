"""Which recordings train, which choose the model, which test it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from anylead.errors import StoreError

SPLITS = ("train", "valid", "test")

# 8:1:1 of 2**32.
_EDGES = (int(0.8 * 2**32), int(0.9 * 2**32))


def split_rows(
    split: NDArray[np.str_],
    draw: NDArray[np.uint32],
    fold: NDArray[np.int64],
    is_wanted: NDArray[np.bool_],
    scheme: str,
) -> dict[str, NDArray[np.int64]]:
    """Rows of each split, ascending.

    Args:
        split: (record,) the corpus's own split, "" where it has none.
        draw: (record,) uniform over 32 bits, equal for the recordings of one patient.
        fold: (record,) the corpus's own, -1 where it has none.
        is_wanted: (record,) rows to choose from.
        scheme: "official" takes the corpus's own; "hash" 8:1:1 by `draw`; "auto" the first where
            the corpus has one; "folds:9:10" validates on fold 9, tests on fold 10 and trains on
            all other folds; "all" trains on all.

    Raises:
        StoreError: no such scheme, or no official split.
    """
    chosen_folds = _folds(scheme)
    if chosen_folds is None and scheme not in ("auto", "official", "hash", "all"):
        raise StoreError(f"split scheme {scheme!r}: want auto, official, hash, all or folds:9:10")
    has_official = bool((split != "").any())
    if scheme == "official" and not has_official:
        raise StoreError("this corpus has no official split; use the scheme hash")
    if chosen_folds is not None:
        valid, test = chosen_folds
        if not (fold == valid).any() or not (fold == test).any():
            known = sorted(set(fold[fold >= 0].tolist()))
            raise StoreError(f"split scheme {scheme!r}: this corpus has the folds {known}")
        is_train = (fold >= 0) & (fold != valid) & (fold != test)
        chosen = [is_train, fold == valid, fold == test]
    elif scheme == "all":
        chosen = [np.full(len(split), name == "train") for name in SPLITS]
    elif scheme == "hash" or not has_official:
        drawn = by_draw(draw)
        chosen = [drawn == name for name in SPLITS]
    else:
        chosen = [split == name for name in SPLITS]
    return {
        name: np.flatnonzero(is_chosen & is_wanted)
        for name, is_chosen in zip(SPLITS, chosen, strict=True)
    }


def shared_patients(
    rows: Mapping[str, NDArray[np.int64]], patient: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Patients that are in more than one split.

    Args:
        rows: split -> its rows.
        patient: (record,) equal numbers are one person, from 0 on.
    """
    num_sides = np.zeros(patient.max(initial=-1) + 1, dtype=np.int64)
    for chosen in rows.values():
        is_here = np.zeros(len(num_sides), dtype=bool)
        is_here[patient[chosen]] = True
        num_sides += is_here
    return np.flatnonzero(num_sides > 1)


def told_shared(number: int, names: Sequence[str]) -> str:
    """A few words about patients that are on several sides of a split."""
    are = "1 patient" if number == 1 else f"{number} patients"
    return (
        f"{are} on more than one side ({', '.join(names)}{', ...' if number > len(names) else ''})"
    )


def by_draw(draw: NDArray[np.uint32]) -> NDArray[np.str_]:
    """(record,) "train", "valid" or "test", 8:1:1."""
    return np.array(SPLITS)[np.digitize(draw.astype(np.int64), _EDGES)]


def _folds(scheme: str) -> tuple[int, int] | None:
    """The folds of "folds:9:10", or None for any other scheme."""
    parts = scheme.split(":")
    if parts[0] != "folds" or len(parts) != 3 or not all(part.isdigit() for part in parts[1:]):
        return None
    return int(parts[1]), int(parts[2])
