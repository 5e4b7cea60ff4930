"""The golden numbers of the original program, and its steps composed from our parts."""

import importlib.util
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from anylead.checkpoint import Checkpoint
from anylead.interop.fairseq_names import to_ours
from anylead.interop.fairseq_signals import Hints, read_fairseq_signals
from anylead.losses.info_nce import unit
from anylead.models import (
    Encoder,
    EncoderConfig,
    MaskedPrediction,
    MaskedPredictionConfig,
    build_encoder,
    load_weights,
)
from anylead.models.masking import Masked
from conftest import Golden

TINY = {"rtol": 1e-5, "atol": 1e-5}
BASE = {"rtol": 1e-4, "atol": 1e-4}


def arrays(golden: Golden, name: str) -> dict[str, Tensor]:
    """The arrays of a golden file."""
    with np.load(golden / f"{name}.npz") as file:
        return {key: torch.from_numpy(np.array(file[key])) for key in file.files}


def close(found: Tensor, expected: Tensor, **tolerance) -> None:
    """Equal within a tolerance, as far as the golden numbers go: they may be a leading block."""
    assert_close(found[tuple(slice(size) for size in expected.shape)], expected, **tolerance)


@dataclass
class Pretrained:
    """Both halves of a pre-trained model, in evaluation mode."""

    encoder: Encoder
    local: MaskedPrediction


def tiny(golden: Golden) -> Pretrained:
    return pretrained(read_fairseq_signals(golden / "tiny_pretrain.pt"))


def tiny_classifier(golden: Golden) -> Checkpoint:
    hints = Hints(pretrained=golden / "tiny_pretrain.pt")
    return read_fairseq_signals(golden / "tiny_classifier.pt", hints)


def tiny_arcface(golden: Golden) -> Checkpoint:
    return read_fairseq_signals(golden / "tiny_arcface.pt", Hints(num_heads=4))


def base(golden: Golden) -> Pretrained:
    """The paper's size with the deterministic weights of `det_init.py`."""
    spec = importlib.util.spec_from_file_location("det_init", golden / "det_init.py")
    det_init = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(det_init)
    theirs = {}
    for line in (golden / "base_parameter_shapes.txt").read_text().splitlines():
        name, shape = line.split("\t")
        dims = tuple(int(size) for size in shape.strip("()").split(",") if size.strip())
        theirs[name] = torch.from_numpy(
            np.ascontiguousarray(det_init.det_tensor(name, dims), dtype=np.float32)
        )
    with torch.device("meta"):  # 91 million weights are not drawn only to be overwritten
        config = MaskedPredictionConfig()
        model = Pretrained(Encoder(EncoderConfig()), MaskedPrediction(256, 768, config))
    ours = Checkpoint(to_ours(theirs), {})
    model.encoder.load_state_dict(ours.part("encoder"), assign=True)
    model.local.load_state_dict(ours.part("local"), assign=True)
    model.encoder.eval()
    model.local.eval()
    return model


def pretrained(checkpoint: Checkpoint) -> Pretrained:
    encoder = build_encoder(checkpoint.description["encoder"])
    config = MaskedPredictionConfig(**checkpoint.description["local"])
    local = MaskedPrediction(encoder.feature_dim, encoder.dim, config)
    return fill(Pretrained(encoder, local), checkpoint)


def fill(model: Pretrained, checkpoint: Checkpoint) -> Pretrained:
    load_weights(model.encoder, checkpoint.part("encoder"), "golden")
    load_weights(model.local, checkpoint.part("local"), "golden")
    model.encoder.eval()
    model.local.eval()
    return model


def masked_of(z: dict[str, Tensor]) -> Masked:
    frames = z["mask_indices"].nonzero()[:, 1].view(len(z["mask_indices"]), -1)
    return Masked(frames, torch.ones_like(frames, dtype=torch.bool))


def negatives_of(z: dict[str, Tensor]) -> Tensor:
    """(rows, masked, 100) indices within the row."""
    rows = len(z["mask_indices"])
    flat = z["neg_idxs"].long().view(rows, -1, 100)
    return flat - torch.arange(rows)[:, None, None] * flat.shape[1]


def counts_of(negatives: Tensor) -> Tensor:
    """(rows, masked, masked): how often j was drawn for i."""
    rows, size, _ = negatives.shape
    return torch.zeros(rows, size, size).scatter_add(2, negatives, torch.ones(negatives.shape))


def logits_by_definition(
    prediction: Tensor, target: Tensor, codes: Tensor, negatives: Tensor
) -> Tensor:
    """(101, rows, masked) as the original lays them out: the own target first."""
    cosine = unit(prediction) @ unit(target).transpose(1, 2) / 0.1
    own = cosine.diagonal(dim1=1, dim2=2)
    drawn = cosine.gather(2, negatives)
    rows = torch.arange(len(codes))[:, None, None]
    is_same = (codes[rows, negatives] == codes[:, :, None]).all(dim=-1)
    return torch.cat([own[None], drawn.masked_fill(is_same, -torch.inf).permute(2, 0, 1)])


def cmsc_by_definition(pooled: Tensor, patient: Tensor, segment: Tensor) -> float:
    """The original's global loss by loops: cosine / 0.1, cross-entropy both ways, averaged."""
    first, second = pooled[segment == 0], pooled[segment == 1]
    owner = patient[segment == 0]
    assert torch.equal(owner, patient[segment == 1])
    similarity = [
        [float(torch.cosine_similarity(a, b, dim=0)) / 0.1 for b in second] for a in first
    ]
    terms = []
    for i in range(len(owner)):
        row = sum(math.exp(value) for value in similarity[i])
        column = sum(math.exp(line[i]) for line in similarity)
        own = math.exp(similarity[i][i])
        terms.append(-(math.log(own / row) + math.log(own / column)) / 2)
    return sum(terms) / len(terms)


def original_context(
    encoder: Encoder, source: Tensor, is_padding: Tensor, is_masked: Tensor | None = None
) -> Tensor:
    """What the original makes of padded rows.

    It normalizes the convolutions over the padding too, and lets the positional convolution see
    the frames of the padding; they are zeroed only after it, before the first layer.
    """
    x = encoder.feature_projection(encoder.feature_norm(encoder.features(source)))
    if is_masked is not None:
        x = torch.where(is_masked[:, :, None], encoder.mask_vector, x)
    x = (x + encoder.positional(x)).masked_fill(is_padding[:, :, None], 0.0)
    x = encoder.norm(x)
    for layer in encoder.layers:
        x = layer(x, ~is_padding[:, None, None, :])
    return x


def original_pool(context: Tensor, is_padding: Tensor | None = None) -> Tensor:
    """Its mean over frames: the sum divided by how many values are not zero."""
    if is_padding is not None:
        context = context.masked_fill(is_padding[:, :, None], 0.0)
    return context.sum(dim=1) / (context != 0).sum(dim=1)
