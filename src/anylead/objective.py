"""The contract between loading, methods and tasks, and the training loop. Read this first.

A pre-training method and a downstream task are the same thing to the loop: a module that turns a
`Batch` into a `Step`.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from anylead.randomness import integers

_PURPOSE = 0x524F5753  # "ROWS"


@dataclass(frozen=True)
class Batch:
    """Recordings on their way into a model.

    A loader hands `signal` out as the int16 steps of the store; `to` makes it millivolts, on the
    device. Methods, augmentations and tasks get batches that have been there.

    Attributes:
        signal: (batch, segment, lead, time) float32 mV, canonical 12 leads, missing ones zero.
            With `scale`: int16, in steps of it.
        has_lead: (batch, segment, lead) bool.
        num_samples: (batch, segment) int64, samples from there on are padding (zero); None means
            that nothing is padded.
        patient: (batch,) int64; equal numbers are one person.
        record: (batch,) int64, row in the store.
        seed: (batch,) int64; every random draw about a record is a function of its seed
            (`anylead.augment.randomness`), so it depends neither on the batch nor on the rank.
        step: () int64, optimizer steps taken before this batch.
        label: (batch, class) float32, NaN where it is unknown, or None.
        start: (batch, segment) int64, first sample of each segment in its recording, or None where
            the batch was not cut from recordings.
        scale: (batch, lead) float32, mV of one step of an int16 `signal`; None where it is in mV.
    """

    signal: Tensor
    has_lead: Tensor
    num_samples: Tensor | None
    patient: Tensor
    record: Tensor
    seed: Tensor
    step: Tensor
    label: Tensor | None = None
    start: Tensor | None = None
    scale: Tensor | None = None

    def row_seed(self) -> Tensor:
        """(batch * segment,) int64: a seed for each segment of each recording."""
        return integers(self.seed, self.signal.shape[1], 1 << 31, _PURPOSE).flatten()

    def pin(self) -> "Batch":
        """The same batch in page-locked memory, from where a GPU fetches it without waiting."""
        pinned = {
            name: value.pin_memory() for name, value in vars(self).items() if value is not None
        }
        return replace(self, **pinned)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device, its signal in millivolts."""
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if value is not None
        }
        scale = moved.pop("scale", None)
        if scale is not None:
            # A product of int16 and float32 takes twice as long as these two.
            moved["signal"] = moved["signal"].float().mul_(scale[:, None, :, None])
        return replace(self, **moved, scale=None)


@dataclass(frozen=True)
class Step:
    """What an objective makes of one batch.

    Attributes:
        loss: scalar, summed over `terms` terms; the loop divides, so micro-batches add up exactly.
        terms: scalar, number of masked frames, or of recordings.
        logs: scalars to log, averaged over the batch.
    """

    loss: Tensor
    terms: Tensor
    logs: dict[str, Tensor]


class Objective(Protocol):
    """What the loop trains: an `nn.Module` with this call."""

    def __call__(self, batch: Batch) -> Step:
        """One forward pass."""
        ...
