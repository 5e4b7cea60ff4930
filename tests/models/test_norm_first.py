import pytest
import torch
from torch import nn
from torch.testing import assert_close

from anylead.models import Encoder, EncoderConfig
from anylead.models.transformer import TransformerLayer


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("is_padded", [False, True])
def test_a_layer_is_torchs_own(norm_first, is_padded):
    torch.manual_seed(0)
    ours = TransformerLayer(24, 3, 40, norm_first=norm_first).eval()
    theirs = nn.TransformerEncoderLayer(
        24, 3, 40, activation="gelu", batch_first=True, norm_first=norm_first
    ).eval()
    pairs = {
        "self_attn.in_proj_": ours.in_projection,
        "self_attn.out_proj.": ours.out_projection,
        "linear1.": ours.expand,
        "linear2.": ours.contract,
        "norm1.": ours.attention_norm,
        "norm2.": ours.norm,
    }
    for module in pairs.values():
        nn.init.normal_(module.weight)
        nn.init.normal_(module.bias)
    state = {
        f"{name}{key}": module.state_dict()[key]
        for name, module in pairs.items()
        for key in ("weight", "bias")
    }
    theirs.load_state_dict(state)
    x = torch.randn(2, 9, 24)
    is_padding = torch.zeros(2, 9, dtype=torch.bool)
    if is_padded:
        is_padding[1, 6:] = True
    expected = theirs(x, src_key_padding_mask=is_padding if is_padded else None)
    found = ours(x, ~is_padding[:, None, None, :] if is_padded else None)
    assert_close(found[~is_padding], expected[~is_padding], rtol=1e-5, atol=1e-5)


def test_the_last_normalization_stands_at_the_end_of_a_norm_first_encoder():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(((8, 2, 2),) * 4, 16, 2, 2, 16, 8, 4, norm_first=True)).eval()
    outputs = encoder.layer_outputs(torch.randn(2, 10, 8))
    last = outputs[-1]
    assert_close(last.mean(dim=2), torch.zeros(2, 10), rtol=0, atol=1e-5)
    assert outputs[0].mean(dim=2).abs().max() > 1e-3
