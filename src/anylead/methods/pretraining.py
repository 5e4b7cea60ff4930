"""One step of self-supervised pre-training: views, local contrast, global contrast, their sum.

Every method of this room is a choice of views and of weights (a `Method`); this module is what all
of them run. The names follow Oh et al. 2022, arXiv:2203.06889.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from anylead.augment import Augmentation
from anylead.errors import RecipeError, known_are
from anylead.losses.cmsc import view_pair_loss
from anylead.losses.diversity import diversity_loss, perplexity_of_all
from anylead.losses.info_nce import info_nce
from anylead.losses.latent_regression import latent_regression
from anylead.losses.nt_xent import nt_xent
from anylead.losses.signal_regression import signal_regression
from anylead.methods.views import Views
from anylead.models import Encoder, MaskedPrediction, MaskedPredictionConfig, mean_over_frames
from anylead.models.latent_prediction import LatentPrediction, LatentPredictionConfig
from anylead.models.masking import negative_counts, span_mask
from anylead.models.signal_prediction import SignalPrediction, SignalPredictionConfig
from anylead.objective import Batch, Step

# How views are compared: each pair of views as an N x N matrix read both ways, or all 2N in one.
CONTRASTS: dict[str, Callable[..., Tensor]] = {"two_way": view_pair_loss, "nt_xent": nt_xent}


@dataclass(frozen=True)
class Method:
    """What makes one method different from another.

    Attributes:
        views: batch -> the views to be contrasted.
        contrast: a name in `CONTRASTS`.
        local_weight: of what is asked about masked frames; 0 leaves it out.
        local: "contrast" with the quantized features of other frames, or "latent", what an
            averaged copy of the encoder makes of the whole recording, or "signal", its samples.
        global_weight: of the contrast of recordings; 0 leaves it out.
        shares_views: the local contrast sees these views too, in the same pass of the encoder;
            else it sees the segments as they are loaded, in a pass of its own.
        patient_positives: views of other recordings of a patient attract; else they are left out.
        augment: augmentations the method cannot do without: name -> fields.
        own_local: makes of an encoder a local objective of tokens: a module
            (encoder, seen, complete) -> `LocalPart`; None: `local` says which there is.
        needs_pairs: whether it contrasts adjacent segments; else single segments serve, too.
    """

    views: Callable[[Batch], Views]
    contrast: str = "two_way"
    local: Literal["contrast", "latent", "signal"] = "contrast"
    local_weight: float = 0.0
    global_weight: float = 0.0
    shares_views: bool = False
    patient_positives: bool = False
    augment: dict[str, dict[str, float | str]] = field(default_factory=dict)
    own_local: Callable[[nn.Module], nn.Module] | None = None
    needs_pairs: bool = False

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise RecipeError(f"contrast {self.contrast!r}{known_are(self.contrast, CONTRASTS)}")


def combine(first: Method, second: Method) -> Method:
    """One method with the local contrast of the one and the global contrast of the other.

    Raises:
        RecipeError: they do not complement each other.
    """
    local, contrast = (first, second) if first.local_weight else (second, first)
    if local.global_weight or contrast.local_weight or not local.local_weight:
        raise RecipeError("only a local and a global method can be joined: wav2vec2 and cmsc, say")
    return replace(
        contrast,
        local_weight=local.local_weight,
        local=local.local,
        own_local=local.own_local,
    )


class LocalPart(NamedTuple):
    """What the local contrast makes of segments.

    loss: summed over `terms` masked frames.
    terms: number of masked frames.
    context: (rows, frame, dim) of the encoder, frames masked.
    is_padding: (rows, frame) bool, or None.
    logs: scalars.
    """

    loss: Tensor
    terms: Tensor
    context: Tensor
    is_padding: Tensor | None
    logs: dict[str, Tensor]


class Pretraining(nn.Module):
    """A self-supervised objective over an encoder.

    Args:
        encoder: any encoder; the local contrast needs the Transformer `Encoder`, and an
            `own_local` its own kind.
        method: views and weights.
        augment: applied to the views.
        local: settings of the local contrast.
        temperature: of the global contrast.
        local_augment: applied to the segments of a local contrast that sees other views.
        latent: settings of a local objective that is no contrast; its class must fit `method`.

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
        local_augment: Augmentation | None = None,
        latent: LatentPredictionConfig | SignalPredictionConfig | None = None,
    ):
        super().__init__()
        if not method.local_weight and not method.global_weight:
            raise RecipeError("local_weight and global_weight are both 0: nothing to learn")
        self.encoder = encoder
        self.method = method
        self.augment = augment
        self.local_augment = local_augment
        self.temperature = temperature
        self.local: nn.Module | None = None
        if method.local_weight and method.own_local is not None:
            self.local = method.own_local(encoder)
        elif method.local_weight:
            if not isinstance(encoder, Encoder):
                raise RecipeError(
                    f"{type(encoder).__name__} has no frames to mask: choose a global method such"
                    " as cmsc, or the transformer encoder"
                )
            if method.local == "latent":
                given = latent if isinstance(latent, LatentPredictionConfig) else None
                self.local = LatentPrediction(encoder, given or LatentPredictionConfig())
            elif method.local == "signal":
                of_signal = latent if isinstance(latent, SignalPredictionConfig) else None
                self.local = SignalPrediction(encoder, of_signal or SignalPredictionConfig())
            else:
                config = local or MaskedPredictionConfig()
                self.local = MaskedPrediction(encoder.feature_dim, encoder.dim, config)

    def forward(self, batch: Batch) -> Step:
        """One forward pass; the loss is a sum over masked frames, or over recordings."""
        method = self.method
        whole = method.views(batch)
        views = whole._replace(batch=self.augment(whole.batch))
        if self.local is None:
            terms = torch.tensor(len(batch.record), device=batch.signal.device)
            loss = self._contrast(self._encode(views.batch), views)
            return Step(method.global_weight * terms * loss, terms, {"global": loss.detach()})
        seen = views.batch if method.shares_views else self._augment_local(batch)
        part = self._ask(self.local, seen, whole.batch if method.shares_views else batch)
        loss, logs = method.local_weight * part.loss, part.logs
        if method.global_weight:
            if method.shares_views:
                pooled = mean_over_frames(part.context, part.is_padding)
                pooled = pooled.view(*seen.signal.shape[:2], -1)
            else:
                pooled = self._encode(views.batch)
            contrast = self._contrast(pooled, views)
            loss = loss + part.terms * method.global_weight * contrast
            logs = {**logs, "global": contrast.detach()}
        return Step(loss, part.terms, logs)

    def _augment_local(self, batch: Batch) -> Batch:
        return batch if self.local_augment is None else self.local_augment(batch)

    def _ask(self, local: nn.Module, seen: Batch, complete: Batch) -> LocalPart:
        """What a local objective makes of segments; `complete` has all leads there are."""
        if not isinstance(self.encoder, Encoder):
            part: LocalPart = local(self.encoder, seen, complete)
            return part
        if isinstance(local, LatentPrediction | SignalPrediction):
            return _whole_part(self.encoder, local, seen, complete)
        if isinstance(local, MaskedPrediction):
            return self._local_part(self.encoder, local, seen)
        raise TypeError(f"{type(local).__name__} asks nothing of frames")

    def _local_part(self, encoder: Encoder, local: MaskedPrediction, views: Batch) -> LocalPart:
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
        perplexity = perplexity_of_all(quantized.mean_probability, masked.is_valid.sum())
        diversity = diversity_loss(perplexity, config.num_groups * config.num_codes)
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
        return LocalPart(contrast + terms * rest, terms, context, is_padding, logs)

    def _encode(self, views: Batch) -> Tensor:
        """(batch, view, dim): the mean over frames of each view, frames unmasked."""
        num_samples = None if views.num_samples is None else views.num_samples.flatten()
        encoded = self.encoder(
            views.signal.flatten(0, 1), num_samples, views.has_lead.flatten(0, 1)
        )
        pooled: Tensor = self.encoder.pool(encoded.context, encoded.is_padding)  # type: ignore[operator]
        return pooled.view(*views.signal.shape[:2], -1)

    def _contrast(self, pooled: Tensor, views: Views) -> Tensor:
        """Scalar mean over views, in full precision."""
        with torch.autocast(pooled.device.type, enabled=False):
            return CONTRASTS[self.method.contrast](
                pooled.float(),
                views.batch.record,
                views.batch.patient,
                self.temperature,
                is_pair=views.is_pair,
                is_valid=views.is_valid,
                patient_positives=self.method.patient_positives,
            )


