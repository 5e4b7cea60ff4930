"""Random numbers as a pure function of (seed of the record, purpose, index).

Every draw of masks, negatives and augmentations comes from here. A draw so depends on the record
and the step alone: not on the batch around it, the rank, the number of workers or the device, and
a run that is resumed needs no state of a generator.
"""

import torch
from torch import Tensor

_MASK32 = 0xFFFFFFFF
_WEYL = 0x9E3779B9


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
    bits = _hash(seed, num, purpose).bitwise_right_shift_(9).bitwise_and_(0x7FFFFF)
    return bits.to(torch.float32).add_(0.5).mul_(2.0**-23)


def normal(seed: Tensor, num: int, purpose: int) -> Tensor:
    """(rows, num) standard normal numbers (Box-Muller)."""
    radius, angle = uniform(seed, 2 * num, purpose).chunk(2, dim=1)
    return torch.sqrt(-2 * radius.log()) * torch.cos(2 * torch.pi * angle)


def integers(seed: Tensor, num: int, high: Tensor | int, purpose: int) -> Tensor:
    """(rows, num) int64 in [0, high); `high` may differ by row: (rows, 1)."""
    return (_bits(seed, num, purpose) * torch.as_tensor(high, device=seed.device)) >> 32


def permutation_keys(seed: Tensor, num: int, purpose: int) -> Tensor:
    """(rows, num) int64, different from each other in a row: sort them for a permutation."""
    return _bits(seed, num, purpose) * num + torch.arange(num, device=seed.device)


def _bits(seed: Tensor, num: int, purpose: int) -> Tensor:
    """(rows, num) int64 below 2**32."""
    return _hash(seed, num, purpose).long() & _MASK32


def _hash(seed: Tensor, num: int, purpose: int) -> Tensor:
    """32 random bits for each (row, index), as int32: rounds of Prospector's `lowbias32` mixer."""
    if torch.compiler.is_compiling():  # products of int32 may not wrap around in generated C++
        return _signed(_wide_hash(seed, num, purpose))
    low, high = _signed(seed), _signed(seed >> 32)
    row = _mix(_mix(low ^ _signed_constant(purpose * _WEYL)) ^ high)[:, None]
    index = torch.arange(num, device=seed.device, dtype=torch.int32) * _signed_constant(_WEYL)
    return _mix(_mix(row + index).bitwise_xor_(row))


def _wide_hash(seed: Tensor, num: int, purpose: int) -> Tensor:
    """The same bits computed in int64, slower, below 2**32; no product reaches 2**63."""
    low, high = seed & _MASK32, (seed >> 32) & _MASK32
    row = _wide_mix(_wide_mix(low ^ (purpose * _WEYL & _MASK32)) ^ high)[:, None]
    index = torch.arange(num, device=seed.device) * _WEYL & _MASK32
    return _wide_mix(_wide_mix(row + index & _MASK32) ^ row)


def _wide_mix(x: Tensor) -> Tensor:
    x = (x ^ (x >> 16)) * 0x7FEB352D & _MASK32
    x = (x ^ (x >> 15)) * 0x6C62272E & _MASK32
    return x ^ (x >> 16)


def _mix(x: Tensor) -> Tensor:
    """Mix 32 bits in place; int32 products wrap around, and shifts are made logical by a mask."""
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15).bitwise_and_(0x1FFFF)
    x *= 0x6C62272E
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    return x


def _signed(x: Tensor) -> Tensor:
    """The low 32 bits of an int64 tensor."""
    return (((x & _MASK32) ^ 0x80000000) - 0x80000000).to(torch.int32)


def _signed_constant(value: int) -> int:
    return ((value & _MASK32) ^ 0x80000000) - 0x80000000
