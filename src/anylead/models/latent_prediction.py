"""Predict what an averaged copy of the encoder makes of the whole recording (arXiv:2202.03555).

data2vec: no codes, no negatives. The copy sees every frame and every lead that is there; the
encoder that is trained sees what masks have left. Differs from the reference: targets are
normalized over the batch instead of over each recording, so that what sets a recording as a whole
apart is a target, too, and frames that are not masked count where leads are hidden from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anylead.models.encoder import Encoder
from anylead.models.moving_average import MovingAverage


@dataclass(frozen=True)
class LatentPredictionConfig:
    """Settings of the latent objective.

    Attributes:
        decay: of the averaged copy, per step.
        num_layers: the target is the mean of so many last layers.
        start_prob: probability that a frame starts a masked span.
        span: frames of a masked span.
        visible_weight: of a frame that is not masked, beside one that is.
        hidden_dim: of the predictor.
    """

    decay: float = 0.999
    num_layers: int = 4
    start_prob: float = 0.065
    span: int = 10
    visible_weight: float = 0.0
    hidden_dim: int = 512


class LatentPrediction(nn.Module):
    """The averaged copy and the predictor.

    Args:
        encoder: what is trained.
        config: settings.
    """

    def __init__(self, encoder: Encoder, config: LatentPredictionConfig):
        super().__init__()
        self.config = config
        self.teacher = MovingAverage({"encoder": encoder}, config.decay)
        self.predictor = nn.Sequential(
            nn.Linear(encoder.dim, config.hidden_dim),
            nn.GELU(),
            nn.Linear(config.hidden_dim, encoder.dim),
        )

    def forward(self, context: Tensor) -> Tensor:
        """(rows, frame, dim) -> the same shape."""
        predicted: Tensor = self.predictor(context)
        return predicted

    @torch.no_grad()
    def target(
        self,
        encoder: Encoder,
        step: Tensor,
        signal: Tensor,
        num_samples: Tensor | None,
        has_lead: Tensor,
    ) -> Tensor:
        """(rows, frame, dim) of the averaged copy, which first moves on.

        Args:
            encoder: what it follows.
            step: () optimizer steps taken.
            signal: (rows, 12, time), nothing hidden.
            num_samples: (rows,), or None.
            has_lead: (rows, 12) bool.
        """
        if self.training:
            self.teacher.follow({"encoder": encoder}, step)
        teacher = self.teacher.copies["encoder"]
        if not isinstance(teacher, Encoder):
            raise TypeError(f"the copy of an Encoder is a {type(teacher).__name__}")
        still(teacher)
        features = teacher.features(signal, num_samples, has_lead)
        is_padding = teacher.find_padding(features.shape[1], num_samples)
        normed = teacher.feature_norm(features)
        outputs = teacher.layer_outputs(normed, None, is_padding, has_lead)
        return _normalized(outputs[1:][-self.config.num_layers :], is_padding)


def still(encoder: Encoder) -> None:
    """Dropout off; batch normalization by the batch, whose mixture of leads is another one."""
    encoder.eval()
    for part in encoder.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.train()
            part.momentum = 0.0  # its own statistics come from what is followed


def _normalized(layers: Sequence[Tensor], is_padding: Tensor | None) -> Tensor:
    """Mean of layers whose channels have mean 0 and variance 1 over the valid frames of a batch."""
    mean_of_layers = torch.zeros_like(layers[0], dtype=torch.float32)
    for layer in layers:
        x = layer.float()
        valid = x.flatten(0, 1) if is_padding is None else x[~is_padding]
        if not len(valid):
            continue
        variance, mean = torch.var_mean(valid, dim=0, correction=0)
        mean_of_layers += (x - mean) * torch.rsqrt(variance + 1e-5) / len(layers)
    return mean_of_layers
