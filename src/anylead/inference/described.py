"""The parts of a model that a checkpoint describes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from anylead.errors import CheckpointError
from anylead.models import build_encoder, load_weights
from anylead.signals import PreprocessConfig


def filled_encoder(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """An encoder that takes the tensors as they are: no weights are drawn to be overwritten."""
    with torch.device("meta"):
        encoder = build_encoder(description)
    buffers = dict(encoder.named_buffers()).keys() - encoder.state_dict().keys()
    if buffers:  # such as constant tables, which a checkpoint does not hold
        encoder = build_encoder(description)
    load_weights(encoder, tensors, "checkpoint", assign=not buffers)
    return encoder


def preprocess_config(description: Mapping[str, Any]) -> PreprocessConfig:
    """The preprocessing that a model expects.

    Raises:
        CheckpointError: it is not told, or makes no sense.
    """
    try:
        return PreprocessConfig(**description["preprocess"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"no usable preprocessing in the checkpoint ({error})") from error
