"""What every method of the table keeps to, and joined ones too."""

import copy
from dataclasses import asdict, replace

import pytest
import torch

from anylead.augment import AUGMENTATIONS, compose
from anylead.leads import LEAD_SETS, lead_mask
from anylead.methods import METHODS, Pretraining, find_method
from anylead.models import ENCODERS, Encoder, EncoderConfig, MaskedPredictionConfig, build_encoder
from anylead.training.distributed import World
from anylead.training.loop import train
from anylead.training.resume import StateWriter, load_state
from augment.ecg_batches import ecg_batch, take

JOINED = ["wav2vec2+simclr", "wav2vec2+three_kg", "cmlc+wav2vec2", "wav2vec2+cmsmlc", "cpc+cmsc"]
JOINED += ["jepa+cmsc", "masked_autoencoding+cmsc"]
# Methods that ask something else about an encoder of their own.
ENCODER_OF = {"jepa": "ecg_jepa", "masked_autoencoding": "st_mem", "cpc": "ecg_cpc"}
every = pytest.mark.parametrize("name", [*METHODS, *JOINED])

# Negatives of a global contrast come from the batch: micro-batches have fewer of them. The local
# one is a sum over frames; the terms that are means over a batch are left out.
ADDITIVE = MaskedPredictionConfig(
    dim=16, num_codes=8, num_negatives=20, diversity_weight=0, penalty_weight=0, feature_dropout=0
)
LOCAL = replace(ADDITIVE, diversity_weight=0.1, penalty_weight=10)


def objective(name, local=LOCAL, dropout=0.0, temperature=0.1):
    torch.manual_seed(0)
    own = [ENCODER_OF[part] for part in name.split("+") if part in ENCODER_OF]
    if own:
        shape = asdict(ENCODERS[own[0]].sizes["tiny"])
        shape |= {"window_samples": 400} if "window_samples" in shape else {}
        encoder = build_encoder({"kind": own[0], **shape})
        return Pretraining(encoder, find_method(name), compose([]), None, temperature)
    config = EncoderConfig(
        conv_layers=((16, 2, 2),) * 4,
        dim=32,
        num_layers=1,
        num_heads=2,
        ffn_dim=64,
        conv_pos_kernel=16,
        dropout=dropout,
        attention_dropout=dropout,
        input_dropout=dropout,
        feature_grad_scale=1.0,
    )
    method = find_method(name)
    augment = compose([AUGMENTATIONS[key](**fields) for key, fields in method.augment.items()])
    return Pretraining(Encoder(config), method, augment, local, temperature)


def gradients(module, batches):
    """Of the mean loss over the batches, as the loop makes it."""
    module.zero_grad()
    terms = 0
    for batch in batches:
        step = module(batch)
        step.loss.backward()
        terms = terms + step.terms
    return [p.grad / terms for p in module.parameters() if p.grad is not None]


@every
@pytest.mark.parametrize("leads", [*LEAD_SETS, "V3", "aVR,V1"])
def test_works_with_any_leads(name, leads):
    has_lead = torch.from_numpy(lead_mask(leads)).expand(4, 2, 12)
    step = objective(name)(ecg_batch(4, has_lead=has_lead, time=400))
    step.loss.backward()
    assert torch.isfinite(step.loss)
    assert step.terms > 0


@every
def test_is_finite_where_recordings_are_padded_and_leads_differ(name):
    has_lead = torch.ones(4, 2, 12, dtype=torch.bool)
    has_lead[1, :, 1:] = False
    has_lead[2] = False
    samples = torch.tensor([[400, 400], [250, 250], [400, 400], [90, 90]])
    module = objective(name)
    batch = ecg_batch(4, has_lead=has_lead, num_samples=samples, time=400)
    module(batch).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


@every
def test_one_recording_alone_is_finite(name):
    module = objective(name)
    module(ecg_batch(1, time=400)).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


@every
def test_the_same_seed_gives_the_same_step_and_another_one_another(name):
    module = objective(name)
    batch = ecg_batch(4, time=400)
    loss = module(batch).loss
    assert torch.equal(module(batch).loss, loss)
    draws_nothing = {METHODS[fixed].views for fixed in ("cmsc", "cmsmlc")}
    if find_method(name).local_weight or find_method(name).views not in draws_nothing:
        assert not torch.equal(module(replace(batch, seed=batch.seed + 1)).loss, loss)


@every
def test_other_recordings_of_a_patient_are_no_negatives(name):
    module = objective(name)
    batch = ecg_batch(4, time=400)
    one_person = replace(batch, patient=torch.zeros_like(batch.patient))
    step = module(one_person)
    if find_method(name).global_weight:
        assert step.logs["global"] == pytest.approx(0, abs=1e-5)  # nobody is left to repel


@every
def test_overfits_one_batch(name):
    module = objective(name, temperature=0.2)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    batch = ecg_batch(8, time=400)
    values = []
    for _ in range(60):
        step = module(batch)
        optimizer.zero_grad()
        (step.loss / step.terms).backward()
        optimizer.step()
        values.append((step.loss / step.terms).item())
        if max(values[-3:]) < 0.8 * values[0]:
            return
    raise AssertionError(f"{values[0]} became {values[-1]}")


def test_micro_batches_of_the_local_contrast_add_up_to_the_batch():
    module = objective("wav2vec2", ADDITIVE).eval()
    batch = ecg_batch(6, time=400)
    whole = gradients(module, [batch])
    parts = gradients(module, [take(batch, slice(0, 2)), take(batch, slice(2, 6))])
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@every
def test_a_resumed_run_takes_the_same_steps(name, tmp_path):
    batches = [(step, [ecg_batch(4, time=400, seed=step)]) for step in range(4)]

    def run(module, optimizer, steps):
        train(
            module,
            steps,
            optimizer,
            learning_rate=lambda _: 1e-3,
            max_grad_norm=0,
            device=torch.device("cpu"),
            precision=torch.float32,
            world=World(),
            on_step=lambda _: None,
        )

    module = objective(name, dropout=0.1)
    optimizer = torch.optim.AdamW(module.parameters())
    torch.manual_seed(5)
    run(module, optimizer, batches[:2])
    writer = StateWriter(tmp_path, keep_last=1)
    writer.save(module, optimizer, {"step": 2})
    writer.finish()
    run(module, optimizer, batches[2:])
    expected = copy.deepcopy(module.state_dict())

    module = objective(name, dropout=0.1)
    optimizer = torch.optim.AdamW(module.parameters())
    load_state(tmp_path, module, optimizer)
    run(module, optimizer, batches[2:])
    for key, value in module.state_dict().items():
        assert torch.equal(value, expected[key]), key
