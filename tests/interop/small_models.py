"""Models of random weights for tests of everything behind `anylead.load`."""

from dataclasses import asdict

import torch

from anylead.checkpoint import Checkpoint, save_checkpoint
from anylead.models import Encoder, EncoderConfig, describe_encoder
from anylead.signals import PreprocessConfig

LABELS = ("AF", "LBBB", "STE")


def checkpoint(kind="classification", normalize="none", rate=250.0, **encoder_settings):
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(((16, 2, 2),) * 4, 24, 2, 2, 32, 16, 4, **encoder_settings))
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    description = {
        "kind": kind,
        "encoder": describe_encoder(encoder),
        "preprocess": asdict(PreprocessConfig(sample_rate=rate, normalize=normalize)),
        "segment_seconds": 2.0,
    }
    if kind == "classification":
        tensors |= {"head.weight": 3 * torch.randn(3, 24), "head.bias": torch.randn(3)}
        description |= {"task": "diagnosis", "label_names": list(LABELS)}
    return Checkpoint(tensors, description)


def folder(path, **settings):
    made = checkpoint(**settings)
    save_checkpoint(path, made.tensors, made.description)
    return path
