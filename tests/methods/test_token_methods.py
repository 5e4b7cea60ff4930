"""JEPA, masked autoencoding and CPC against their definitions, term by term."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch.nn.functional import layer_norm

from anylead.augment.random_lead_mask import RandomLeadMask
from anylead.errors import RecipeError
from anylead.methods import Pretraining, find_method
from anylead.methods.cpc import CPC, CPCConfig, other_times
from anylead.methods.jepa import JEPA, JEPAConfig, hidden_patches
from anylead.methods.masked_autoencoding import MaskedAutoencoding, patch_order
from anylead.models import ENCODERS, build_encoder
from augment.ecg_batches import ecg_batch


def tiny(kind, **changes):
    torch.manual_seed(0)
    return build_encoder({"kind": kind, **asdict(ENCODERS[kind].sizes["tiny"]), **changes})


def with_lead_masking(batch):
    return RandomLeadMask(prob=0.5)(batch)


@pytest.mark.parametrize("seen_by_the_encoder", [lambda b: b, with_lead_masking])
@torch.no_grad()
def test_jepa_is_the_mean_distance_to_the_copy_of_each_token_that_was_not_seen(seen_by_the_encoder):
    encoder = tiny("ecg_jepa")
    objective = JEPA(encoder, JEPAConfig(masked_share=0.5)).eval()
    complete = ecg_batch(2, 2, 400)
    seen = seen_by_the_encoder(complete)
    part = objective(encoder, seen, complete)

    is_hidden = hidden_patches(seen.row_seed(), torch.ones(4, 8, dtype=torch.bool), 0.5)
    assert is_hidden.sum(dim=1).tolist() == [4] * 4
    assert torch.equal(part.is_padding, is_hidden)
    has_lead = seen.has_lead.flatten(0, 1)[:, encoder.rows]
    kept = (~is_hidden).repeat(1, 8)
    tokens = encoder.contextualize(encoder.patches(seen.signal.flatten(0, 1)), has_lead, kept)
    is_seen = kept & has_lead.repeat_interleave(8, dim=1)
    predicted = objective.predict(tokens, is_seen, torch.ones_like(kept))
    whole = complete.signal.flatten(0, 1)
    target = encoder.contextualize(encoder.patches(whole), torch.ones(4, 8, dtype=torch.bool))
    total, terms = 0.0, 0
    for row in range(4):
        for lead in range(8):
            for patch in range(8):
                if has_lead[row, lead] and not is_hidden[row, patch]:
                    continue
                token = lead * 8 + patch
                wanted = layer_norm(target[row, token], (32,))
                error = (predicted[row, token] - wanted).abs()
                error = torch.where(error < 1, error.square() / 2, error - 0.5)
                total, terms = total + error.mean().item(), terms + 1
    assert part.terms == terms
    assert part.loss.item() == pytest.approx(total, rel=1e-4)


@torch.no_grad()
def test_nothing_of_a_hidden_patch_or_lead_reaches_the_prediction_of_jepa():
    encoder = tiny("ecg_jepa")
    objective = JEPA(encoder).eval()
    seen = ecg_batch(1, 1, 400)
    has_lead = seen.has_lead.clone()
    has_lead[:, :, 7] = False  # V2
    seen = replace(seen, has_lead=has_lead, signal=seen.signal * has_lead[..., None])
    part = objective(encoder, seen, seen)
    hidden = part.is_padding[0].nonzero()[:, 0]
    changed = seen.signal.clone()
    changed[..., 7, :] = 5
    for patch in hidden.tolist():
        changed[..., 50 * patch : 50 * patch + 50] = -3
    again = objective(encoder, replace(seen, signal=changed), seen)
    assert torch.allclose(again.loss, part.loss, rtol=1e-5)


def test_the_copy_of_jepa_follows_once_a_step():
    encoder = tiny("ecg_jepa")
    objective = JEPA(encoder, JEPAConfig(decay=0.5)).train()
    teacher = objective.teacher.copies["encoder"].norm.bias
    batch = ecg_batch(2, 1, 400)
    with torch.no_grad():
        encoder.norm.bias.fill_(1.0)
    for step, wanted in ((1, 1 - 2 / 11), (1, 1 - 2 / 11), (2, 1 - 2 / 11 * 3 / 12)):
        at = replace(batch, step=torch.tensor(step))
        objective(encoder, at, at)
        assert teacher[0].item() == pytest.approx(wanted)
    assert not any(p.requires_grad for p in objective.teacher.parameters())


@pytest.mark.parametrize("seen_by_the_encoder", [lambda b: b, with_lead_masking])
@torch.no_grad()
def test_masked_autoencoding_is_the_squared_error_of_each_hidden_patch(seen_by_the_encoder):
    encoder = tiny("st_mem")
    objective = MaskedAutoencoding(encoder).eval()
    batch = seen_by_the_encoder(ecg_batch(2, 1, 900))
    part = objective(encoder, batch, batch)
    has_lead, signal = (
        batch.has_lead[:, 0],
        encoder.window(batch.signal[:, 0], batch.has_lead[:, 0]),
    )
    order = patch_order(batch.row_seed(), torch.ones(2, 12, dtype=torch.bool))
    num_seen = 3  # a quarter of 12
    tokens = encoder.encode_seen(encoder.patches(signal), order[:, :, :num_seen], has_lead)
    drawn = objective.decoder(tokens, order)
    total, terms = 0.0, 0
    for row in range(2):
        for lead in range(12):
            for patch in order[row, lead, num_seen:].tolist():
                if has_lead[row, lead]:
                    wanted = signal[row, lead, 75 * patch : 75 * patch + 75]
                    wanted = (wanted - wanted.mean()) / (wanted.var() + 1e-6).sqrt()
                    total += (drawn[row, lead, patch] - wanted).square().mean().item()
                    terms += 1
    assert part.terms == terms
    assert part.loss.item() == pytest.approx(total, rel=1e-4)


@torch.no_grad()
def test_what_a_decoder_draws_does_not_depend_on_hidden_patches():
    encoder = tiny("st_mem", filters=False, standardizes=False)
    objective = MaskedAutoencoding(encoder).eval()
    signal = ecg_batch(1, 1, 900).signal[:, 0]
    order = patch_order(torch.tensor([5]), torch.ones(1, 12, dtype=torch.bool))
    everything = torch.ones(1, 12, dtype=torch.bool)
    drawn = []
    for change in (0.0, 7.0):
        changed = signal.clone().view(1, 12, 12, 75)
        changed.scatter_add_(
            2, order[:, :, 3:, None].expand(-1, -1, -1, 75), torch.full((1, 12, 9, 75), change)
        )
        patches = encoder.patches(changed.view(1, 12, 900))
        drawn.append(
            objective.decoder(encoder.encode_seen(patches, order[:, :, :3], everything), order)
        )
    assert torch.equal(drawn[0], drawn[1])
    assert sorted(order[0, 0].tolist()) == list(range(12)) and not torch.equal(
        order[0, 0], order[0, 1]
    )


@torch.no_grad()
def test_cpc_is_the_cross_entropy_of_the_feature_that_came_among_others():
    encoder = tiny("ecg_cpc").eval()
    config = CPCConfig(steps_ahead=3, num_negatives=5)
    objective = CPC(encoder, config)
    samples = torch.tensor([[80], [50]])
    batch = ecg_batch(2, 1, 80, num_samples=samples)
    part = objective(encoder, batch, batch)
    features = encoder.features(batch.signal[:, 0])
    context = encoder.contextualize(features)
    asked = torch.tensor([40 - 3, 25 - 3])
    chosen = other_times(batch.row_seed(), 37, asked, config)
    total = 0.0
    for row in range(2):
        for frame in range(int(asked[row])):
            heard = objective.predict(context[row, frame])
            times = [frame + 3, *(chosen[row, frame] + 3).tolist()]
            assert len(times) == 6 and frame + 3 not in times[1:]
            assert max(times) < (40, 25)[row]
            likeness = [(heard @ features[row, time]).item() for time in times]
            total += math.log(sum(math.exp(value - likeness[0]) for value in likeness))
    assert part.terms == asked.sum()
    assert part.loss.item() == pytest.approx(total, rel=1e-4)


@torch.no_grad()
def test_the_encoder_of_cpc_hears_nothing_of_what_is_to_come():
    encoder = tiny("ecg_cpc").eval()
    signal = ecg_batch(1, 1, 80).signal[:, 0]
    changed = signal.clone()
    changed[:, :, 42:] = 9
    before, after = encoder(signal).context, encoder(changed).context
    torch.testing.assert_close(before[:, :20], after[:, :20], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before[:, 22:], after[:, 22:], atol=1e-2)


@pytest.mark.parametrize("name", ["jepa", "masked_autoencoding", "cpc"])
def test_another_encoder_is_refused_and_a_global_method_joins(name):
    with pytest.raises(RecipeError, match=f"method {name}: wants encoder.kind"):
        Pretraining(tiny("resnet1d"), find_method(name), lambda b: b)
    joined = find_method(f"cmsc+{name}")
    assert joined.own_local is find_method(name).own_local
    assert joined.local_weight == joined.global_weight == 1
