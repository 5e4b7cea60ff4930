"""A trained module over batches, as it runs where nothing is learned."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.augment import Augmentation
from anylead.models.frozen import freeze
from anylead.objective import Batch


@torch.inference_mode()
def run_over(
    module: Any,
    output: Callable[[Any, Batch], Tensor],
    batches: Iterable[Batch],
    device: torch.device,
    precision: torch.dtype,
    restrict: Augmentation | None,
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """What comes out for each batch, in turn.

    Args:
        module: the trained module; a copy of it for inference is what runs.
        output: what is wanted of the copy.
        batches: (batch, window, lead, time) each.
        device: where it runs.
        precision: of the forward pass.
        restrict: takes leads away, or None.

    Yields:
        (batch,) rows of the store, and the output in float32.
    """
    frozen = None
    for batch in batches:
        moved = batch.to(device)
        frozen = frozen or freeze(module, moved.signal.shape[-1], precision)
        if restrict is not None:
            moved = restrict(moved)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            found = output(frozen, moved)
        yield batch.record.numpy(), found.float()
