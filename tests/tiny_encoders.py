"""Checkpoints of every architecture, as small as there is, with random weights."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from anylead.models import ENCODERS, build_encoder, describe_encoder
from synthetic_store import open_store


def pretrained(kind: str) -> tuple[dict[str, Tensor], dict[str, Any], nn.Module]:
    """Tensors and description as `anylead pretrain` keeps them, and the encoder."""
    torch.manual_seed(0)
    encoder = build_encoder({"kind": kind, **asdict(ENCODERS[kind].sizes["tiny"])})
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    description = {
        "kind": "pretraining",
        "encoder": describe_encoder(encoder),
        "preprocess": asdict(open_store().manifest.preprocess),
        "segment_seconds": 5.0,
    }
    return tensors, description, encoder
