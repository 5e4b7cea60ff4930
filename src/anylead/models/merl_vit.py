"""MERL's ViT-tiny: patches of all leads together (arXiv:2403.06659; 2010.11929)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anylead.leads import LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.merl_resnet18 import merl_window
from anylead.models.transformer import TransformerLayer
from anylead.models.window import by_length, last_of, longer_than_window


@dataclass(frozen=True)
class MERLViTConfig:
    """Shape of the network; the defaults are published.

    Attributes:
        dim: channels.
        num_layers: Transformer layers.
        num_heads: attention heads.
        ffn_dim: hidden channels of the feed-forward networks.
        patch: samples of a token.
        window_samples: a shorter window is filled up with 0 mV, as the authors do.
        dropout: in the layers.
        scales: bring each window to the range from 0 to 1, over all its leads.
    """

    dim: int = 192
    num_layers: int = 12
    num_heads: int = 3
    ffn_dim: int = 768
    patch: int = 50
    window_samples: int = 5000
    dropout: float = 0.0
    scales: bool = True


MERL_VIT_SIZES = {
    "tiny": MERLViTConfig(dim=32, num_layers=2, num_heads=2, ffn_dim=64),
    "small": MERLViTConfig(dim=96, num_layers=4, num_heads=3, ffn_dim=384),
    "base": MERLViTConfig(),
}


class MERLViT(nn.Module):
    """(rows, 12, time) at 500 Hz -> (rows, patch, dim)."""

    leads = LEADS
    uses_has_lead = False
    frames_are_time = True

    def __init__(self, config: MERLViTConfig):
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.layer_dims = (config.dim,) * (config.num_layers + 1)
        self.window_samples: int | None = config.window_samples
        self.patch_projection = nn.Conv1d(
            len(LEADS), config.dim, config.patch, config.patch, bias=False
        )
        num_patches = config.window_samples // config.patch
        self.position = nn.Parameter(
            nn.init.normal_(torch.empty(num_patches, config.dim), std=0.02)
        )
        self.layers = nn.ModuleList(
            TransformerLayer(
                *(config.dim, config.num_heads, config.ffn_dim, config.dropout, config.dropout),
                norm_first=True,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode; arguments as for every encoder (`AnyEncoder`)."""
        return by_length(self.encode, signal, num_samples, has_lead, shortest=1)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, patch, dim), before the last norm."""
        return last_of(self.through_layers(signal, has_lead))

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, patch, dim).

        Raises:
            RecipeError: longer than the window.
        """
        if signal.shape[2] > self.config.window_samples:
            raise longer_than_window(signal, self.window_samples)
        if self.config.scales:
            signal = merl_window(signal, self.config.window_samples)
        x: Tensor = self.patch_projection(signal).transpose(1, 2)
        x = x + self.position[: x.shape[1]]
        yield x
        for layer in self.layers:
            x = layer(x)
            yield x

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, patch, dim) -> (rows, dim); the norm comes after the mean."""
        normed: Tensor = self.norm(mean_over_frames(context, is_padding))
        return normed
