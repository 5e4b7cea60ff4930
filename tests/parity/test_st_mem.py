"""ST-MEM against the numbers of the authors' code."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import linear

from anylead.interop import st_mem
from anylead.leads import lead_mask
from anylead.models import load_weights
from anylead.models.ecg_jepa import mean_over_leads
from anylead.models.lead_decoder import LeadDecoder, LeadDecoderConfig, normalized_patches
from anylead.models.st_mem import filter_matrix
from anylead.models.window import sine_table, standardize
from anylead.signals.resample import fourier
from parity.stand_in import assert_golden, encoder_of, facts, state, tensor, watched


def shapes(told, file):
    return {key: entry[0] for key, entry in told["files"][file]["keys"].items()}


@pytest.fixture(scope="module")
def golden_st_mem(golden_encoders):
    return facts(golden_encoders, "st_mem")


@pytest.fixture(scope="module")
def case(golden_st_mem):
    told, z = golden_st_mem
    found = st_mem.read({"model": state(shapes(told, "encoder")), "epoch": 1}, "file")
    return encoder_of(found, filters=False), z


@torch.no_grad()
def test_every_intermediate_is_the_original_one(case):
    encoder, z = case
    at = z["token_index"]
    blocks = {f"block{i}": encoder.layers[i] for i in (0, 5, 11)}
    attention = encoder.layers[0].out_projection
    patches = encoder.patch_projection
    with watched(patch_embedding=patches, attn_block0=attention, **blocks) as seen:
        context = encoder(z["input"]).context
    patch = seen.pop("patch_embedding")[:, [0, 1, 11]][:, :, [0, 1, 29]]
    assert_golden(patch, z["patch_embedding"], "patches")
    last = seen["block11"].unflatten(1, (12, 32))[:, :, 1:-1]
    assert_golden(last.mean(dim=2), z["tokens_lead_mean"], "mean of each lead")
    for name, value in seen.items():
        assert_golden(value[:, at], z[name], name)
    tokens = encoder.between_separators(encoder.patches(z["input"]))
    tokens = encoder.with_leads(tokens, torch.ones(2, 12, dtype=torch.bool))
    assert_golden(tokens.flatten(1, 2)[:, at], z["tokens"], "tokens")
    assert context.shape == (2, 30, 768)
    assert_golden(encoder.pool(context), z["features"])
    head = tensor("head.weight", (3, 768)), tensor("head.bias", (3,))
    assert_golden(linear(encoder.pool(context), *head), z["logits"])


CASES = {  # array -> the leads that are there, whose embedding each has
    "features_limb6": ("6", "name"),
    "features_I_II": ("2", "name"),
    "features_I": ("1", "name"),
    "features_II_author": ("II", "position"),
    "features_II_own": ("II", "name"),
    "features_II_V2_own": ("II,V2", "name"),
}


def twin(encoder, **changes):
    """The same weights with other settings."""
    other = type(encoder)(replace(encoder.config, **changes))
    load_weights(other, encoder.state_dict(), "twin")
    return other.eval()


@torch.no_grad()
@pytest.mark.parametrize("embedding", ["name", "position"])
def test_fewer_leads(case, embedding):
    encoder, z = case
    names = [name for name, (_, how) in CASES.items() if how == embedding]
    has_lead = torch.stack([torch.from_numpy(lead_mask(CASES[name][0])) for name in names])
    signal = z["input"][:1] * has_lead[:, :, None]  # the scale of those that are left: inside
    other = twin(encoder, lead_embedding=embedding)
    found = other.pool(other(signal, None, has_lead).context)
    for row, name in zip(found, names, strict=True):
        assert_golden(row, z[name][0], name)


@torch.no_grad()
def test_a_shorter_window_zeros_and_one_lead_is_never_spread_over_twelve(case):
    encoder, z = case
    signal = z["input"].clone()
    plain = twin(encoder, standardizes=False)  # the input was scaled before it was cut
    short = plain(signal[:1, :, :1500]).context
    assert_golden(plain.pool(short), z["features_short_1500"][:1])
    signal[:, 2:] = 0
    assert_golden(plain.pool(plain(signal[:1]).context), z["features_I_II_zero_filled"][:1])
    has_lead = torch.from_numpy(lead_mask("I"))[None]
    own = encoder.pool(encoder(z["input"][:1] * has_lead[:, :, None], None, has_lead).context)
    trap = z["features_I_in_12lead_model"][:1]
    assert (own - trap).abs().max() > 0.1
    # What the trap is: lead I with the embedding of every lead, 22 separators in the mean.
    scaled = standardize(z["input"][:1, :1], torch.ones(1, 1, dtype=torch.bool), eps=0)
    spread = plain.with_leads(
        plain.between_separators(plain.patches(scaled.expand(-1, 12, -1))), torch.ones(1, 12) > 0
    )
    tokens = plain.contextualize(spread, torch.ones(1, 12) > 0).flatten(1, 2)
    assert_golden(plain.norm(tokens[:, 1:-1].mean(dim=1)), trap)


@torch.no_grad()
def test_three_crops_and_the_mean_of_their_probabilities(case):
    encoder, z = case
    resampled = torch.from_numpy(fourier(z["raw_500hz_mv"][0].numpy(), 500, 250))
    crops = torch.stack([resampled[:, s : s + 2250] for s in z["crops_start"].tolist()])
    head = tensor("head.weight", (3, 768)), tensor("head.bias", (3,))
    logits = linear(encoder.pool(encoder(crops @ filter_matrix(2250)).context), *head)
    assert_golden(logits, z["eval_logits_per_crop"][0])
    assert_golden(logits.softmax(dim=1).mean(dim=0), z["eval_prob_softmax_mean"][0])


@torch.no_grad()
def test_masked_autoencoding_of_the_full_file(golden_st_mem):
    told, z = golden_st_mem
    aliases = told["files"]["full"]["aliases"]
    names = {key: s for key, s in shapes(told, "full").items() if key not in aliases}
    theirs = state(names)
    theirs |= {alias: theirs[original] for alias, original in aliases.items()}
    encoder = encoder_of(st_mem.read({"model": theirs}, "file"), filters=False)
    signal, everything = z["input"], torch.ones(2, 12, dtype=torch.bool)
    assert_golden(encoder.pool(encoder(signal[:1]).context), z["full_features"][:1])

    order = z["full_mask_noise"].argsort(dim=2)
    assert torch.equal(order.argsort(dim=2), z["full_ids_restore"])
    num_seen = int(30 * 0.25)
    tokens = encoder.encode_seen(encoder.patches(signal), order[:, :, :num_seen], everything)
    assert_golden(tokens.flatten(1, 2)[:, [0, 1, 8, 9, 10, 107]], z["full_latent"])
    decoder = LeadDecoder(768, 75, 30, LeadDecoderConfig()).eval()
    load_weights(decoder, st_mem.read_decoder(theirs, "file"), "file")
    found = decoder(tokens, order)
    assert_golden(found[:, [0, 7], ::5], z["full_pred"])
    is_masked = z["full_mask"].bool()
    wanted = normalized_patches(signal.unflatten(2, (-1, 75)))
    loss = (found - wanted).square().mean(dim=3)[is_masked].mean()
    assert_golden(loss[None], z["full_loss"][None])


def test_the_table_of_places_and_the_mean_over_leads(golden_st_mem):
    _, z = golden_st_mem
    rows = sine_table(30, 768).float()[[0, 1, 15, 29]]
    assert_golden(rows, z["sincos_pos_embedding"][1:5])
    has_lead = torch.from_numpy(lead_mask("I,V6"))[None]
    tokens = torch.arange(12.0).view(1, 12, 1, 1)
    assert mean_over_leads(tokens, has_lead).item() == 5.5
