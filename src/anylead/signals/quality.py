"""What is wrong with a lead, as bits that a store keeps for every lead of every recording."""

from enum import IntFlag


class Quality(IntFlag):
    """Bits of `Prepared.quality` and of a store's `quality` column."""

    MISSING_SAMPLES = 1  # some samples were missing and filled in
    LONG_GAP = 2  # for longer than 0.2 s at a time
    LOST = 4  # more than half of the samples were missing: the lead counts as missing
    FLAT = 8  # constant: the lead counts as missing
    DERIVED = 16  # computed from two other limb leads
