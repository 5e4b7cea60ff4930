"""Decoder of masked autoencoding: each lead's patches from those that were seen (ST-MEM).

Na et al. 2024, arXiv:2402.09450; He et al. 2021, arXiv:2111.06377.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anylead.models.transformer import TransformerLayer
from anylead.models.window import sine_table


@dataclass(frozen=True)
class LeadDecoderConfig:
    """Shape of the decoder; the defaults are published.

    Attributes:
        dim: channels.
        num_layers: Transformer layers.
        num_heads: attention heads.
        ffn_dim: hidden channels of the feed-forward networks.
    """

    dim: int = 256
    num_layers: int = 4
    num_heads: int = 4
    ffn_dim: int = 1024


class LeadDecoder(nn.Module):
    """Decode each lead on its own.

    Args:
        encoder_dim: channels of the tokens.
        patch: samples of a patch.
        num_patches: of a window of a lead.
        config: shape.
    """

    def __init__(self, encoder_dim: int, patch: int, num_patches: int, config: LeadDecoderConfig):
        super().__init__()
        self.projection = nn.Linear(encoder_dim, config.dim)
        self.mask_embedding = nn.Parameter(nn.init.normal_(torch.empty(config.dim), std=0.02))
        table = sine_table(num_patches, config.dim).float()
        self.position = nn.Parameter(nn.functional.pad(table, (0, 0, 1, 1)))
        self.layers = nn.ModuleList(
            TransformerLayer(
                *(config.dim, config.num_heads, config.ffn_dim), 0.0, 0.0, norm_first=True
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.head = nn.Linear(config.dim, patch)

    def forward(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Seen tokens -> all patches.

        Args:
            tokens: (rows, lead, 1 + seen + 1, encoder_dim), separators at both ends.
            order: (rows, lead, patch) int64; its first ones are the seen patches, in their order.

        Returns:
            (rows, lead, patch, samples).
        """
        x = self.projection(tokens)
        num_patches = order.shape[2]
        num_masked = num_patches - (x.shape[2] - 2)
        masked = self.mask_embedding.to(x.dtype).expand(*x.shape[:2], num_masked, -1)
        shuffled = torch.cat([x[:, :, 1:-1], masked], dim=2)
        place = order.argsort(dim=2)[..., None].expand_as(shuffled)
        inner = shuffled.gather(2, place) + self.position[1 : 1 + num_patches]
        left, right = x[:, :, :1] + self.position[0], x[:, :, -1:] + self.position[-1]
        x = torch.cat([left, inner, right], dim=2).flatten(0, 1)
        for layer in self.layers:
            x = layer(x)
        patches: Tensor = self.head(self.norm(x))[:, 1:-1]
        return patches.reshape(*order.shape, -1)


def normalized_patches(patches: Tensor) -> Tensor:
    """Each patch with mean 0 and (unbiased) variance 1: what is to be predicted."""
    mean, variance = patches.mean(dim=-1, keepdim=True), patches.var(dim=-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()
