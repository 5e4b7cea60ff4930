from dataclasses import replace

import pytest
import torch

from anylead.models import Encoder, EncoderConfig
from anylead.models.feature_extractor import ResidualFeatureExtractor

LAYERS = ((16, 15, 2), (24, 7, 2), (32, 7, 4))
SMALL = EncoderConfig(
    conv_layers=LAYERS,
    dim=32,
    num_layers=2,
    num_heads=2,
    ffn_dim=64,
    conv_pos_kernel=16,
    conv_pos_groups=2,
    norm_first=True,
    stem="residual",
    dropout=0.0,
    attention_dropout=0.0,
    input_dropout=0.0,
)


def extractor():
    torch.manual_seed(0)
    return ResidualFeatureExtractor(12, LAYERS)


@pytest.mark.parametrize("time", [16, 17, 31, 400, 405])
def test_the_number_of_frames_is_told_beforehand(time):
    frames = extractor().eval()(torch.randn(1, 12, time)).shape[1]
    assert frames == int(extractor().num_frames(torch.tensor(time)))


@pytest.mark.parametrize("is_training", [True, False])
def test_what_lies_in_the_padding_changes_no_valid_frame(is_training):
    made = extractor().train(is_training)
    signal, num_samples = torch.randn(3, 12, 400), torch.tensor([400, 250, 91])
    is_padding = torch.arange(400) >= num_samples[:, None]
    first = made(signal.masked_fill(is_padding[:, None], 0.0), num_samples)
    second = made(signal.masked_fill(is_padding[:, None], 7.0), num_samples)
    for row, frames in enumerate(made.num_frames(num_samples).tolist()):
        torch.testing.assert_close(first[row, :frames], second[row, :frames])


@torch.no_grad()
def test_the_size_of_the_waves_is_kept_where_a_norm_over_each_recording_takes_it():
    signal = torch.randn(2, 12, 400)
    plain = Encoder(replace(SMALL, stem="plain")).eval()
    residual = Encoder(SMALL).eval()
    torch.testing.assert_close(
        plain.features(signal), plain.features(3 * signal), atol=1e-3, rtol=0
    )
    assert not torch.allclose(residual.features(signal), residual.features(3 * signal), atol=0.1)


def test_dropped_layers_keep_the_mean_and_are_gone_outside_of_training():
    torch.manual_seed(0)
    encoder = Encoder(replace(SMALL, layer_drop=0.5))
    signal = torch.randn(1, 12, 400)
    with torch.no_grad():
        plain = encoder.eval()(signal).context
        features = encoder.feature_norm(encoder.features(signal)).expand(4000, -1, -1)
        encoder.layers.train()
        encoder.training = True
        # Up to the last layer but one all is linear in what is dropped: the mean stays.
        first = encoder.layer_outputs(features[:, :8])[1]
        encoder.eval()
        expected = encoder.layer_outputs(features[:1, :8])[1]
    assert first.std(dim=0).max() > 0
    torch.testing.assert_close(first.mean(dim=0, keepdim=True), expected, rtol=0.1, atol=0.1)
    torch.testing.assert_close(encoder(signal).context, plain)
