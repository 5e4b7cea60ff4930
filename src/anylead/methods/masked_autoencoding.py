"""Masked autoencoding of patches of single leads (ST-MEM, Na et al. 2024, arXiv:2402.09450).

Of each lead three quarters of the patches are hidden, other ones for each lead; a narrow decoder
draws them, each normalized by its own mean and deviation. Leads that are hidden by random lead
masking have no token from which they could be drawn: they do not count.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from anylead.errors import RecipeError
from anylead.leads import NUM_LEADS
from anylead.methods.pretraining import LocalPart, Method
from anylead.methods.views import segments
from anylead.models.ecg_jepa import mean_over_leads
from anylead.models.lead_decoder import LeadDecoder, LeadDecoderConfig, normalized_patches
from anylead.models.st_mem import STMEM
from anylead.models.window import valid_patches
from anylead.objective import Batch
from anylead.randomness import permutation_keys

_PURPOSE = 0x4D4145


@dataclass(frozen=True)
class MaskedAutoencodingConfig:
    """Settings of the objective.

    Attributes:
        masked_share: of the patches of each lead.
    """

    masked_share: float = 0.75


class MaskedAutoencoding(nn.Module):
    """The decoder: a third as wide and a third as deep as the encoder, as published.

    Args:
        encoder: what is trained.
        config: settings.

    Raises:
        RecipeError: an encoder without tokens of leads and patches of ST-MEM's kind.
    """

    def __init__(self, encoder: nn.Module, config: MaskedAutoencodingConfig | None = None):
        super().__init__()
        if not isinstance(encoder, STMEM):
            raise RecipeError("method masked_autoencoding: wants encoder.kind st_mem")
        self.config = config or MaskedAutoencodingConfig()
        shape = encoder.config
        num_heads = max(1, shape.num_heads // 3)
        dim = max(16, shape.dim // 3) // (2 * num_heads) * (2 * num_heads)
        decoder = LeadDecoderConfig(dim, max(1, shape.num_layers // 3), num_heads, 4 * dim)
        self.decoder = LeadDecoder(shape.dim, shape.patch, shape.num_patches, decoder)

    def forward(self, encoder: nn.Module, seen: Batch, complete: Batch) -> LocalPart:
        """One pass of encoder and decoder.

        Args:
            encoder: what is trained.
            seen: segments as the encoder gets them.
            complete: not looked at; what is drawn are the leads that are seen.
        """
        if not isinstance(encoder, STMEM):
            raise TypeError(f"a {type(encoder).__name__} in place of an STMEM")
        has_lead = seen.has_lead.flatten(0, 1)
        signal = encoder.window(seen.signal.flatten(0, 1), has_lead)
        target = signal.reshape(*signal.shape[:2], -1, encoder.config.patch)
        num_samples = None if seen.num_samples is None else seen.num_samples.flatten()
        is_valid = valid_patches(signal, num_samples, target.shape[2], encoder.config.patch)
        order = patch_order(seen.row_seed(), is_valid)
        num_seen = max(1, int(target.shape[2] * (1 - self.config.masked_share)))
        tokens = encoder.encode_seen(encoder.patches(signal), order[..., :num_seen], has_lead)
        drawn = self.decoder(tokens, order)

        is_masked = order.argsort(dim=2) >= num_seen
        counts = is_masked & is_valid[:, None] & has_lead[..., None]
        error = (drawn.float() - normalized_patches(target.float())).square().mean(dim=3)
        loss, terms = (error * counts).sum(), counts.sum().clamp(min=1)
        context = mean_over_leads(tokens[:, :, 1:-1], has_lead)
        return LocalPart(loss, terms, context, None, {"local": loss.detach() / terms})


def patch_order(seed: Tensor, is_valid: Tensor) -> Tensor:
    """(rows, lead, patch) int64: a random order of the patches of each lead, padding at its end."""
    num_patches = is_valid.shape[1]
    keys = permutation_keys(seed, NUM_LEADS * num_patches, _PURPOSE)
    keys = keys.view(-1, NUM_LEADS, num_patches).masked_fill(~is_valid[:, None], 2**62)
    return keys.argsort(dim=2)


MASKED_AUTOENCODING = Method(views=segments, own_local=MaskedAutoencoding, local_weight=1.0)
