"""ST-MEM's encoder: patches of single leads, with embeddings of place and lead.

Na et al. 2024, ICLR, arXiv:2402.09450.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anylead.leads import LEADS, NUM_LEADS
from anylead.models.ecg_jepa import mean_over_leads
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.transformer import TransformerLayer
from anylead.models.window import (
    by_length,
    last_of,
    longer_than_window,
    sine_table,
    standardize,
)

_ORDER, _EDGES_HZ, _SAMPLE_RATE = 5, (0.67, 40.0), 250.0


@dataclass(frozen=True)
class STMEMConfig:
    """Shape of the encoder; the defaults are published.

    Attributes:
        dim: channels.
        num_layers: Transformer layers.
        num_heads: attention heads.
        ffn_dim: hidden channels of the feed-forward networks.
        patch: samples of a token.
        num_patches: of a window of a lead.
        dropout: in the layers; the published model has none.
        lead_embedding: "name": each lead has the embedding of its name; "position": the k-th lead
            that is there has the k-th, as the authors' models for fewer leads (lead II alone then
            has that of lead I).
        filters: pass 0.67 to 40 Hz of each window, forwards and backwards.
        standardizes: bring each window to mean 0 and deviation 1, over all its present leads.
    """

    dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    ffn_dim: int = 3072
    patch: int = 75
    num_patches: int = 30
    dropout: float = 0.0
    lead_embedding: Literal["name", "position"] = "name"
    filters: bool = True
    standardizes: bool = True


ST_MEM_SIZES = {
    "tiny": STMEMConfig(dim=32, num_layers=2, num_heads=2, ffn_dim=64),
    "small": STMEMConfig(dim=128, num_layers=4, num_heads=4, ffn_dim=512),
    "base": STMEMConfig(),
}


class STMEM(nn.Module):
    """(rows, 12, time) in mV at 250 Hz -> (rows, patch, dim), the mean of a patch's leads."""

    leads = LEADS
    uses_has_lead = True
    frames_are_time = True

    def __init__(self, config: STMEMConfig):
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.layer_dims = (config.dim,) * (config.num_layers + 1)
        self.window_samples: int | None = config.patch * config.num_patches
        self.patch_projection = nn.Sequential(
            nn.LayerNorm(config.patch),
            nn.Linear(config.patch, config.dim),
            nn.LayerNorm(config.dim),
        )
        table = sine_table(config.num_patches, config.dim).float()
        self.position = nn.Parameter(nn.functional.pad(table, (0, 0, 1, 1)))
        self.separator = nn.Parameter(nn.init.normal_(torch.empty(config.dim), std=0.02))
        self.lead = nn.Parameter(nn.init.normal_(torch.empty(NUM_LEADS, config.dim), std=0.02))
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
        return by_length(self.encode, signal, num_samples, has_lead, self.config.patch)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, patch, dim), before the last norm."""
        x = self.contextualize(self._tokens(signal, has_lead), has_lead)
        return mean_over_leads(x[:, :, 1:-1], has_lead)

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, patch, dim)."""
        for x in self._states(self._tokens(signal, has_lead), has_lead):
            yield mean_over_leads(x[:, :, 1:-1], has_lead)

    def _tokens(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        x = self.between_separators(self.patches(self.window(signal, has_lead)))
        return self.with_leads(x, has_lead)

    def encode_seen(self, patches: Tensor, seen: Tensor, has_lead: Tensor) -> Tensor:
        """Some patches of each lead through the layers and the norm, as in pre-training.

        Args:
            patches: (rows, 12, patch, dim) of `patches`.
            seen: (rows, 12, seen) int64.
            has_lead: (rows, 12) bool.

        Returns:
            (rows, 12, 1 + seen + 1, dim), separators at both ends.
        """
        chosen = patches.gather(2, seen[..., None].expand(-1, -1, -1, self.dim))
        x = self.with_leads(self.between_separators(chosen), has_lead)
        normed: Tensor = self.norm(self.contextualize(x, has_lead))
        return normed

    def window(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """Whole patches of a window, filtered and on one scale.

        Raises:
            RecipeError: longer than the window.
        """
        num_patches = signal.shape[2] // self.config.patch
        if num_patches > self.config.num_patches:
            raise longer_than_window(signal, self.window_samples)
        signal = signal[:, :, : num_patches * self.config.patch]
        if self.config.filters:
            signal = signal @ filter_matrix(signal.shape[2]).to(signal)
        return standardize(signal, has_lead, eps=0) if self.config.standardizes else signal

    def patches(self, signal: Tensor) -> Tensor:
        """(rows, 12, time) -> (rows, 12, patch, dim), place added."""
        cut = signal.reshape(*signal.shape[:2], -1, self.config.patch)
        projected: Tensor = self.patch_projection(cut)
        return projected + self.position[1 : 1 + cut.shape[2]]

    def between_separators(self, x: Tensor) -> Tensor:
        """(rows, 12, patch, dim) -> (rows, 12, patch + 2, dim)."""
        left, right = self.separator + self.position[0], self.separator + self.position[-1]
        shape = (*x.shape[:2], 1, self.dim)
        return torch.cat([left.expand(shape), x, right.expand(shape)], dim=2)

    def with_leads(self, x: Tensor, has_lead: Tensor) -> Tensor:
        """Add to every token what its lead is."""
        if self.config.lead_embedding == "name":
            return x + self.lead[:, None]
        place = (has_lead.long().cumsum(dim=1) - 1).clamp(min=0)
        return x + self.lead[place][:, :, None]

    def contextualize(self, x: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, token, dim) through the layers; missing leads are seen by none."""
        return last_of(self._states(x, has_lead))

    def _states(self, x: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """(rows, 12, token, dim): what enters the first layer, then what leaves each."""
        shape, num_tokens = x.shape, x.shape[2]
        is_seen = has_lead.repeat_interleave(num_tokens, dim=1)
        is_seen = is_seen | ~is_seen.any(dim=1, keepdim=True)  # no key at all would be NaN
        yield x
        x = x.flatten(1, 2)
        for layer in self.layers:
            x = layer(x, is_seen[:, None, None])
            yield x.view(shape)

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, patch, dim) -> (rows, dim); the norm comes after the mean."""
        normed: Tensor = self.norm(mean_over_frames(context, is_padding))
        return normed


def filter_matrix(num_samples: int) -> Tensor:
    """(time, time): a window times this is the window filtered, ends and all.

    Butterworth of order 5, high-pass, then low-pass, each forwards and backwards over mirrored
    ends: linear in the window, so a matrix.
    """
    return torch.from_numpy(_filtered_ones(num_samples))


@lru_cache(maxsize=32)  # of arrays: a tensor may be one of a tracer, or of inference alone
def _filtered_ones(num_samples: int) -> NDArray[np.float32]:
    from scipy.signal import butter, sosfiltfilt

    rows = np.eye(num_samples)
    for edge, kind in zip(_EDGES_HZ, ("highpass", "lowpass"), strict=True):
        sections = butter(_ORDER, edge, kind, fs=_SAMPLE_RATE, output="sos")
        num_taps = 2 * len(sections) + 1 - min((sections[:, [2, 5]] == 0).sum(axis=0))
        ends = min(3 * int(num_taps), num_samples - 1)
        rows = sosfiltfilt(sections, rows, axis=1, padlen=ends)
    return np.ascontiguousarray(rows, dtype=np.float32)
