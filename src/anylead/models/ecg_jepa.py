"""ECG-JEPA's encoder: tokens of leads and patches that see their lead and their moment.

Kim 2024, arXiv:2410.08559. The six limb leads are given by I and II alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anylead.leads import CHEST_LEADS, LEADS
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.transformer import TransformerLayer
from anylead.models.window import by_length, last_of, longer_than_window, sine_table

JEPA_LEADS = ("I", "II", *CHEST_LEADS)


@dataclass(frozen=True)
class ECGJEPAConfig:
    """Shape of the encoder; the defaults are published.

    Attributes:
        dim: channels; a multiple of 4.
        num_layers: Transformer layers.
        num_heads: attention heads.
        ffn_dim: hidden channels of the feed-forward networks.
        patch: samples of a token.
        num_patches: of a window.
        dropout: in the layers; the published model has none.
    """

    dim: int = 768
    num_layers: int = 12
    num_heads: int = 16
    ffn_dim: int = 3072
    patch: int = 50
    num_patches: int = 50
    dropout: float = 0.0


ECG_JEPA_SIZES = {
    "tiny": ECGJEPAConfig(dim=32, num_layers=2, num_heads=2, ffn_dim=64),
    "small": ECGJEPAConfig(dim=128, num_layers=4, num_heads=4, ffn_dim=512),
    "base": ECGJEPAConfig(),
}


class ECGJEPA(nn.Module):
    """(rows, 12, time) in mV at 250 Hz -> (rows, patch, dim), the mean of a patch's leads."""

    leads = JEPA_LEADS
    uses_has_lead = True
    frames_are_time = True
    position: Tensor
    allowed: Tensor

    def __init__(self, config: ECGJEPAConfig):
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.layer_dims = (config.dim,) * (config.num_layers + 1)
        self.window_samples: int | None = config.patch * config.num_patches
        self.rows = [LEADS.index(name) for name in JEPA_LEADS]
        self.patch_projection = nn.Linear(config.patch, config.dim)
        self.layers = nn.ModuleList(
            TransformerLayer(
                *(config.dim, config.num_heads, config.ffn_dim, config.dropout, config.dropout),
                norm_first=True,
                qkv_bias=False,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.register_buffer("position", position_table(config.num_patches, config.dim))

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode; arguments as for every encoder (`AnyEncoder`)."""
        return by_length(self.encode, signal, num_samples, has_lead, self.config.patch)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, patch, dim)."""
        has_lead = has_lead[:, self.rows]
        return self._over_leads(self.contextualize(self.patches(signal), has_lead), has_lead)

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, patch, dim)."""
        has_lead = has_lead[:, self.rows]
        for tokens in self._states(self.patches(signal), has_lead, None):
            yield self._over_leads(tokens, has_lead)

    def patches(self, signal: Tensor) -> Tensor:
        """(rows, 12, time) -> (rows, 8 * patch, dim), lead after lead.

        Raises:
            RecipeError: longer than the window.
        """
        num_patches = signal.shape[2] // self.config.patch
        if num_patches > self.config.num_patches:
            raise longer_than_window(signal, self.window_samples)
        cut = signal[:, self.rows, : num_patches * self.config.patch]
        cut = cut.view(*cut.shape[:2], num_patches, self.config.patch)
        projected: Tensor = self.patch_projection(cut)
        return projected.flatten(1, 2)

    def contextualize(
        self, tokens: Tensor, has_lead: Tensor, is_kept: Tensor | None = None
    ) -> Tensor:
        """Tokens through the layers and the last norm, (rows, token, dim).

        Args:
            tokens: (rows, 8 * patch, dim).
            has_lead: (rows, 8) bool; tokens of missing leads are seen by none.
            is_kept: (rows, 8 * patch) bool; others are seen by none; None: all are kept.
        """
        return last_of(self._states(tokens, has_lead, is_kept))

    def _states(self, tokens: Tensor, has_lead: Tensor, is_kept: Tensor | None) -> Iterator[Tensor]:
        """(rows, token, dim): patches, then what leaves each layer, the last one normalized."""
        num_leads = has_lead.shape[1]
        num_patches = tokens.shape[1] // num_leads
        position = self.position.view(num_leads, -1, self.dim)[:, :num_patches].flatten(0, 1)
        is_seen = has_lead.repeat_interleave(num_patches, dim=1)
        if is_kept is not None:
            is_seen = is_seen & is_kept
        allowed = same_lead_or_moment(num_leads, num_patches, tokens.device)
        itself = torch.eye(len(allowed), dtype=torch.bool, device=tokens.device)
        is_valid = (allowed & is_seen[:, None]) | itself  # a row without any key would be NaN
        x = tokens
        for layer in self.layers:
            yield x
            x = layer(x + position, is_valid[:, None])  # the table enters before every layer
        yield self.norm(x)

    def _over_leads(self, tokens: Tensor, has_lead: Tensor) -> Tensor:
        by_lead = tokens.view(tokens.shape[0], len(self.rows), -1, self.dim)
        return mean_over_leads(by_lead, has_lead)

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, patch, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)


def position_table(num_patches: int, dim: int) -> Tensor:
    """(8 * patch, dim): the first half tells the patch, the second the lead."""
    num_leads = len(JEPA_LEADS)
    time, lead = sine_table(num_patches, dim // 2), sine_table(num_leads, dim // 2)
    return torch.cat([time.repeat(num_leads, 1), lead.repeat_interleave(num_patches, 0)], 1).float()


def same_lead_or_moment(num_leads: int, num_patches: int, device: torch.device) -> Tensor:
    """(token, token) bool: whether the one may look at the other."""
    token = torch.arange(num_leads * num_patches, device=device)
    lead, patch = token // num_patches, token % num_patches
    return (lead[:, None] == lead) | (patch[:, None] == patch)


def mean_over_leads(tokens: Tensor, has_lead: Tensor) -> Tensor:
    """(rows, lead, patch, dim), (rows, lead) bool -> (rows, patch, dim)."""
    present = has_lead[:, :, None, None].to(tokens.dtype)
    return (tokens * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)
