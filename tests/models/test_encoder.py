from dataclasses import replace

import pytest
import torch

from anylead.leads import EINTHOVEN
from anylead.models import ENCODER_SIZES, Encoder, EncoderConfig, mean_over_frames
from anylead.models.encoder import scale_gradient
from anylead.models.feature_extractor import ConvFeatureExtractor
from anylead.models.layer_norm_features import LayerNormFeatureExtractor

TINY = EncoderConfig(((16, 2, 2),) * 4, 24, 2, 2, 48, conv_pos_kernel=16, conv_pos_groups=4)


def encoder(**changes):
    torch.manual_seed(0)
    return Encoder(EncoderConfig(**{**vars(TINY), **changes})).eval()


def signal(rows=3, time=800):
    return torch.randn(rows, 12, time, generator=torch.Generator().manual_seed(1))


def test_five_seconds_make_156_frames():
    with torch.no_grad():
        assert encoder()(signal(1, 2500)).context.shape == (1, 156, 24)


def test_the_base_size_is_the_papers():
    with torch.device("meta"):
        base = Encoder(ENCODER_SIZES["base"])
    num = sum(parameter.numel() for parameter in base.parameters())
    assert num == pytest.approx(90.4e6, rel=0.01)


@pytest.mark.parametrize("stem", ["plain", "layer_norm"])
@torch.no_grad()
def test_padding_changes_nothing(stem):
    model, x = encoder(stem=stem), signal()
    num_samples = torch.tensor([800, 500, 333])
    is_padding = torch.arange(800) >= num_samples[:, None]
    padded = model(x.masked_fill(is_padding[:, None], 0.0), num_samples)
    for row, num in enumerate(num_samples.tolist()):
        alone = model(x[row : row + 1, :, :num]).context[0]
        torch.testing.assert_close(padded.context[row, : len(alone)], alone, rtol=1e-4, atol=1e-5)
        assert (~padded.is_padding[row]).sum() == len(alone)


@torch.no_grad()
def test_rows_do_not_see_each_other():
    model, x = encoder(), signal()
    torch.testing.assert_close(model(x).context[1:2], model(x[1:2]).context, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_masked_frames_hide_their_features():
    model = encoder()
    features = torch.randn(2, 50, 16)
    is_masked = torch.zeros(2, 50, dtype=torch.bool)
    is_masked[:, 10:20] = True
    changed = features.clone()
    changed[:, 10:20] = 5.0
    before, after = (model.contextualize(x, is_masked) for x in (features, changed))
    torch.testing.assert_close(before, after)
    assert not torch.allclose(before, model.contextualize(features))


@torch.no_grad()
def test_an_encoder_that_completes_limb_leads_cannot_tell_two_from_six():
    model = encoder(completes_limb_leads=True)
    limbs = torch.from_numpy(EINTHOVEN).float() @ signal(2)[:, :2]
    full = torch.cat([limbs, torch.zeros(2, 6, 800)], dim=1)
    has_six = (torch.arange(12) < 6).expand(2, 12)
    has_two = torch.isin(torch.arange(12), torch.tensor([1, 4])).expand(2, 12)
    only_two = full * has_two[:, :, None]
    torch.testing.assert_close(
        model(full, None, has_six).context,
        model(only_two, None, has_two).context,
        rtol=1e-3,
        atol=1e-4,
    )


@torch.no_grad()
def test_an_encoder_that_knows_leads_tells_a_missing_lead_from_a_silent_one():
    model = encoder(knows_leads=True)
    torch.nn.init.normal_(model.lead_projection.weight)
    x = signal(1) * (torch.arange(12) != 3)[:, None]
    with_lead = torch.ones(1, 12, dtype=torch.bool)
    without = with_lead & (torch.arange(12) != 3)
    assert not torch.allclose(model(x, None, with_lead).context, model(x, None, without).context)


@torch.no_grad()
def test_layer_normalization_is_of_each_frame_in_every_block():
    torch.manual_seed(3)
    extractor = LayerNormFeatureExtractor(12, ((8, 2, 2), (6, 3, 2)))
    x = signal(2, 41)
    features = extractor(x)
    for conv, norm in zip(extractor.convs, extractor.norms, strict=True):
        x = torch.nn.functional.conv1d(x, conv.weight, stride=2)
        centred = x - x.mean(dim=1, keepdim=True)
        x = centred / (centred.square().mean(dim=1, keepdim=True) + norm.eps).sqrt()
        x = torch.nn.functional.gelu(x)
    torch.testing.assert_close(features, x.transpose(1, 2), rtol=1e-4, atol=1e-5)
    assert features.shape[1] == extractor.num_frames(torch.tensor(41))
    ratio = extractor(1000 * signal(2, 41)) - extractor(2000 * signal(2, 41))
    assert ratio.abs().max() < 1e-3  # unlike a normalization over time it forgets the amplitude


def test_gradients_into_the_convolutions_are_scaled():
    x = torch.ones(3, requires_grad=True)
    scale_gradient(x * 2, 0.1).sum().backward()
    torch.testing.assert_close(x.grad, torch.full((3,), 0.2))


def test_the_mean_leaves_padding_out_and_counts_zeros():
    context = torch.tensor([[[0.0], [2.0], [9.0]]])
    is_padding = torch.tensor([[False, False, True]])
    assert mean_over_frames(context, is_padding).item() == 1.0
    assert mean_over_frames(torch.zeros(1, 3, 1), is_padding).item() == 0.0  # no 0 / 0


@pytest.mark.parametrize("size", ENCODER_SIZES)
@torch.no_grad()
def test_bfloat16_is_a_rounding_and_no_other_model(size):
    # The convolutions of the CPU library are wrong in bfloat16 for few channels per group.
    torch.manual_seed(0)
    config = replace(ENCODER_SIZES[size], num_layers=1)
    model = Encoder(config).eval()
    x = signal(2, 640)
    exact = model(x).context
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(x).context.float()
    assert (rounded - exact).norm() / exact.norm() < 0.03


def leave_nan(sizes):
    """Memory of these sizes holds NaN and is free."""
    [torch.full((size,), torch.nan, dtype=torch.bfloat16) for size in sizes]


@pytest.mark.parametrize("kernel", [2, 5, 7])
def test_gradients_in_bfloat16_do_not_hang_on_what_lay_in_memory(kernel):
    extractor = ConvFeatureExtractor(64, ((64, kernel, 2),)).bfloat16()
    sizes = (64 * 64 * 310, 64 * 64 * 152, 32 * 64 * 310, 32 * 64 * 152, 64 * 64 * 7, 32 * 48 * 310)
    for _ in range(8):
        x = torch.randn(32, 64, 310).bfloat16().requires_grad_()
        leave_nan(sizes * 3)
        features = extractor(x)
        gradient = torch.randn_like(features)
        leave_nan(sizes * 3)
        features.backward(gradient)
        assert all(value.isfinite().all() for value in (x.grad, extractor.convs[0].weight.grad))
