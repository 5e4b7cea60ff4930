"""The encoder: convolutional features, then a Transformer over frames (wav2vec 2.0 for ECG).

Oh et al. 2022, arXiv:2203.06889, section 3; Baevski et al. 2020, arXiv:2006.11477.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from anylead.leads import LEADS, NUM_LEADS
from anylead.models.dropout import Dropout
from anylead.models.feature_extractor import ConvFeatureExtractor, ResidualFeatureExtractor
from anylead.models.layer_norm_features import LayerNormFeatureExtractor
from anylead.models.limb_completion import LimbCompletion
from anylead.models.positional import ConvPosition
from anylead.models.transformer import TransformerLayer


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder; the defaults are the paper's (90.9 M parameters with its heads).

    Attributes:
        conv_layers: (dim, kernel, stride) of each convolution; the paper's 4 x (256, 2, 2) make
            one frame of 16 samples.
        dim: channels of the Transformer.
        num_layers: Transformer layers.
        num_heads: attention heads.
        ffn_dim: hidden channels of the feed-forward networks.
        conv_pos_kernel: frames seen by the positional convolution.
        conv_pos_groups: its groups.
        dropout: in the Transformer, after each part.
        attention_dropout: on attention weights.
        activation_dropout: inside the feed-forward networks.
        input_dropout: on the projected features.
        feature_grad_scale: gradients into the convolutions are multiplied by it.
        layer_drop: chance of a segment to skip the last layer in training; less below, in equal
            steps (stochastic depth, arXiv:1603.09382); wants `norm_first`.
        stem: "plain" convolutions, the first normalized over each recording (the published code's);
            "layer_norm": each normalized over its channels, frame by frame (the paper's text);
            "residual": the first of `conv_layers` is a convolution, the others are residual blocks
            of two, with batch normalization, which keeps the absolute size of the waves.
        completes_limb_leads: fill in limb leads that follow from two present ones (exact in mV).
        knows_leads: add to each frame a learned vector that tells which leads are present.
        norm_first: normalize before each part of a layer and after the last one, instead of after
            each part and before the first layer (the paper's).
    """

    conv_layers: tuple[tuple[int, int, int], ...] = ((256, 2, 2),) * 4
    dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    ffn_dim: int = 3072
    conv_pos_kernel: int = 128
    conv_pos_groups: int = 16
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    input_dropout: float = 0.1
    feature_grad_scale: float = 0.1
    layer_drop: float = 0.0
    stem: Literal["plain", "layer_norm", "residual"] = "plain"
    completes_limb_leads: bool = False
    knows_leads: bool = False
    norm_first: bool = False

    def __post_init__(self) -> None:
        if self.num_heads < 1 or self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is no multiple of num_heads {self.num_heads}")


Stem = ConvFeatureExtractor | LayerNormFeatureExtractor | ResidualFeatureExtractor
STEMS: dict[str, type[Stem]] = {
    "plain": ConvFeatureExtractor,
    "layer_norm": LayerNormFeatureExtractor,
    "residual": ResidualFeatureExtractor,
}
ENCODER_SIZES: dict[str, EncoderConfig] = {
    "tiny": EncoderConfig(
        ((32, 2, 2),) * 4,
        dim=64,
        num_layers=2,
        num_heads=2,
        ffn_dim=128,
        conv_pos_kernel=32,
        conv_pos_groups=4,
    ),
    "small": EncoderConfig(
        ((128, 2, 2),) * 4, dim=256, num_layers=4, num_heads=4, ffn_dim=1024, conv_pos_kernel=64
    ),
    "base": EncoderConfig(),
}


class Encoded(NamedTuple):
    """What an encoder returns.

    context: (rows, frame, dim).
    is_padding: (rows, frame) bool, or None where nothing is padded.
    """

    context: Tensor
    is_padding: Tensor | None


