"""Random numbers as a pure function of (seed of the record, purpose, index).

Every draw of masks, negatives and augmentations comes from here. A draw so depends on the record
and the step alone: not on the batch around it, the rank, the number of workers or the device, and
a run that is resumed needs no state of a generator.
"""

import torch
from torch import Tensor

_MASK32 = 0xFFFFFFFF


def uniform(seed: Tensor, num: int, purpose: int) -> Tensor:
    """Uniform numbers in [0, 1).

    Args:
        seed: (rows,) int64.
        num: how many for each row.
        purpose: a constant of the caller, so that two users of one seed draw different numbers.

    Returns:
        (rows, num) float32.
    """
    # 23 bits plus half a step: the largest is below 1 also as a float32, and 0 never occurs.
    return ((_hash(seed, num, purpose) >> 9).to(torch.float32) + 0.5) * 2.0**-23


def normal(seed: Tensor, num: int, purpose: int) -> Tensor:
    """(rows, num) standard normal numbers (Box-Muller)."""
    radius, angle = uniform(seed, 2 * num, purpose).chunk(2, dim=1)
    return torch.sqrt(-2 * radius.log()) * torch.cos(2 * torch.pi * angle)


def integers(seed: Tensor, num: int, high: Tensor | int, purpose: int) -> Tensor:
    """(rows, num) int64 in [0, high); `high` may differ by row: (rows, 1)."""
    bits = _hash(seed, num, purpose)
    return (bits * torch.as_tensor(high, device=seed.device)) >> 32


def permutation_keys(seed: Tensor, num: int, purpose: int) -> Tensor:
    """(rows, num) int64, different from each other in a row: sort them for a permutation."""
    bits = _hash(seed, num, purpose)
    return bits * num + torch.arange(num, device=seed.device)


def derive(seed: Tensor, purpose: int) -> Tensor:
    """Another seed for each seed: for the segments of a record, or its views."""
    return _hash(seed, 1, purpose)[:, 0] | (_hash(seed, 1, ~purpose)[:, 0] >> 1 << 32)


def _hash(seed: Tensor, num: int, purpose: int) -> Tensor:
    """32 random bits for each (row, index) as int64: rounds of Prospector's `lowbias32` mixer."""
    low, high = seed & _MASK32, (seed >> 32) & _MASK32
    row = _mix(_mix(low ^ (purpose * 0x9E3779B9 & _MASK32)) ^ high)
    index = torch.arange(num, device=seed.device, dtype=torch.int64) * 0x9E3779B9 & _MASK32
    return _mix(_mix(row[:, None] + index[None, :] & _MASK32) ^ row[:, None])


def _mix(x: Tensor) -> Tensor:
    """Mix 32 bits; products stay below 2**63, so int64 never overflows."""
    x = x ^ (x >> 16)
    x = x * 0x7FEB352D & _MASK32
    x = x ^ (x >> 15)
    x = x * 0x6C62272E & _MASK32
    return x ^ (x >> 16)
