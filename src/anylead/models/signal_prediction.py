"""Draw the whole recording from what is left of it: every lead, every frame.

As a masked autoencoder (arXiv:2111.06377), with leads hidden, too: what one lead shows of a heart
beat says much of what the others would, exactly so for the limb leads.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from anylead.leads import NUM_LEADS
from anylead.models.encoder import Encoder


@dataclass(frozen=True)
class SignalPredictionConfig:
    """Settings of the objective.

    Attributes:
        start_prob: probability that a frame starts a masked span.
        span: frames of a masked span.
        unit: mV; errors are counted in it, those above half of it by their size and not squared.
        hidden_dim: of the predictor.
    """

    start_prob: float = 0.065
    span: int = 10
    unit: float = 0.2
    hidden_dim: int = 512


class SignalPrediction(nn.Module):
    """From the context of a frame to the samples from which the next frame on begins.

    Args:
        encoder: what is trained.
        config: settings.
    """

    def __init__(self, encoder: Encoder, config: SignalPredictionConfig):
        super().__init__()
        self.config = config
        self.samples = 1
        for _, _, stride in encoder.feature_extractor.layers:
            self.samples *= stride
        self.predictor = nn.Sequential(
            nn.Linear(encoder.dim, config.hidden_dim),
            nn.GELU(),
            nn.Linear(config.hidden_dim, NUM_LEADS * self.samples),
        )

    def forward(self, context: Tensor) -> Tensor:
        """(rows, frame, dim) -> (rows, 12, frame * samples) in `unit`."""
        rows, frames, _ = context.shape
        drawn: Tensor = self.predictor(context).view(rows, frames, NUM_LEADS, self.samples)
        return drawn.transpose(1, 2).flatten(2)

    def target(self, signal: Tensor, num_frames: int) -> Tensor:
        """(rows, 12, time) in mV -> the samples that `forward` predicts, each lead about zero.

        Where frames reach beyond the end, and beyond padding, the signal is zero.
        """
        length = num_frames * self.samples
        centred = signal - signal.mean(dim=2, keepdim=True)
        return nn.functional.pad(centred, (0, max(length - signal.shape[2], 0)))[..., :length] / (
            self.config.unit
        )
