"""The encoder of a model over windows of recordings, in batches."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anylead.errors import RecipeError
from anylead.inference.windows import Floats, Windows, batches


@torch.inference_mode()
def over_windows(
    encode: Callable[[Tensor, Tensor], Tensor],
    windows: Sequence[Windows],
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[Windows, Floats]]:
    """(window, ...) of each recording, in order; windows of one length run together.

    Args:
        encode: (window, 12, time) and (window, 12) has_lead -> (window, ...).
        windows: of each recording.
        batch_size: windows at once.
        device: where they run.
    """
    done: list[list[Floats | None]] = [[None] * len(each.start) for each in windows]
    for places in batches(windows, batch_size):
        signal = np.stack([windows[r].signal[w] for r, w in places])
        has_lead = np.stack([windows[r].has_lead for r, _ in places])
        encoded = encode(torch.from_numpy(signal).to(device), torch.from_numpy(has_lead).to(device))
        for (r, w), value in zip(places, encoded.cpu().numpy(), strict=True):
            done[r][w] = value
    for each, values in zip(windows, done, strict=True):
        yield each, np.stack([value for value in values if value is not None])


def context_of(
    encoder: Any, signal: Tensor, has_lead: Tensor, layer: int | None, precision: torch.dtype
) -> Tensor:
    """(window, frame, channels) in float32, the output of a layer.

    Raises:
        RecipeError: no such layer.
    """
    with torch.autocast(signal.device.type, precision, enabled=precision != torch.float32):
        if layer is None:
            context: Tensor = encoder(signal, None, has_lead).context
            return context.float()
        number = number_of(encoder, layer)
        chosen: Tensor = next(islice(encoder.through_layers(signal, has_lead), number, None))
        return chosen.float()


def number_of(encoder: Any, layer: int | None) -> int:
    """0 for what enters the first layer, i for the output of layer i; negative from the last on.

    Raises:
        RecipeError: no such layer.
    """
    num = len(encoder.layer_dims)
    number = num - 1 if layer is None else layer
    if number not in range(-num, num):
        raise RecipeError(f"layer {layer}: this model has 0 (before the first) to {num - 1}")
    return int(number) % num


def keep(context: Tensor) -> Tensor:
    """Every frame."""
    return context


def mean(context: Tensor) -> Tensor:
    """(window, dim), the mean over frames."""
    return context.mean(dim=1)


def largest(context: Tensor) -> Tensor:
    """(window, dim), the largest of the frames."""
    return context.amax(dim=1)
