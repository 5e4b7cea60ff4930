"""The convolutional encoder."""

import pytest
import torch

from anylead.commands.parts import EncoderChoice, new_encoder
from anylead.errors import RecipeError
from anylead.methods import METHODS, Pretraining
from anylead.models import build_encoder, describe_encoder
from augment.ecg_batches import ecg_batch


def encoder(**overrides):
    torch.manual_seed(0)
    return new_encoder(EncoderChoice("tiny", overrides, "resnet1d")).eval()


@pytest.mark.parametrize("num_valid", [1, 17, 250, 399])
def test_padding_changes_nothing(num_valid):
    module = encoder()
    signal = torch.randn(3, 12, 400)
    padded = signal.clone()
    padded[1, :, num_valid:] = 100.0  # whatever stands there
    lengths = torch.tensor([400, num_valid, 400])
    encoded = module(padded, lengths)
    alone = module(signal[1:2, :, :num_valid]).context[0]
    torch.testing.assert_close(encoded.context[1, : len(alone)], alone)
    assert encoded.is_padding.sum(dim=1).tolist() == [0, encoded.context.shape[1] - len(alone), 0]


def test_in_training_the_statistics_leave_padding_out():
    module = encoder(dropout=0.0).train()
    signal = torch.randn(2, 12, 400)
    signal[1] = signal[0]
    short = module(torch.cat([signal[:1], torch.zeros(1, 12, 400)]), torch.tensor([400, 0]))
    torch.testing.assert_close(short.context[0], module(signal).context[0], rtol=1e-4, atol=1e-5)


def test_is_made_again_from_its_description():
    module = encoder(knows_leads=True, completes_limb_leads=True)
    again = build_encoder(describe_encoder(module)).eval()
    again.load_state_dict(module.state_dict())
    signal, has_lead = torch.randn(2, 12, 200), torch.rand(2, 12) < 0.5
    assert torch.equal(
        module(signal, has_lead=has_lead).context, again(signal, has_lead=has_lead).context
    )


def test_completes_limb_leads():
    signal = ecg_batch(2, 1, 200).signal[:, 0]
    has_lead = torch.ones(2, 12, dtype=torch.bool)
    has_lead[:, 2:6] = False
    few = signal * has_lead[..., None]
    module = encoder(completes_limb_leads=True)
    torch.testing.assert_close(
        module(few, has_lead=has_lead).context, module(signal).context, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("name", ["cmsc", "cmlc", "cmsmlc", "simclr", "three_kg"])
def test_global_methods_train_it(name):
    module = Pretraining(encoder().train(), METHODS[name], lambda batch: batch)
    step = module(ecg_batch(4, time=400))
    step.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in module.encoder.parameters())


def test_a_local_method_is_refused():
    with pytest.raises(RecipeError, match="no frames to mask"):
        Pretraining(encoder(), METHODS["wav2vec2"], lambda batch: batch)


def test_unknown_kind_size_and_field_are_named():
    with pytest.raises(RecipeError, match=r"encoder\.kind 'mlp'; known are transformer, resnet1d"):
        new_encoder(EncoderChoice(kind="mlp"))
    with pytest.raises(RecipeError, match="size 'huge'"):
        new_encoder(EncoderChoice("huge", kind="resnet1d"))
    with pytest.raises(RecipeError, match="unknown num_heads; a resnet1d has stem_dim"):
        new_encoder(EncoderChoice("tiny", {"num_heads": 2}, "resnet1d"))
