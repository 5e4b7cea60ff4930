from dataclasses import replace

import pytest
import torch

from anylead.models import ENCODER_SIZES, Encoder, EncoderConfig
from anylead.models.frozen import FrozenLinear, freeze

TINY = EncoderConfig(((16, 2, 2),) * 4, 24, 2, 2, 48, conv_pos_kernel=16, conv_pos_groups=4)
WIDE = replace(TINY, dim=64)  # 16 channels per group: convolved in bfloat16, too


def encoder(config=TINY):
    torch.manual_seed(0)
    return Encoder(config).eval()


def signal(rows=3, time=800):
    return torch.randn(rows, 12, time, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("time", [800, 333, 1500], ids=["usual", "shorter", "longer"])
@pytest.mark.parametrize(
    "config",
    [TINY, WIDE, replace(TINY, norm_first=True, knows_leads=True), ENCODER_SIZES["tiny"]],
    ids=["tiny", "wide", "norm first", "as published"],
)
def test_gives_the_numbers_of_the_module(config, time):
    model, x = encoder(config), signal(time=time)
    has_lead = torch.ones(3, 12, dtype=torch.bool)
    frozen = freeze(model, 800, torch.float32)
    expected = model(x, None, has_lead).context
    torch.testing.assert_close(frozen(x, None, has_lead).context, expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("config", [TINY, WIDE], ids=["tiny", "wide"])
def test_gives_in_bfloat16_what_autocast_gives(config):
    model, x = encoder(config), signal()
    exact = model(x).context
    with torch.autocast("cpu", torch.bfloat16):
        cast = model(x).context.float()
        frozen = freeze(model, 800, torch.bfloat16)(x).context.float()
    error = (cast - exact).norm()
    assert (frozen - cast).norm() < 0.7 * error
    assert (frozen - exact).norm() < 1.2 * error


@torch.inference_mode()
def test_padding_is_left_out_as_by_the_module():
    model, x = encoder(), signal()
    num_samples = torch.tensor([800, 500, 333])
    x = x.masked_fill(torch.arange(800) >= num_samples[:, None, None], 0.0)
    frozen = freeze(model, 800, torch.float32)(x, num_samples)
    expected = model(x, num_samples)
    assert torch.equal(frozen.is_padding, expected.is_padding)
    is_valid = ~expected.is_padding
    torch.testing.assert_close(
        frozen.context[is_valid], expected.context[is_valid], rtol=1e-5, atol=1e-5
    )


def test_leaves_the_module_as_it_is_and_in_training():
    model = encoder().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    frozen = freeze(model, 800, torch.bfloat16)
    assert model.training
    assert not frozen.training
    assert not any(isinstance(part, FrozenLinear) for part in model.modules())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    model(signal()).context.sum().backward()
    assert model.layers[0].expand.weight.grad is not None


def test_shares_what_it_does_not_change():
    model = encoder()
    frozen = freeze(model, 800, torch.float32)
    assert frozen.norm.weight is model.norm.weight


@torch.inference_mode()
def test_does_without_the_order_of_onednn(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model, x = encoder(), signal()
    frozen = freeze(model, 800, torch.float32)
    assert not frozen.layers[0].expand.is_packed
    torch.testing.assert_close(frozen(x).context, model(x).context, rtol=1e-5, atol=1e-5)
