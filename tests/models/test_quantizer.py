import math

import pytest
import torch

from anylead.models.quantizer import GumbelQuantizer

STEP = torch.tensor(0)


def quantizer():
    torch.manual_seed(0)
    return GumbelQuantizer(feature_dim=6, dim=8, num_groups=2, num_codes=5)


def features():
    return torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(1))


VALID = torch.ones(3, 4, dtype=torch.bool)


def test_vectors_are_the_chosen_entries_of_the_codebooks():
    model = quantizer()
    result = model(features(), VALID, None, STEP)
    for row in range(3):
        for frame in range(4):
            parts = [model.codebooks[g, result.codes[row, frame, g]] for g in range(2)]
            torch.testing.assert_close(result.vectors[row, frame], torch.cat(parts))


def test_noise_changes_the_choice_and_the_gradient_equals_the_dense_formula():
    model, x = quantizer(), features()
    noise = model.gumbel_noise(torch.arange(3), 4)
    weight = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(2))
    (model(x, VALID, noise, STEP).vectors * weight).sum().backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()

    logits = model.choose(x).view(3, 4, 2, 5)
    soft = ((logits + noise) / 2.0).softmax(-1)
    hard = torch.nn.functional.one_hot(soft.argmax(-1), 5)
    straight_through = hard - soft.detach() + soft
    dense = torch.einsum("rfgc,gcd->rfgd", straight_through, model.codebooks).flatten(2)
    (dense * weight).sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-5)
    assert found["choose.weight"].abs().sum() > 0


def test_perplexities_are_exp_of_entropies():
    model, x = quantizer(), features()
    is_valid = VALID.clone()
    is_valid[2, 1:] = False
    result = model(x, is_valid, None, STEP)
    probability = model.choose(x).view(3, 4, 2, 5).softmax(-1)[is_valid].mean(0)
    chosen = torch.nn.functional.one_hot(result.codes[is_valid], 5).float().mean(0)
    for found, distribution in (
        (result.prob_perplexity, probability),
        (result.code_perplexity, chosen),
    ):
        by_hand = sum(
            math.exp(-sum(p * math.log(p) for p in group.tolist() if p > 0))
            for group in distribution
        )
        assert found.item() == pytest.approx(by_hand, rel=1e-4)


def test_gumbel_noise_has_the_mean_and_variance_of_its_distribution():
    noise = quantizer().gumbel_noise(torch.arange(300), 20)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.02)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, rel=0.03)


def test_temperature_falls_to_its_floor():
    model = quantizer()
    at = [model.temperature_at(torch.tensor(step)).item() for step in (0, 1000, 10**7)]
    assert at == pytest.approx([2.0, 2.0 * 0.999995**1000, 0.5])
