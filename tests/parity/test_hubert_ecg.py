"""HuBERT-ECG against the numbers of the authors' code."""

import pytest
import torch
from torch.nn.functional import linear, normalize

from anylead.errors import CheckpointError
from anylead.interop import hubert_ecg
from anylead.models.encoder import mean_over_frames
from parity.stand_in import assert_golden, encoder_of, facts, state, watched


@pytest.fixture(scope="module")
def golden_hubert(golden_encoders):
    return facts(golden_encoders, "hubert_ecg")


def weights(told):
    return state({key: entry[0] for key, entry in told["keys"].items()})


def pooled(encoder, sequence):
    return list(encoder.hidden_states(encoder.project(sequence)))[-1].mean(dim=1)


@torch.no_grad()
@pytest.mark.parametrize("size", ["small", "base", pytest.param("large", marks=pytest.mark.slow)])
def test_every_intermediate_is_the_original_one(golden_hubert, size):
    told, z = golden_hubert
    theirs = weights(told["sizes"][size])
    encoder = encoder_of(hubert_ecg.read(theirs, "file"))
    frames, every = [0, 1, 46, 91, 92], 1 if size == "small" else 3
    with watched(conv=encoder.feature_extractor, positional=encoder.positional) as seen:
        projected = encoder.project(z["input"])
        states = list(encoder.hidden_states(projected))
    conv = seen["conv"].transpose(1, 2)[:, :: 16 if size == "small" else 64]
    assert_golden(conv, z[f"{size}_conv"], "conv")
    found = {
        "projection": projected,
        "positional": seen["positional"],
        "hidden0": states[0],
        "hidden1": states[1],
        "hidden_middle": states[len(encoder.layers) // 2],
        "last_hidden": states[-1],
    }
    for name, value in found.items():
        assert_golden(value[:, frames, ::every], z[f"{size}_{name}"], name)
    layers = torch.stack([state.mean(dim=1)[:, ::8] for state in states], dim=1)
    assert_golden(layers, z[f"{size}_layer_pooled"], "layers")
    assert_golden(encoder.pool(states[-1]), z[f"{size}_pooled"], "pooled")
    head = theirs["final_proj.0.weight"], theirs["final_proj.0.bias"]
    projected = normalize(linear(states[-1][:, frames], *head), dim=2)
    cosine = projected @ normalize(theirs["label_embedding.0.weight"], dim=1).T / 0.1
    assert_golden(cosine[..., ::10], z[f"{size}_codebook_logits"], "codebook")
    single = pooled(encoder, z["single_lead_input"])
    assert_golden(single, z[f"{size}_single_lead_pooled"], "one lead")


@torch.no_grad()
def test_masked_frames_fewer_leads_and_zeros(golden_hubert):
    told, z = golden_hubert
    encoder = encoder_of(hubert_ecg.read(weights(told["sizes"]["small"]), "file"))
    conv0 = encoder.feature_extractor.convs[0](z["input"][:, None])
    conv0 = torch.nn.functional.gelu(encoder.feature_extractor.norm(conv0))
    assert_golden(conv0[:, ::32, :40], z["small_conv0"])
    projected = encoder.project(z["input"])
    is_masked = torch.zeros(2, 93, dtype=torch.bool)
    is_masked[:, [3, 4, 50]] = True
    masked = list(encoder.hidden_states(projected, is_masked))[-1]
    assert_golden(masked[:, [0, 1, 46, 91, 92]], z["small_masked_last_hidden"])
    assert_golden(pooled(encoder, z["input"][:, :2500]), z["small_five_leads_pooled"])
    zeros = z["input"].clone()
    zeros[:, 1000:] = 0
    assert_golden(pooled(encoder, zeros), z["small_zero_filled_I_II_pooled"])


@torch.no_grad()
def test_the_fine_tuned_layout_in_both_spellings_of_the_weight_norm(golden_hubert):
    told, z = golden_hubert
    theirs = weights(told["sft_small"])
    found = hubert_ecg.read({"model_state_dict": theirs, "linear": True}, "file")
    encoder = encoder_of(found)
    head = found.tensors["head.weight"], found.tensors["head.bias"]
    assert_golden(linear(pooled(encoder, z["input"]), *head), z["sft_small_logits"])

    # Their mask counts samples of the sequence from its begin, whatever leads it was meant for.
    is_padding = z["sft_small_attention_mask_tokens"] == 0
    sequence = z["input"].clone().unflatten(1, (12, 500))
    sequence[0, :, 400:] = 0
    sequence[1, :, :50] = 0
    projected = encoder.project(sequence.flatten(1))
    states = list(encoder.hidden_states(projected, None, is_padding))
    logits = linear(mean_over_frames(states[-1], is_padding), *head)
    assert_golden(logits, z["sft_small_attention_mask_logits"])

    stem = "hubert_ecg.encoder.pos_conv_embed.conv."
    old = dict(theirs)
    for new, name in (("original0", "weight_g"), ("original1", "weight_v")):
        old[stem + name] = old.pop(f"{stem}parametrizations.weight.{new}")
    again = hubert_ecg.read({"model_state_dict": old}, "file")
    assert all(torch.equal(again.tensors[name], found.tensors[name]) for name in found.tensors)
    del old[stem + "weight_g"]
    with pytest.raises(CheckpointError, match="missing positional"):
        encoder_of(hubert_ecg.read({"model_state_dict": old}, "file"))
