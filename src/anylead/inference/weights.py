"""From a checkpoint to the parts of a model, and a hash of what decides its numbers."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from anylead.errors import CheckpointError
from anylead.models import build_encoder, load_weights
from anylead.models.heads import Head, filled_head
from anylead.models.weightless import nothing_drawn
from anylead.signals import PreprocessConfig


def filled_encoder(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """An encoder that takes the tensors as they are: no weights are drawn to be overwritten."""
    with nothing_drawn():
        encoder = build_encoder(description, tensors, "checkpoint")
    # Such as constant tables, which a checkpoint does not hold: memory of our own is filled.
    has_tables = bool(dict(encoder.named_buffers()).keys() - encoder.state_dict().keys())
    load_weights(encoder, tensors, "checkpoint", assign=not has_tables)
    return encoder


def classifier(description: Mapping[str, Any], tensors: Mapping[str, Tensor], dim: int) -> Head:
    """The head of a model, ready to run.

    Raises:
        CheckpointError: weights are missing or of another shape.
    """
    num_labels = len(description.get("label_names") or ())
    head = filled_head(description.get("head", "linear"), tensors, dim, num_labels)
    return head.eval().requires_grad_(False)


def preprocess_config(description: Mapping[str, Any]) -> PreprocessConfig:
    """What the model expects of signals.

    Raises:
        CheckpointError: the description does not say.
    """
    try:
        return PreprocessConfig(**description["preprocess"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"no usable preprocessing in the checkpoint ({error})") from error


def fingerprint(tensors: Mapping[str, Tensor], settings: Sequence[object]) -> str:
    """SHA-256 of weights and settings."""
    digest = sha256()
    for setting in settings:
        digest.update(repr(setting).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        # Flat, since a single number (such as a count of batches) has no bytes to view.
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
