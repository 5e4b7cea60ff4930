"""A classifier that knows something, made in seconds: random features, fitted head.

The encoder keeps its random weights; the head is a logistic regression on its embeddings of
generated ECGs, some of them with few leads.
"""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from anylead import datasets
from anylead.checkpoint import Checkpoint, save_checkpoint
from anylead.inference.model import Model
from anylead.models import Encoder, EncoderConfig, describe_encoder
from anylead.records import Record
from anylead.signals import PreprocessConfig

LABELS = ("SR", "SBRAD", "STACH", "AFIB", "LBBB", "RBBB", "STE")
RATE = 100.0


@cache
def recordings() -> tuple[Record, ...]:
    """100 generated ECGs of 5 s."""
    made = datasets.records("synthetic", num_patients=100, records_per_patient=1, seconds=5.0,
                            sample_rate=RATE)  # fmt: skip
    return tuple(made)


@cache
def checkpoint() -> Checkpoint:
    """Its weights and description."""
    torch.manual_seed(3)
    encoder = Encoder(EncoderConfig(((48, 4, 2),) * 3, 48, 2, 2, 64, 16, 4))
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    description = {
        "kind": "classification",
        "encoder": describe_encoder(encoder),
        "preprocess": asdict(PreprocessConfig(sample_rate=RATE, highpass_hz=0.5)),
        "segment_seconds": 5.0,
        "task": "rhythm",
        "label_names": list(LABELS),
        "unit": "mV",
    }
    blank = {"head.weight": torch.zeros(len(LABELS), 48), "head.bias": torch.zeros(len(LABELS))}
    model = Model(Checkpoint(tensors | blank, description), "cpu")
    known = list(recordings())
    vectors = np.concatenate([model.embed(known), model.embed(known, use_leads="2")])
    centre, spread = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    weights, biases = [], []
    for label in LABELS:
        is_so = np.array([label in record.labels["rhythm"] for record in known] * 2)
        fitted = LogisticRegression(C=0.3, max_iter=200).fit((vectors - centre) / spread, is_so)
        weights.append(fitted.coef_[0] / spread)
        biases.append(fitted.intercept_[0] - float(fitted.coef_[0] @ (centre / spread)))
    head = {
        "head.weight": torch.tensor(np.array(weights), dtype=torch.float32),
        "head.bias": torch.tensor(biases, dtype=torch.float32),
    }
    return Checkpoint(tensors | head, description)


def model() -> Model:
    """Ready to use on the CPU."""
    return Model(checkpoint(), "cpu")


@cache
def folder() -> Path:
    """The same on disk."""
    path = Path(mkdtemp(prefix="anylead-test-")) / "model"
    save_checkpoint(path, checkpoint().tensors, checkpoint().description)
    return path
