"""Which recordings train, which choose the model, which test it."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anylead.errors import StoreError

SPLITS = ("train", "valid", "test")
Scheme = Literal["auto", "official", "hash"]

# 8:1:1 of 2**32.
_EDGES = (int(0.8 * 2**32), int(0.9 * 2**32))


def split_rows(
    split: NDArray[np.str_], draw: NDArray[np.uint32], is_wanted: NDArray[np.bool_], scheme: str
) -> dict[str, NDArray[np.int64]]:
    """Rows of each split, ascending.

    Args:
        split: (record,) the corpus's own split, "" where it has none.
        draw: (record,) uniform over 32 bits, equal for the recordings of one patient.
        is_wanted: (record,) rows to choose from.
        scheme: "official" takes the corpus's own; "hash" 8:1:1 by `draw`; "auto" the first where
            the corpus has one.

    Raises:
        StoreError: no such scheme, or no official split.
    """
    if scheme not in ("auto", "official", "hash"):
        raise StoreError(f"split scheme {scheme!r}: want auto, official or hash")
    has_official = bool((split != "").any())
    if scheme == "official" and not has_official:
        raise StoreError("this corpus has no official split; use the scheme hash")
    if scheme == "hash" or not has_official:
        part = np.digitize(draw.astype(np.int64), _EDGES)
        chosen = [part == number for number in range(len(SPLITS))]
    else:
        chosen = [split == name for name in SPLITS]
    return {
        name: np.flatnonzero(is_chosen & is_wanted)
        for name, is_chosen in zip(SPLITS, chosen, strict=True)
    }
