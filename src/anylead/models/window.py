"""What encoders with a fixed window share: rows of one length run together, one scale for leads."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from anylead.errors import RecipeError
from anylead.models.encoder import Encoded

# A set of leads that moves by less than this has no scale.
_CONSTANT = 1e-6


def by_length(
    encode: Callable[[Tensor, Tensor], Tensor],
    signal: Tensor,
    num_samples: Tensor | None,
    has_lead: Tensor | None,
    shortest: int,
) -> Encoded:
    """Encode each row at its own length, so that padding can reach nothing.

    Args:
        encode: (rows, 12, time) and (rows, 12) bool -> (rows, frame, dim).
        signal: (rows, 12, time), zero where missing or padded.
        num_samples: (rows,) valid samples; None: all.
        has_lead: (rows, 12) bool; None: all present.
        shortest: samples of which the encoder makes a frame; a shorter row is padding only.
    """
    if has_lead is None:
        has_lead = torch.ones(signal.shape[:2], dtype=torch.bool, device=signal.device)
    if num_samples is None:
        return Encoded(encode(signal, has_lead), None)
    lengths = sorted(set(num_samples.tolist()))
    if lengths == [signal.shape[2]]:
        return Encoded(encode(signal, has_lead), None)
    rows, contexts = [], []
    for length in lengths:
        chosen = (num_samples == length).nonzero()[:, 0]
        rows.append(chosen)
        seen = max(length, shortest)  # what is too short is encoded too, and then left out
        contexts.append(encode(signal[chosen, :, :seen], has_lead[chosen]))
    num_frames = max(context.shape[1] for context in contexts)
    padded = torch.cat(
        [
            torch.nn.functional.pad(context, (0, 0, 0, num_frames - context.shape[1]))
            for context in contexts
        ]
    )
    num_valid = torch.tensor(
        [
            context.shape[1] if length >= shortest else 0
            for length, context, chosen in zip(lengths, contexts, rows, strict=True)
            for _ in range(len(chosen))
        ],
        device=signal.device,
    )
    order = torch.cat(rows).argsort()
    frame = torch.arange(num_frames, device=signal.device)
    return Encoded(padded[order], frame >= num_valid[order, None])


def last_of(outputs: Iterator[Tensor]) -> Tensor:
    """What comes last; nothing before it is kept."""
    output = next(outputs)
    for following in outputs:
        output = following
    return output


def longer_than_window(signal: Tensor, window_samples: int | None) -> RecipeError:
    """What to raise where an encoder has no places for so many samples."""
    return RecipeError(
        f"segments of {signal.shape[2]} samples; this encoder takes at most {window_samples}:"
        " shorten data.segment_seconds"
    )


def standardize(signal: Tensor, has_lead: Tensor, eps: float = 1e-8) -> Tensor:
    """One mean and one standard deviation for all samples of all present leads of a row.

    Args:
        signal: (rows, lead, time).
        has_lead: (rows, lead) bool; missing leads are zero afterwards.
        eps: added to the deviation.
    """
    present = has_lead[:, :, None].to(signal.dtype)
    count = (present.sum(dim=(1, 2), keepdim=True) * signal.shape[2]).clamp(min=1)
    mean = (signal * present).sum(dim=(1, 2), keepdim=True) / count
    centred = (signal - mean) * present
    variance = centred.square().sum(dim=(1, 2), keepdim=True) / count
    moves = variance > _CONSTANT**2
    deviation = torch.where(moves, variance, 1.0).sqrt()
    return centred / (deviation + eps) * moves


def to_unit_range(signal: Tensor, eps: float = 1e-8) -> Tensor:
    """The smallest value of all leads of a row becomes 0, the largest 1.

    A missing lead lies where 0 mV lies.

    Args:
        signal: (rows, lead, time) mV, zero where missing.
        eps: added to the range.
    """
    low, high = signal.amin(dim=(1, 2), keepdim=True), signal.amax(dim=(1, 2), keepdim=True)
    return (signal - low) / (high - low + eps)


def valid_patches(rows: Tensor, num_samples: Tensor | None, num_patches: int, size: int) -> Tensor:
    """Patches that no padding reaches.

    Args:
        rows: (rows, ...), for their number and device.
        num_samples: (rows,) valid samples; None: all.
        num_patches: of a row.
        size: samples of a patch.

    Returns:
        (rows, patch) bool.
    """
    place = torch.arange(num_patches, device=rows.device).expand(rows.shape[0], -1)
    return place >= 0 if num_samples is None else place < num_samples[:, None] // size


def sine_table(num: int, dim: int) -> Tensor:
    """(num, dim) float64: sines of position * 10000 ** (-2k / dim), then the cosines."""
    half = dim // 2
    frequency = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(num, dtype=torch.float64)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