class Encoder(nn.Module):
    """(rows, 12, time) in mV -> (rows, frame, dim)."""

    leads = LEADS
    frames_are_time = True
    window_samples: int | None = None

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.uses_has_lead = config.completes_limb_leads or config.knows_leads
        feature_dim = config.conv_layers[-1][0]
        self.dim = config.dim
        self.feature_dim = feature_dim
        self.layer_dims = (config.dim,) * (config.num_layers + 1)
        self.completion = LimbCompletion() if config.completes_limb_leads else None
        self.feature_extractor: Stem = STEMS[config.stem](NUM_LEADS, config.conv_layers)
        self.feature_norm = nn.LayerNorm(feature_dim)
        self.feature_projection = nn.Linear(feature_dim, config.dim)
        self.input_dropout = Dropout(config.input_dropout)
        self.lead_projection = (
            nn.Linear(NUM_LEADS, config.dim, bias=False) if config.knows_leads else None
        )
        self.mask_vector = nn.Parameter(torch.rand(config.dim))
        self.positional = ConvPosition(config.dim, config.conv_pos_kernel, config.conv_pos_groups)
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(
                config.dim,
                config.num_heads,
                config.ffn_dim,
                config.dropout,
                config.attention_dropout,
                config.activation_dropout,
                config.norm_first,
            )
            for _ in range(config.num_layers)
        )

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode without masking frames.

        Args:
            signal: (rows, 12, time) mV, canonical leads, zero where missing or padded.
            num_samples: (rows,) valid samples; None: all.
            has_lead: (rows, 12) bool; None: all present.
        """
        features = self.features(signal, num_samples, has_lead)
        is_padding = self.find_padding(features.shape[1], num_samples)
        normed = self.feature_norm(features)
        return Encoded(self.contextualize(normed, None, is_padding, has_lead), is_padding)

    def features(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Tensor:
        """Output of the convolutions, (rows, frame, feature_dim), before any normalization."""
        if self.completion is not None and has_lead is not None:
            signal = self.completion(signal, has_lead)
        features = self.feature_extractor(signal, num_samples)
        return scale_gradient(features, self.config.feature_grad_scale)

    def contextualize(
        self,
        normed_features: Tensor,
        is_masked: Tensor | None = None,
        is_padding: Tensor | None = None,
        has_lead: Tensor | None = None,
    ) -> Tensor:
        """Normalized features -> context, both (rows, frame, ...).

        Args:
            normed_features: (rows, frame, feature_dim), `feature_norm` of `features`.
            is_masked: (rows, frame) bool, frames replaced by the learned mask vector.
            is_padding: (rows, frame) bool.
            has_lead: (rows, 12) bool; used by an encoder that `knows_leads`.
        """
        return self.layer_outputs(normed_features, is_masked, is_padding, has_lead)[-1]

    def layer_outputs(
        self,
        normed_features: Tensor,
        is_masked: Tensor | None = None,
        is_padding: Tensor | None = None,
        has_lead: Tensor | None = None,
    ) -> list[Tensor]:
        """The input of the first layer, then the output of every layer, (rows, frame, dim) each."""
        x = self.input_dropout(self.feature_projection(normed_features))
        if is_masked is not None:
            x = torch.where(is_masked[:, :, None], self.mask_vector.to(x.dtype), x)
        if self.lead_projection is not None and has_lead is not None:
            x = x + self.lead_projection(has_lead.to(x.dtype))[:, None]
        is_valid = None
        if is_padding is not None:
            x = x.masked_fill(is_padding[:, :, None], 0.0)
            is_valid = ~is_padding[:, None, None, :]
        x = x + self.positional(x)
        outputs = [self.dropout(x if self.config.norm_first else self.norm(x))]
        for number, layer in enumerate(self.layers, start=1):
            after = layer(outputs[-1], is_valid)
            if self.training and self.config.layer_drop:
                prob = self.config.layer_drop * number / len(self.layers)
                after = outputs[-1] + drop_rows(after - outputs[-1], prob)
            outputs.append(after)
        if self.config.norm_first:
            outputs[-1] = self.norm(outputs[-1])
        return outputs

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, frame, dim)."""
        features = self.features(signal, None, has_lead)
        yield from self.layer_outputs(self.feature_norm(features), has_lead=has_lead)

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)

    def find_padding(self, num_frames: int, num_samples: Tensor | None) -> Tensor | None:
        """(rows, frame) bool: frames that see padding; None where nothing is padded."""
        if num_samples is None:
            return None
        num_valid = self.feature_extractor.num_frames(num_samples)
        return torch.arange(num_frames, device=num_valid.device) >= num_valid[:, None]


def mean_over_frames(context: Tensor, is_padding: Tensor | None) -> Tensor:
    """(rows, frame, dim) -> (rows, dim), the mean over frames that are no padding.

    Differs from the published code, which divides by the number of non-zero values.
    """
    if is_padding is None:
        return context.mean(dim=1)
    is_valid = (~is_padding)[:, :, None]
    return (context * is_valid).sum(dim=1) / is_valid.sum(dim=1).clamp(min=1)


def drop_rows(x: Tensor, prob: float) -> Tensor:
    """Zero whole rows with a chance of `prob`, divide the others by `1 - prob`."""
    is_kept = torch.rand(len(x), 1, 1, device=x.device) >= prob
    return x * (is_kept / (1 - prob)).to(x.dtype)


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """The same values; gradients are multiplied by `factor` on their way back."""
    if factor == 1.0:
        return x
    scaled: Tensor = _ScaleGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor  # type: ignore[attr-defined]
        return x.view_as(x)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None  # type: ignore[attr-defined]
