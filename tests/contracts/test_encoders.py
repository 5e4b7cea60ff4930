"""What every encoder of the table keeps to: padding, leads, gradients, what `load` gives."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import anylead
from anylead import datasets
from anylead.augment.random_lead_mask import RandomLeadMask
from anylead.checkpoint import Checkpoint, save_checkpoint
from anylead.commands import export, finetune
from anylead.errors import LeadError, RecipeError
from anylead.explanations.explaining import explain
from anylead.inference.model import Model
from anylead.leads import LEAD_SETS, LEADS, lead_mask
from anylead.models import ENCODERS, build_encoder, describe_encoder
from anylead.models.heads import build_head
from anylead.signals import PreprocessConfig
from anylead.tasks.linear_head import LinearHead
from augment.ecg_batches import ecg_batch
from test_export import QUIET

every = pytest.mark.parametrize("kind", ENCODERS)
RATE = 250.0
LABELS = ["AFIB", "LBBB", "STE"]


def tiny(kind):
    torch.manual_seed(0)
    return build_encoder({"kind": kind, **asdict(ENCODERS[kind].sizes["tiny"])})


def length(encoder):
    return encoder.window_samples or 800


def model(kind, classifier=True, head="linear"):
    encoder = tiny(kind)
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    description = {
        "kind": "classification" if classifier else "pretraining",
        "encoder": describe_encoder(encoder),
        "preprocess": asdict(PreprocessConfig(sample_rate=RATE)),
        "segment_seconds": length(encoder) / RATE,
    }
    if classifier:
        torch.manual_seed(1)
        weights = build_head(head, encoder.dim, 3).state_dict()
        tensors |= {f"head.{name}": torch.randn(tensor.shape) for name, tensor in weights.items()}
        description |= {"task": "rhythm", "label_names": LABELS, "head": head}
    return Model(Checkpoint(tensors, description), "cpu")


def record(seconds=10.0):
    return next(datasets.records("synthetic", num_patients=1, seconds=seconds, sample_rate=RATE))


def test_every_kind_has_the_three_sizes():
    for kind in ENCODERS.values():
        assert {"tiny", "small", "base"} <= kind.sizes.keys()
        assert isinstance(kind.sizes["tiny"], kind.config)


@every
@torch.no_grad()
def test_a_padded_row_is_the_recording_alone(kind):
    encoder = tiny(kind).eval()
    whole = length(encoder)
    samples = torch.tensor([whole, round(0.6 * whole), whole, round(0.6 * whole) + 1])
    batch = ecg_batch(4, 1, whole, num_samples=samples[:, None])
    signal = batch.signal[:, 0]
    encoded = encoder(signal, samples)
    pooled = encoder.pool(encoded.context, encoded.is_padding)
    assert pooled.shape == (4, encoder.dim)
    for row, count in enumerate(samples.tolist()):
        alone = encoder(signal[row : row + 1, :, :count])
        frames = alone.context.shape[1]
        assert encoded.is_padding[row].logical_not().sum() == frames
        torch.testing.assert_close(
            encoded.context[row, :frames], alone.context[0], rtol=1e-4, atol=1e-5
        )
        vector = encoder.pool(alone.context, alone.is_padding)[0]
        torch.testing.assert_close(pooled[row], vector, rtol=1e-4, atol=1e-5)


@every
def test_any_leads_give_finite_vectors_and_gradients_also_none_and_nothing_but_padding(kind):
    encoder = tiny(kind).train()
    sets = [*LEAD_SETS.values(), ("V3",), ("aVR", "V1"), ()]
    has_lead = torch.stack(
        [torch.from_numpy(lead_mask(s)) if s else torch.zeros(12) > 0 for s in sets]
    )
    whole = length(encoder)
    samples = torch.full((len(sets),), whole)
    samples[1] = 3
    batch = ecg_batch(len(sets), 1, whole, has_lead[:, None], samples[:, None])
    encoded = encoder(batch.signal[:, 0], samples, has_lead)
    pooled = encoder.pool(encoded.context, encoded.is_padding)
    assert pooled.isfinite().all()
    pooled.square().sum().backward()
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


@every
@torch.no_grad()
def test_leads_it_does_not_look_at_and_other_rows_change_nothing(kind):
    encoder = tiny(kind).eval()
    signal = ecg_batch(2, 1, length(encoder)).signal[:, 0]
    vector = encoder.pool(encoder(signal).context)
    alone = encoder.pool(encoder(signal[1:]).context)
    torch.testing.assert_close(vector[1:], alone, rtol=1e-4, atol=1e-5)
    unseen = [lead for lead in LEADS if lead not in encoder.leads]
    kept = signal.clone()
    for lead in LEADS:
        other = signal.clone()
        other[:, LEADS.index(lead)] = -2 * other[:, LEADS.index(lead)].flip(1)
        same = torch.equal(encoder.pool(encoder(other).context), vector)
        assert same == (lead in unseen), lead
    assert torch.equal(kept, signal)  # inputs are never changed in place


@every
@torch.no_grad()
def test_it_says_whether_it_needs_to_know_which_leads_are_missing(kind):
    encoder = tiny(kind).eval()
    has_lead = torch.from_numpy(lead_mask("I,II,V2"))[None]
    signal = ecg_batch(1, 1, length(encoder), has_lead[:, None]).signal[:, 0]
    told, not_told = encoder(signal, None, has_lead).context, encoder(signal).context
    assert torch.allclose(told, not_told, atol=1e-6) != encoder.uses_has_lead


@every
def test_fine_tuning_with_lead_masking_overfits_one_batch_and_a_probe_moves_the_head_only(kind):
    task = LinearHead(tiny(kind), 3, RandomLeadMask(prob=0.3))
    batch = ecg_batch(4, 1, length(task.encoder), seed=1)
    batch = replace(batch, label=(torch.arange(12).view(4, 3) % 5 < 2).float())
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    losses = []
    for _ in range(12):
        step = task(batch)
        optimizer.zero_grad()
        (step.loss / step.terms).backward()
        optimizer.step()
        losses.append((step.loss / step.terms).item())
    assert losses[-1] < 0.85 * losses[0]

    finetune.freeze(task.encoder)
    task.zero_grad()
    task(batch).loss.backward()
    assert {name for name, p in task.named_parameters() if p.grad is not None} == {
        "head.weight",
        "head.bias",
    }


@every
def test_it_survives_a_checkpoint_and_embeds_predicts_and_explains(kind, tmp_path):
    made = model(kind)
    ecg = record()
    made.save(tmp_path)
    again = anylead.load(tmp_path, device="cpu")
    assert describe_encoder(again.encoder) == describe_encoder(made.encoder)
    vector = made.embed(ecg)
    assert vector.shape == (made.dim,) and np.array_equal(again.embed(ecg), vector)
    few = made.embed(ecg, use_leads="I,II,V2")
    assert np.isfinite(few).all() and not np.allclose(few, vector)
    assert set(made.predict(ecg)) == set(LABELS)
    explained = explain(made, ecg, method="gradients")
    assert np.isfinite(explained.attribution).all() and np.any(explained.attribution)
    heard = {LEADS[i] for i in range(12) if np.any(explained.attribution[i])}
    assert heard == set(made.encoder.leads)
    assert explained.by_lead.keys() == set(LEADS)
    if "aVR" not in made.encoder.leads:
        with pytest.raises(LeadError, match="all that this model looks at"):
            made.embed(ecg, use_leads="aVR")


@every
def test_frames_are_given_where_they_are_times_of_the_recording(kind):
    made = model(kind, classifier=False)
    ecg = record()
    if not made.encoder.frames_are_time:
        with pytest.raises(RecipeError, match="no times"):
            made.embed(ecg, pool=None)
        return
    frames = made.embed(ecg, pool=None)
    assert frames.ndim == 2 and frames.shape[1] == made.dim and len(frames) > 5


@every
@torch.no_grad()
def test_layers_are_numbered_from_what_enters_the_first_and_the_last_is_the_context(kind):
    made, ecg = model(kind, classifier=False), record()
    encoder, whole = made.encoder, length(made.encoder)
    has_lead = torch.from_numpy(np.stack([lead_mask("12"), lead_mask("I,V2")]))
    signal = ecg_batch(2, 1, whole, has_lead[:, None]).signal[:, 0]
    outputs = list(encoder.through_layers(signal, has_lead))
    assert tuple(output.shape[2] for output in outputs) == encoder.layer_dims
    assert len(outputs) > 2 and encoder.layer_dims[-1] == encoder.dim
    context = encoder(signal, None, has_lead).context
    torch.testing.assert_close(outputs[-1], context, rtol=1e-5, atol=1e-6)
    last = len(outputs) - 1
    vectors = [made.embed(ecg, layer=i) for i in range(len(outputs))]
    assert [len(vector) for vector in vectors] == list(encoder.layer_dims)
    for same in (made.embed(ecg), made.embed(ecg, layer=-1)):
        np.testing.assert_allclose(vectors[-1], same, rtol=1e-4, atol=1e-5)
    assert not any(np.array_equal(vectors[-1], vector) for vector in vectors[:-1])
    frames = [w.max(axis=(0, 1)) for _, w in made._contexts(made.windows([ecg]), 1, lambda x: x)]
    np.testing.assert_allclose(made.embed(ecg, layer=1, pool="max"), frames[0], atol=1e-6)
    with pytest.raises(RecipeError, match=f"layer {last + 1}: this model has 0 .* to {last}"):
        made.embed(ecg, layer=last + 1)


@every
def test_a_window_that_is_too_long_for_it_is_refused_and_a_short_recording_is_not(kind):
    made = model(kind, classifier=False)
    assert np.isfinite(made.embed(record(2.0))).all()
    if kind in ("ecg_jepa", "st_mem", "merl_vit", "ecg_cpc"):  # places beyond the window: none
        signal = np.zeros((12, made.encoder.window_samples + 100), np.float32)
        with pytest.raises(RecipeError, match="takes at most"):
            made.embed(signal, preprocess=False)


# Export takes long: the one with complex numbers stands for all.
OF_ONE_WINDOW = [kind for kind in ENCODERS if tiny(kind).window_samples]


@pytest.mark.parametrize(
    "kind",
    [k if k == "ecg_cpc" else pytest.param(k, marks=pytest.mark.slow) for k in OF_ONE_WINDOW],
)
def test_onnx_gives_the_same_numbers(kind, tmp_path):
    # Random weights of HuBERT-ECG under an attentive head round by 2e-4: more than export allows.
    made = model(kind, head="linear" if kind == "hubert_ecg" else "attentive")
    save_checkpoint(tmp_path, made._tensors, made.description)
    written = export.run(export.Recipe(str(tmp_path), tmp_path / "m.onnx"), QUIET)
    assert written.difference < export.LARGEST_DIFFERENCE
