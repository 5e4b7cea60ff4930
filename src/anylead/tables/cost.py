"""What an answer costs: parameters, bytes, operations and time of one recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from anylead.checkpoint import Checkpoint
from anylead.inference.model import Model
from anylead.inference.sources import StoreSource
from anylead.inference.windows import Windows
from anylead.store import Store

_TIMES = 5
NOTE = (
    "Cost: of one recording of median length, alone, preprocessed. Weights of encoder and head; two"
    " operations for each multiplication and addition of products and convolutions (none for"
    " Fourier transforms, norms and activations); the fastest of 5."
)


@dataclass(frozen=True)
class Cost:
    """Of one recording.

    Attributes:
        parameters: of encoder and head.
        megabytes: of these weights, 10^6 bytes.
        gigaflops: 10^9 operations.
        milliseconds: of the fastest of several.
        device: on which, and with how many threads.
    """

    parameters: int
    megabytes: float
    gigaflops: float
    milliseconds: float
    device: str


def measure(checkpoint: Checkpoint, store: Store, device: str) -> Cost:
    """The cost of a recording of median length of the store.

    Args:
        checkpoint: of any kind of model.
        store: prepared as the model expects.
        device: where it runs.
    """
    model = Model(checkpoint, device)
    row = int(np.argsort(store.num_samples, kind="stable")[store.num_records // 2])
    windows, _ = StoreSource(store).read(row, model, "12")
    parts = [model.encoder, *([] if model.head is None else [model.head])]
    weights = [weight for part in parts for weight in part.parameters()]
    return Cost(
        parameters=sum(weight.numel() for weight in weights),
        megabytes=sum(weight.numel() * weight.element_size() for weight in weights) / 1e6,
        gigaflops=_operations(model, windows) / 1e9,
        milliseconds=1e3 * min(_seconds(model, windows) for _ in range(1 + _TIMES)),
        device=device if model.device.type == "cuda" else f"CPU, threads {torch.get_num_threads()}",
    )


def read_cost(facts: Mapping[str, Any]) -> Cost | None:
    """The cost that a finished cell tells, if it does."""
    return Cost(**facts["cost"]) if facts.get("cost") else None


@torch.no_grad()
def _operations(model: Model, windows: Windows) -> int:
    """Counted on the module itself: what runs is packed, and its products have other names."""
    signal = torch.from_numpy(windows.signal).to(model.device)
    has_lead = torch.from_numpy(windows.has_lead).to(model.device).expand(len(signal), -1)
    encoder: Any = model.encoder
    with FlopCounterMode(display=False) as counter:
        context = encoder(signal, None, has_lead).context
        if model.head is not None:
            model.head(context, None, encoder.pool)
    return int(counter.get_total_flops())


def _seconds(model: Model, windows: Windows) -> float:
    started = perf_counter()
    if model.head is not None:
        model.logits([windows])
    else:
        model.vectors([windows])
    return perf_counter() - started
