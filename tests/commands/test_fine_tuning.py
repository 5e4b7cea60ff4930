"""What fine-tuning trains, on whom, and with which leads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anylead.checkpoint import save_checkpoint
from anylead.commands import finetune
from anylead.commands.finetune import fraction_of_patients
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.loading import TrainingLoader
from anylead.models import build_encoder
from synthetic_store import open_store, store_folder

TINY = {"conv_layers": [[8, 4, 4], [8, 2, 2]], "dim": 8, "num_layers": 1, "ffn_dim": 8,
        "conv_pos_kernel": 8, "conv_pos_groups": 2}  # fmt: skip


def recipe(train="frozen_features", checkpoint=None, **changes):
    encoder = EncoderChoice("tiny", TINY) if checkpoint is None else EncoderChoice()
    made = finetune.Recipe(
        data=DataConfig(store=str(store_folder())),
        model=finetune.ModelConfig(checkpoint=checkpoint, encoder=encoder, train=train),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A run folder of an encoder."""
    folder = tmp_path_factory.mktemp("pretrained")
    encoder = build_encoder({"kind": "transformer", **TINY, "num_heads": 2})
    tensors = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    described = {"kind": "transformer", **TINY, "num_heads": 2}
    save_checkpoint(folder, tensors, {"kind": "pretraining", "encoder": described})
    return str(folder)


def trained(made):
    """Names of the parameters that are trained."""
    module = finetune.build(made, open_store())[1].module
    return {name for name, each in module.named_parameters() if each.requires_grad}


@pytest.mark.parametrize("task", ["classification", "identification"])
def test_convolutions_of_a_pretraining_are_frozen_and_random_ones_are_trained(pretrained, task):
    everything = trained(recipe("full", task=task))
    is_convolution = {name for name in everything if ".feature_extractor." in name}
    assert is_convolution
    assert trained(recipe(task=task)) == everything
    assert trained(recipe(checkpoint=pretrained, task=task)) == everything - is_convolution
    probe = trained(recipe("linear_probe", pretrained, task=task))
    assert probe == {name for name in everything if not name.startswith("encoder.")}


def test_each_seed_draws_other_patients_for_a_share_and_a_larger_share_holds_them():
    store = open_store(60)
    rows = np.arange(store.num_records)
    drawn = [
        [set(store.patient[fraction_of_patients(rows, store.patient, share, seed)].tolist())
         for share in (0.1, 0.3, 1.0)]
        for seed in (0, 1, 2)
    ]  # fmt: skip
    for tenth, third, everyone in drawn:
        assert (len(tenth), len(third), len(everyone)) == (6, 18, 60)
        assert tenth < third < everyone
    assert len({frozenset(tenth) for tenth, _, _ in drawn}) == 3
    chosen = fraction_of_patients(rows, store.patient, 0.1, 0)
    whole = np.flatnonzero(np.isin(store.patient, store.patient[chosen]))
    np.testing.assert_array_equal(np.sort(chosen), whole)


@pytest.mark.parametrize("task", ["classification", "identification"])
def test_a_model_of_a_lead_set_learns_nothing_from_the_other_leads(task):
    """The others are zero in training; what they hold does not matter."""
    store = open_store()
    made = recipe("full", task=task, leads="2")
    rows, setup = finetune.build(made, store)
    loader = TrainingLoader(store, rows, 8, 3.0, "random", 0, setup.labels)
    batch = next(iter(loader))
    other = batch.signal.clone()
    other[..., 2:, :] = torch.randn(other[..., 2:, :].shape, generator=torch.manual_seed(0)) * 1000
    losses = []
    for signal in (batch.signal, other.to(batch.signal.dtype)):
        torch.manual_seed(3)
        losses.append(setup.module.train()(replace(batch, signal=signal)).loss.item())
    assert losses[0] == losses[1] and np.isfinite(losses[0])
    seen = setup.module.augment(batch)
    assert not seen.signal[..., 2:, :].any() and not seen.has_lead[..., 2:].any()