def _whole_part(
    encoder: Encoder, local: LatentPrediction | SignalPrediction, seen: Batch, complete: Batch
) -> LocalPart:
    """Predict from what is seen the complete segments, or what the averaged copy makes of them."""
    config = local.config
    has_lead = seen.has_lead.flatten(0, 1)
    num_samples = None if seen.num_samples is None else seen.num_samples.flatten()
    features = encoder.features(seen.signal.flatten(0, 1), num_samples, has_lead)
    num_frames = features.shape[1]
    is_padding = encoder.find_padding(num_frames, num_samples)
    masked = span_mask(seen.row_seed(), num_frames, is_padding, config.start_prob, config.span)
    is_masked = masked.flags(num_frames)
    normed = encoder.feature_norm(features)
    context = encoder.contextualize(normed, is_masked, is_padding, has_lead)
    predicted = local(context)
    signal, has_all = complete.signal.flatten(0, 1), complete.has_lead.flatten(0, 1)
    if isinstance(local, SignalPrediction):
        weight = torch.ones_like(is_masked, dtype=torch.float32)
        target = local.target(signal, num_frames)
    else:
        weight = torch.where(is_masked, 1.0, local.config.visible_weight)
        target = local.target(encoder, seen.step, signal, num_samples, has_all)
    if is_padding is not None:
        weight = weight.masked_fill(is_padding, 0.0)
    if isinstance(local, SignalPrediction):
        loss = signal_regression(predicted, target, has_all, weight)
    else:
        loss = latent_regression(predicted, target, weight)
    terms = weight.sum()
    logs = {"local": loss.detach() / terms, "target_spread": target.std()}
    return LocalPart(loss, terms, context, is_padding, logs)
