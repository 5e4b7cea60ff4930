"""Encoder and local objective against the original program, tensor by tensor."""

import pytest
import torch
from torch.testing import assert_close

from anylead.losses.diversity import diversity_loss
from anylead.losses.info_nce import info_nce
from anylead.models import mean_over_frames
from parity import peer

CASES = ["ecg_2500", "zeroleads_2500"]


@pytest.fixture(scope="module")
def tiny(golden):
    return peer.tiny(golden)


@pytest.fixture(scope="module")
def base(golden):
    return peer.base(golden)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_every_intermediate_of_the_encoder_is_the_original_one(tiny, golden, case):
    z = peer.arrays(golden, f"tiny_{case}")
    encoder = tiny.encoder
    features = encoder.features(z["source"])
    normed = encoder.feature_norm(features)
    projected = encoder.feature_projection(normed)
    outputs = encoder.layer_outputs(normed)
    found = {
        "extract_conv_features": features.transpose(1, 2),
        "extract_features_ln": normed,
        "extract_post_extract_proj": projected,
        "extract_conv_pos": encoder.positional(projected),
        "extract_enc_in_ln": outputs[0],
        "extract_layer0_TBC": outputs[1].transpose(0, 1),
        "extract_layer1_TBC": outputs[2].transpose(0, 1),
        "extract_x": encoder(z["source"]).context,
        "pooled_mean": mean_over_frames(outputs[-1], None),
    }
    for name, value in found.items():
        peer.close(value, z[name], **peer.TINY, msg=lambda text, name=name: f"{name}: {text}")


@torch.no_grad()
def local_step(model, z, context, tolerance):
    """Targets, logits and every local loss term of one masked batch."""
    masked, negatives = peer.masked_of(z), peer.negatives_of(z)
    features = model.encoder.features(z["source"])
    normed = model.encoder.feature_norm(features)
    found = model.local(normed, context, masked, None, torch.tensor(0))
    codes = found.quantized.codes
    assert torch.equal(codes, z["code_index"])
    peer.close(found.quantized.vectors, z["quantized"], **tolerance)
    assert_close(found.quantized.prob_perplexity, z["prob_perplexity"], rtol=1e-4, atol=0)
    assert_close(found.quantized.code_perplexity, z["code_perplexity"], rtol=1e-4, atol=0)
    logits = peer.logits_by_definition(found.prediction, found.target, codes, negatives)
    peer.close(logits, z["logits"], rtol=1e-4, atol=1e-4)  # -inf must stand where theirs does

    loss, correct = info_nce(
        found.prediction, found.target, codes, peer.counts_of(negatives), masked.is_valid
    )
    terms = int(z["sample_size"])
    assert terms == masked.is_valid.sum()
    assert_close(loss.double(), z["loss_0_infonce"], rtol=1e-5, atol=0)
    assert int(correct) == int(z["correct"])
    diversity = diversity_loss(found.quantized.prob_perplexity, int(z["num_vars"]))
    assert_close(0.1 * terms * diversity.double(), z["loss_1_diversity"], rtol=1e-4, atol=0)
    penalty = features.square().mean()
    assert_close(penalty, z["features_pen"], rtol=1e-5, atol=0)
    assert_close(10.0 * terms * penalty.double(), z["loss_2_features_pen"], rtol=1e-5, atol=0)
    return loss, diversity, penalty, terms


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_masked_context_quantizer_logits_and_each_loss_term_agree(tiny, golden, case):
    z = peer.arrays(golden, f"tiny_{case}")
    encoder = tiny.encoder
    normed = encoder.feature_norm(encoder.features(z["source"]))
    context = encoder.contextualize(normed, z["mask_indices"])
    peer.close(context, z["masked_encoder_x"], **peer.TINY)
    loss, diversity, penalty, terms = local_step(tiny, z, context, peer.TINY)
    pooled = mean_over_frames(context, None)
    assert_close(pooled, z["cmsc_pooled"], **peer.TINY)
    cmsc = peer.cmsc_by_definition(pooled, z["patient_id"], z["segment"])
    assert terms * cmsc == pytest.approx(float(z["loss_3_cmsc"]), rel=1e-5)
    total = float(loss) + terms * (0.1 * float(diversity) + 10 * float(penalty) + cmsc)
    assert total == pytest.approx(float(z["loss_total"]), rel=1e-5)


