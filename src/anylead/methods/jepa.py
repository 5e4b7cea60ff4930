"""Joint-embedding prediction: what an averaged copy makes of hidden patches (ECG-JEPA, 2410.08559).

Patches are hidden for all leads at once; the encoder sees the others, and a narrow network predicts
the tokens of the copy, which sees everything (Assran et al. 2023, arXiv:2301.08243). With random
lead masking the tokens of hidden leads are to be predicted, too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, smooth_l1_loss

from anylead.errors import RecipeError
from anylead.methods.pretraining import LocalPart, Method
from anylead.methods.views import segments
from anylead.models.ecg_jepa import (
    ECGJEPA,
    JEPA_LEADS,
    mean_over_leads,
    position_table,
    same_lead_or_moment,
)
from anylead.models.moving_average import MovingAverage
from anylead.models.transformer import TransformerLayer
from anylead.models.window import valid_patches
from anylead.objective import Batch
from anylead.randomness import permutation_keys

_PURPOSE = 0x4A455041


@dataclass(frozen=True)
class JEPAConfig:
    """Settings of the objective.

    Attributes:
        masked_share: of the patches of a window.
        decay: of the averaged copy, per step.
    """

    masked_share: float = 0.65
    decay: float = 0.996


class JEPA(nn.Module):
    """The averaged copy and the predictor: half as wide and half as deep as the encoder.

    Args:
        encoder: what is trained.
        config: settings.

    Raises:
        RecipeError: an encoder without tokens of leads and patches.
    """

    position: Tensor

    def __init__(self, encoder: nn.Module, config: JEPAConfig | None = None):
        super().__init__()
        if not isinstance(encoder, ECGJEPA):
            raise RecipeError("method jepa: wants encoder.kind ecg_jepa")
        self.config = config or JEPAConfig()
        shape = encoder.config
        dim = shape.dim // 2
        self.teacher = MovingAverage({"encoder": encoder}, self.config.decay)
        self.reduce = nn.Linear(shape.dim, dim)
        self.mask_vector = nn.Parameter(0.02 * torch.randn(dim))
        self.register_buffer("position", position_table(shape.num_patches, dim))
        self.layers = nn.ModuleList(
            TransformerLayer(dim, max(1, shape.num_heads // 2), 4 * dim, 0.0, 0.0, norm_first=True)
            for _ in range(max(1, shape.num_layers // 2))
        )
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, shape.dim)

    def forward(self, encoder: nn.Module, seen: Batch, complete: Batch) -> LocalPart:
        """One pass of both networks.

        Args:
            encoder: what is trained.
            seen: segments as the encoder gets them, leads hidden perhaps.
            complete: the same segments with all leads there are.
        """
        if not isinstance(encoder, ECGJEPA):
            raise TypeError(f"a {type(encoder).__name__} in place of an ECGJEPA")
        has_lead = seen.has_lead.flatten(0, 1)[:, encoder.rows]  # (rows, 8)
        patches = encoder.patches(seen.signal.flatten(0, 1))
        num_leads, num_patches = len(JEPA_LEADS), patches.shape[1] // len(JEPA_LEADS)
        num_samples = None if seen.num_samples is None else seen.num_samples.flatten()
        is_valid = valid_patches(patches, num_samples, num_patches, encoder.config.patch)
        is_hidden = hidden_patches(seen.row_seed(), is_valid, self.config.masked_share)
        is_kept = (is_valid & ~is_hidden).repeat(1, num_leads)
        tokens = encoder.contextualize(patches, has_lead, is_kept)

        is_seen = is_kept & has_lead.repeat_interleave(num_patches, dim=1)
        predicted = self.predict(tokens, is_seen, is_valid.repeat(1, num_leads))
        target = self.target(encoder, complete, is_valid)
        wanted = complete.has_lead.flatten(0, 1)[:, encoder.rows].repeat_interleave(num_patches, 1)
        wanted = wanted & is_valid.repeat(1, num_leads) & ~is_seen
        error = smooth_l1_loss(predicted.float(), target.float(), reduction="none").mean(dim=2)
        loss, terms = (error * wanted).sum(), wanted.sum().clamp(min=1)
        context = mean_over_leads(tokens.view(len(tokens), num_leads, num_patches, -1), has_lead)
        logs = {"local": loss.detach() / terms, "target_spread": target.float().std()}
        return LocalPart(loss, terms, context, is_hidden | ~is_valid, logs)

    def predict(self, tokens: Tensor, is_seen: Tensor, is_valid: Tensor) -> Tensor:
        """(rows, token, dim) of the encoder -> what the copy may make of each token.

        Args:
            tokens: (rows, token, dim).
            is_seen: (rows, token) bool; the others are replaced by a learned vector.
            is_valid: (rows, token) bool, tokens that are no padding.
        """
        x = torch.where(is_seen[..., None], self.reduce(tokens), self.mask_vector.to(tokens.dtype))
        num_leads = len(JEPA_LEADS)
        num_patches = x.shape[1] // num_leads
        table = self.position.view(num_leads, -1, x.shape[2])[:, :num_patches].flatten(0, 1)
        allowed = same_lead_or_moment(num_leads, num_patches, x.device)
        itself = torch.eye(len(allowed), dtype=torch.bool, device=x.device)
        looks_at = ((allowed & is_valid[:, None]) | itself)[:, None]
        x = x + table
        for layer in self.layers:
            x = layer(x, looks_at)
        predicted: Tensor = self.expand(self.norm(x))
        return predicted

    @torch.no_grad()
    def target(self, encoder: ECGJEPA, complete: Batch, is_valid: Tensor) -> Tensor:
        """(rows, token, dim) of the averaged copy, which first moves on; each token normalized."""
        if self.training:
            self.teacher.follow({"encoder": encoder}, complete.step)
        teacher = self.teacher.copies["encoder"].eval()
        if not isinstance(teacher, ECGJEPA):
            raise TypeError(f"the copy of an ECGJEPA is a {type(teacher).__name__}")
        patches = teacher.patches(complete.signal.flatten(0, 1))
        has_lead = complete.has_lead.flatten(0, 1)[:, teacher.rows]
        tokens = teacher.contextualize(patches, has_lead, is_valid.repeat(1, len(JEPA_LEADS)))
        return layer_norm(tokens.float(), tokens.shape[2:])


def hidden_patches(seed: Tensor, is_valid: Tensor, share: float) -> Tensor:
    """(rows, patch) bool: a random share of the valid patches of each row, at least one of two."""
    num_patches = is_valid.shape[1]
    keys = permutation_keys(seed, num_patches, _PURPOSE).masked_fill(~is_valid, 2**62)
    rank = keys.argsort(dim=1).argsort(dim=1)
    num_valid = is_valid.sum(dim=1, keepdim=True)
    num_hidden = (share * num_valid).round().long().clamp(min=1)
    return (rank < num_hidden.minimum(num_valid - 1)) & is_valid


JEPA_METHOD = Method(views=segments, own_local=JEPA, local_weight=1.0)
