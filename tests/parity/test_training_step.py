"""One training step of the original: loss, gradients, and its Adam."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from anylead.interop.fairseq_names import to_ours
from anylead.losses.cmsc import cmsc_loss
from anylead.losses.diversity import diversity_loss
from anylead.losses.info_nce import info_nce
from anylead.models import Encoder, MaskedPrediction, mean_over_frames
from parity import peer


def original_cmsc(pooled):
    """The original's: the lengths of the embeddings are constants to the gradient."""
    pooled = pooled / pooled.detach().norm(dim=1, keepdim=True)
    first, second = pooled.unflatten(0, (-1, 2)).unbind(1)
    similarity = first @ second.T / 0.1
    own = torch.arange(len(first))
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(similarity, own) + cross_entropy(similarity.T, own)) / 2


def our_cmsc(pooled):
    first, second = pooled.unflatten(0, (-1, 2)).unbind(1)
    record = torch.arange(len(first))
    return cmsc_loss(first, second, record, record)


@pytest.fixture(scope="module")
def step(golden):
    return training_step(golden, original_cmsc)


def training_step(golden, cmsc):
    """The model after backward, all dropouts off, and the golden numbers."""
    z = peer.arrays(golden, "tiny_trainstep_ecg_2500")
    start = peer.tiny(golden)
    off = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}
    encoder = Encoder(replace(start.encoder.config, **off))
    config = replace(start.local.config, feature_dropout=0.0)
    local = MaskedPrediction(encoder.feature_dim, encoder.dim, config)
    encoder.load_state_dict(start.encoder.state_dict())
    local.load_state_dict(start.local.state_dict())
    model = torch.nn.ModuleDict({"encoder": encoder, "local": local}).train()

    masked, negatives = peer.masked_of(z), peer.negatives_of(z)
    rows, size, _ = negatives.shape
    noise = z["gumbels"].view(rows, size, 2, 320)
    features = encoder.features(z["source"])
    normed = encoder.feature_norm(features)
    context = encoder.contextualize(normed, z["mask_indices"])
    found = local(normed, context, masked, noise, z["num_updates"])
    counts = peer.counts_of(negatives)
    contrast, correct = info_nce(
        found.prediction, found.target, found.quantized.codes, counts, masked.is_valid
    )
    diversity = diversity_loss(found.quantized.prob_perplexity, 640)
    terms = rows * size
    parts = (
        contrast,
        0.1 * terms * diversity,
        10.0 * terms * features.square().mean(),
        terms * cmsc(mean_over_frames(context, None)),
    )
    (sum(parts) / terms).backward()
    return z, model, parts, int(correct), found


def golden_tensors(z, prefix):
    theirs = {k.removeprefix(prefix): v for k, v in z.items() if k.startswith(prefix)}
    return to_ours(theirs)


def test_codes_under_gumbel_noise_and_every_loss_term_agree(step):
    z, _, parts, correct, found = step
    assert torch.equal(found.quantized.codes.flatten(), z["code_index"])
    for i, part in enumerate(parts):
        assert part.item() == pytest.approx(float(z[f"log_loss_{i}"]), rel=2e-5), i
    assert sum(parts).item() == pytest.approx(float(z["loss_total"]), rel=1e-5)
    assert correct == int(z["log_correct"])


def test_every_gradient_agrees(step):
    z, model, *_ = step
    gradients = golden_tensors(z, "grad/")
    ours = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert ours.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert_close(
            ours[name],
            gradient,
            rtol=1e-3,
            atol=2e-6,
            msg=lambda text, name=name: f"{name}: {text}",
        )
    norm = torch.stack([gradient.square().sum() for gradient in ours.values()]).sum().sqrt()
    assert float(norm) == pytest.approx(float(z["grad_norm"]), rel=1e-4)


def test_our_global_loss_has_the_same_value_and_a_whole_gradient(golden, step):
    """It follows the lengths too, so that it never pushes an embedding along itself."""
    z, model, parts, *_ = training_step(golden, our_cmsc)
    assert parts[3].item() == pytest.approx(float(z["log_loss_3"]), rel=2e-5)
    theirs, ours = dict(step[1].named_parameters()), dict(model.named_parameters())
    assert_close(
        ours["local.project_context.weight"].grad,
        theirs["local.project_context.weight"].grad,
        rtol=1e-4,
        atol=1e-6,
    )
    name = "encoder.norm.weight"
    assert (ours[name].grad - theirs[name].grad).abs().max() > 0.01


def after_adam(step, eps):
    z, model, *_ = step
    parameters = {name: p.detach().clone() for name, p in model.named_parameters()}
    for name, parameter in parameters.items():
        parameter.grad = golden_tensors(z, "grad/")[name].clone()
    adam = torch.optim.AdamW(
        parameters.values(), lr=float(z["lr"]), betas=(0.9, 0.98), eps=eps, weight_decay=0.01
    )
    adam.step()
    return parameters


def test_one_step_of_adam_agrees(step):
    """The original adds eps before the bias correction, torch after it: another eps, same step."""
    z = step[0]
    found = after_adam(step, eps=1e-6 / (1 - 0.98) ** 0.5)
    for name, value in golden_tensors(z, "after/").items():
        assert_close(found[name], value, rtol=1e-6, atol=1e-8)


def test_plain_adamw_differs_by_less_than_its_step(step):
    z = step[0]
    found = after_adam(step, eps=1e-6)
    differences = [
        float((found[name] - value).abs().max())
        for name, value in golden_tensors(z, "after/").items()
    ]
    assert 1e-8 < max(differences) < float(z["lr"])
