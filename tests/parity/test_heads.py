"""Fine-tuned models of the original: classifier and ArcFace."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, linear, normalize
from torch.testing import assert_close

from anylead.models import build_encoder, load_weights, mean_over_frames
from parity import peer


def encoder_of(checkpoint):
    encoder = build_encoder(checkpoint.description["encoder"])
    load_weights(encoder, checkpoint.part("encoder"), "golden")
    return encoder.eval()


@pytest.mark.parametrize("case", ["ecg_2500", "zeroleads_2500"])
@torch.no_grad()
def test_classifier_logits_and_probabilities_agree(golden, case):
    z = peer.arrays(golden, f"classifier_{case}")
    checkpoint = peer.tiny_classifier(golden)
    context = encoder_of(checkpoint)(z["source"]).context
    assert_close(context, z["encoder_out"], **peer.TINY)
    head = checkpoint.part("head")
    logits = linear(mean_over_frames(context, None), head["weight"], head["bias"])
    assert_close(logits, z["logits"], **peer.TINY)
    assert_close(logits.sigmoid(), z["probs"], **peer.TINY)
    loss = binary_cross_entropy_with_logits(logits, z["label"], reduction="sum")
    assert_close(loss, z["bce_sum"], rtol=1e-5, atol=0)


@torch.no_grad()
def test_arcface_embedding_and_cosines_agree(golden):
    z = peer.arrays(golden, "arcface_ecg_2500")
    checkpoint = peer.tiny_arcface(golden)
    context = encoder_of(checkpoint)(z["source"]).context
    embedding = normalize(mean_over_frames(context, None), dim=1)
    assert_close(embedding, z["embedding"], **peer.TINY)
    cosine = linear(embedding, normalize(checkpoint.part("head")["weight"], dim=1))
    assert_close(cosine, z["cosine"], **peer.TINY)
    assert checkpoint.description["scale"] == float(z["scale"])
    assert checkpoint.description["margin"] == float(z["margin"])
