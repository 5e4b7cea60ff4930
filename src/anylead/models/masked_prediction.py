"""The part of wav2vec 2.0 behind the encoder: targets, negatives, contrast (arXiv:2006.11477)."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from anylead.models.dropout import Dropout
from anylead.models.masking import Masked
from anylead.models.quantizer import GumbelQuantizer, Quantized


@dataclass(frozen=True)
class MaskedPredictionConfig:
    """Settings of the local objective; the defaults are the paper's.

    Attributes:
        dim: channels in which prediction and target are compared.
        num_groups: codebooks.
        num_codes: entries of each codebook.
        quantizer_temperature: (start, end, decay per step) of the Gumbel softmax.
        start_prob: probability that a frame starts a masked span.
        span: frames of a masked span.
        num_negatives: drawn per masked frame from the other masked frames of its segment.
        temperature: divides the cosine similarity.
        diversity_weight: of the diversity loss, per masked frame.
        penalty_weight: of the mean square of the convolutional features, per masked frame.
        feature_dropout: on the features that become targets.
    """

    dim: int = 256
    num_groups: int = 2
    num_codes: int = 320
    quantizer_temperature: tuple[float, float, float] = (2.0, 0.5, 0.999995)
    start_prob: float = 0.065
    span: int = 10
    num_negatives: int = 100
    temperature: float = 0.1
    diversity_weight: float = 0.1
    penalty_weight: float = 10.0
    feature_dropout: float = 0.1


class Predicted(NamedTuple):
    """Both sides of the contrast, (rows, masked, dim), and what the quantizer chose."""

    prediction: Tensor
    target: Tensor
    quantized: Quantized


class MaskedPrediction(nn.Module):
    """Predict the quantized features of masked frames from their context.

    Args:
        feature_dim: channels of the encoder's features.
        context_dim: channels of its context.
        config: settings.
    """

    def __init__(self, feature_dim: int, context_dim: int, config: MaskedPredictionConfig):
        super().__init__()
        self.config = config
        self.feature_dropout = Dropout(config.feature_dropout)
        self.quantizer = GumbelQuantizer(
            feature_dim,
            config.dim,
            config.num_groups,
            config.num_codes,
            config.quantizer_temperature,
        )
        self.project_target = nn.Linear(config.dim, config.dim)
        self.project_context = nn.Linear(context_dim, config.dim)

    def forward(
        self,
        normed_features: Tensor,
        context: Tensor,
        masked: Masked,
        noise: Tensor | None,
        step: Tensor,
    ) -> Predicted:
        """Project both sides.

        Args:
            normed_features: (rows, frame, feature_dim), unmasked.
            context: (rows, frame, context_dim), made from masked features.
            masked: the masked frames.
            noise: (rows, masked, group, code) Gumbel noise, None for the plain argmax.
            step: () optimizer steps taken.
        """
        features = masked.gather(self.feature_dropout(normed_features))
        quantized = self.quantizer(features, masked.is_valid, noise, step)
        target = self.project_target(quantized.vectors)
        return Predicted(self.project_context(masked.gather(context)), target, quantized)
