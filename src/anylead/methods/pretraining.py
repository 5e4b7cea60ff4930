"""One step of self-supervised pre-training: views, local contrast, global contrast, their sum.

Every method of this room is a choice of views and of weights (a `Method`); this module is what all
of them run. The names follow Oh et al. 2022, arXiv:2203.06889.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from anylead.augment import Augmentation
from anylead.errors import RecipeError
from anylead.losses.diversity import diversity_loss
from anylead.losses.info_nce import info_nce
from anylead.models import (
    Encoder,
    MaskedPrediction,
    MaskedPredictionConfig,
    mean_over_frames,
)
from anylead.models.masking import negative_counts, span_mask
from anylead.objective import Batch, Step

GlobalLoss = Callable[[Tensor, Batch, float], Tensor]


@dataclass(frozen=True)
class Method:
    """What makes one method different from another.

    Attributes:
        views: batch -> batch whose segment axis holds the views to be contrasted.
        global_loss: (embeddings (batch, view, dim), batch, temperature) -> scalar mean, or None.
        local_weight: of the contrast of masked frames; 0 leaves it out.
        global_weight: of the contrast of recordings; 0 leaves it out.
        augment: augmentations the method cannot do without: name -> fields.
    """

    views: Callable[[Batch], Batch]
    global_loss: GlobalLoss | None = None
    local_weight: float = 0.0
    global_weight: float = 0.0
    augment: dict[str, dict[str, float | str]] = field(default_factory=dict)


class Pretraining(nn.Module):
    """A self-supervised objective over an encoder.

    Args:
        encoder: any encoder; the local contrast needs the Transformer `Encoder`.
        method: views and weights.
        augment: applied to the views.
        local: settings of the local contrast.
        temperature: of the global contrast.

    Raises:
        RecipeError: both weights are zero, or the encoder has no frames to mask.
    """

    def __init__(
        self,
        encoder: nn.Module,
        method: Method,
        augment: Augmentation,
        local: MaskedPredictionConfig | None = None,
        temperature: float = 0.1,
    ):
        super().__init__()
        if not method.local_weight and not method.global_weight:
            raise RecipeError("local_weight and global_weight are both 0: nothing to learn")
        self.encoder = encoder
        self.method = method
        self.augment = augment
        self.temperature = temperature
        self.local: MaskedPrediction | None = None
        if method.local_weight:
            if not isinstance(encoder, Encoder):
                raise RecipeError(
                    f"{type(encoder).__name__} has no frames to mask: choose a global method such"
                    " as cmsc, or the transformer encoder"
                )
            config = local or MaskedPredictionConfig()
            self.local = MaskedPrediction(encoder.feature_dim, encoder.dim, config)

    def forward(self, batch: Batch) -> Step:
        """One forward pass; the loss is a sum over masked frames, or over recordings."""
        views = self.augment(self.method.views(batch))
        if self.local is None or not isinstance(self.encoder, Encoder):
            pooled = self._encode(views)
            terms = torch.tensor(len(pooled), device=pooled.device)
            loss = self._global_loss(pooled, views)
            return Step(terms * loss, terms, {"global": loss.detach()})
        return self._both(self.encoder, self.local, views)

    def _both(self, encoder: Encoder, local: MaskedPrediction, views: Batch) -> Step:
        config = local.config
        signal = views.signal.flatten(0, 1)  # (batch * view, lead, time)
        has_lead = views.has_lead.flatten(0, 1)
        num_samples = None if views.num_samples is None else views.num_samples.flatten()
        seed = views.row_seed()

        features = encoder.features(signal, num_samples, has_lead)  # (rows, frame, dim)
        is_padding = encoder.find_padding(features.shape[1], num_samples)
        masked = span_mask(seed, features.shape[1], is_padding, config.start_prob, config.span)
        normed = encoder.feature_norm(features)
        is_masked = masked.flags(features.shape[1])
        context = encoder.contextualize(normed, is_masked, is_padding, has_lead)

        noise = None
        if self.training:
            noise = local.quantizer.gumbel_noise(seed, masked.frames.shape[1])
        prediction, target, quantized = local(normed, context, masked, noise, views.step)
        counts = negative_counts(masked, seed, config.num_negatives)
        contrast, num_first = info_nce(
            prediction, target, quantized.codes, counts, masked.is_valid, config.temperature
        )
        diversity = diversity_loss(quantized.prob_perplexity, config.num_groups * config.num_codes)
        penalty = features.float().square().mean()

        terms = masked.is_valid.sum()
        rest = config.diversity_weight * diversity + config.penalty_weight * penalty
        logs = {
            "local": contrast.detach() / terms,
            "accuracy": num_first / terms,
            "diversity": diversity.detach(),
            "penalty": penalty.detach(),
            "code_perplexity": quantized.code_perplexity.detach(),
            "temperature": local.quantizer.temperature_at(views.step),
        }
        if self.method.global_weight:
            pooled = mean_over_frames(context, is_padding).view(*views.signal.shape[:2], -1)
            global_loss = self._global_loss(pooled, views)
            rest = rest + self.method.global_weight * global_loss
            logs["global"] = global_loss.detach()
        return Step(self.method.local_weight * contrast + terms * rest, terms, logs)

    def _encode(self, views: Batch) -> Tensor:
        """(batch, view, dim): the mean over frames of each view, frames unmasked."""
        num_samples = None if views.num_samples is None else views.num_samples.flatten()
        encoded = self.encoder(
            views.signal.flatten(0, 1), num_samples, views.has_lead.flatten(0, 1)
        )
        pooled = mean_over_frames(encoded.context, encoded.is_padding)
        return pooled.view(*views.signal.shape[:2], -1)

    def _global_loss(self, pooled: Tensor, views: Batch) -> Tensor:
        if self.method.global_loss is None:
            raise RecipeError("the method has a global weight but no global loss")
        with torch.autocast(pooled.device.type, enabled=False):
            return self.method.global_loss(pooled.float(), views, self.temperature)
