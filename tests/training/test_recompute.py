from dataclasses import replace

import pytest
import torch
from torch import nn

from anylead.errors import RecipeError
from anylead.models import Encoder, EncoderConfig
from anylead.models.transformer import TransformerLayer
from anylead.training.fit import fit
from anylead.training.run_folder import RunFolder
from anylead.training.settings import find_machine
from training.tiny_run import QUIET, GeneratedLoader, Training, run


@pytest.mark.parametrize("changed", [{}, {"precision": "bf16"}, {"accumulate": 2}])
def test_a_run_ends_with_the_very_same_weights(tmp_path, changed):
    config = replace(QUIET, steps=3, **changed)
    kept = run(tmp_path / "kept", config).state_dict()
    again = run(tmp_path / "again", replace(config, recompute=True)).state_dict()
    for name in kept:
        assert torch.equal(kept[name], again[name]), name


def test_one_layer_keeps_its_input_and_little_else():
    torch.manual_seed(0)
    config = EncoderConfig(((8, 2, 2),) * 4, 64, 4, 4, 256, conv_pos_kernel=8, conv_pos_groups=2)
    encoder = Encoder(config).train()
    signal = torch.randn(2, 12, 800)

    def kept_bytes():
        own = {parameter.data_ptr() for parameter in encoder.parameters()}
        kept = {}

        def keep(x):
            storage = x.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            encoder(signal)
        return sum(kept.values())

    whole = kept_bytes()
    for layer in encoder.layers:
        assert isinstance(layer, TransformerLayer)
        layer.recomputes = True
    assert kept_bytes() < whole / 3


def test_an_encoder_without_layers_is_refused(tmp_path):
    class Bare(nn.Module):
        pass

    config = replace(QUIET, recompute=True)
    with pytest.raises(RecipeError, match=r"train\.recompute"):
        fit(Bare(), GeneratedLoader(4), Training(config), RunFolder(tmp_path), find_machine(config))