@torch.no_grad()
def test_the_base_size_agrees(base, golden):
    z = peer.arrays(golden, "base_ecg_2500")
    encoder = base.encoder
    features = encoder.features(z["source"])
    assert_close(features[:1].transpose(1, 2), z["extract_conv_features_first_item"], **peer.BASE)
    normed = encoder.feature_norm(features)
    plain = encoder.contextualize(normed)
    assert_close(plain, z["extract_x"], **peer.BASE)
    assert_close(mean_over_frames(plain, None), z["pooled_mean"], **peer.BASE)
    context = encoder.contextualize(normed, z["mask_indices"])
    assert_close(context, z["masked_encoder_x"], **peer.BASE)
    local_step(base, z, context, peer.BASE)
    pooled = mean_over_frames(context, None)
    assert_close(pooled, z["cmsc_pooled"], **peer.BASE)
    cmsc = peer.cmsc_by_definition(pooled, z["patient_id"], z["segment"])
    assert int(z["sample_size"]) * cmsc == pytest.approx(float(z["loss_3_cmsc"]), rel=1e-4)


@torch.no_grad()
def test_the_original_lets_padding_leak_into_valid_frames(tiny, golden):
    """Its numbers are those of a positional convolution and a normalization that see padding."""
    z = peer.arrays(golden, "tiny_padded_2500")
    is_padding = z["out_padding_mask"]
    theirs = peer.original_context(tiny.encoder, z["source"], is_padding)
    assert_close(theirs[~is_padding], z["extract_x"][~is_padding], **peer.TINY)
    pooled = peer.original_pool(theirs, is_padding)
    assert_close(pooled, z["pooled_mean"], **peer.TINY)
    assert_close(mean_over_frames(theirs, is_padding), pooled, **peer.TINY)

    length = 1504  # the third recording alone, without its padding
    alone = tiny.encoder(z["source"][2:3, :, :length]).context
    frames = alone.shape[1]
    assert (theirs[2, :frames] - alone[0]).abs().max() > 0.1


@torch.no_grad()
def test_our_frames_do_not_change_with_the_padding_behind_them(tiny, golden):
    z = peer.arrays(golden, "tiny_padded_2500")
    num_samples = (~z["padding_mask"][:, 0]).sum(dim=1)
    padded = tiny.encoder(z["source"], num_samples)
    assert torch.equal(padded.is_padding, z["out_padding_mask"])
    for row, length in enumerate(num_samples.tolist()):
        alone = tiny.encoder(z["source"][row : row + 1, :, :length]).context[0]
        assert_close(padded.context[row, : len(alone)], alone, rtol=0, atol=5e-6)


@torch.no_grad()
def test_masked_batches_with_padding_agree_when_padding_leaks_as_in_the_original(tiny, golden):
    z = peer.arrays(golden, "tiny_padded_2500")
    is_padding = z["out_padding_mask"]
    context = peer.original_context(tiny.encoder, z["source"], is_padding, z["mask_indices"])
    assert_close(context[~is_padding], z["masked_encoder_x"][~is_padding], **peer.TINY)
    local_step(tiny, z, context, peer.TINY)
    pooled = peer.original_pool(context, is_padding)
    assert_close(pooled, z["cmsc_pooled"], **peer.TINY)
    cmsc = peer.cmsc_by_definition(pooled, z["patient_id"], z["segment"])
    assert int(z["sample_size"]) * cmsc == pytest.approx(float(z["loss_3_cmsc"]), rel=1e-5)


def test_a_mean_counts_values_that_happen_to_be_zero():
    context = torch.zeros(1, 4, 2)
    context[0, 0, 0] = 2.0
    assert torch.equal(mean_over_frames(context, None), torch.tensor([[0.5, 0.0]]))
    theirs = peer.original_pool(context)
    assert theirs[0, 0] == 2.0
    assert theirs[0, 1].isnan()
