"""Where P, QRS and T begin and end in each lead, or where beats are: the class of every sample.

The encoder sees the leads that are there, and the decoder (`models/wave_decoder.py`) answers for
each of them. With random lead masking one model serves a single lead as well as all twelve.
"""

from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from anylead.augment import Augmentation
from anylead.errors import RecipeError
from anylead.models.encoder import Encoder, scale_gradient
from anylead.models.feature_extractor import ResidualFeatureExtractor
from anylead.models.wave_decoder import WaveDecoder
from anylead.objective import Batch, Step
from anylead.signals.beat_rules import CLASSES as BEATS
from anylead.signals.wave_rules import WAVES
from anylead.tasks.wave_targets import WaveTargets


@dataclass(frozen=True)
class WaveConfig:
    """The decoder over samples.

    Attributes:
        dims: its channels at the sample rate and after each halving.
        kernel: of its convolutions, odd.
        uses_encoder: false leaves the encoder out: a small U-Net for comparison.
        classes: "P,QRS,T", or "N,S,V,F,Q": beats by their AAMI class.
    """

    dims: tuple[int, ...] = (16, 24, 32, 48, 64)
    kernel: int = 5
    uses_encoder: bool = True
    classes: str = "P,QRS,T"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes.

        Raises:
            RecipeError: others than the two.
        """
        found = tuple(part.strip() for part in self.classes.split(","))
        if found not in (WAVES, BEATS):
            raise RecipeError(
                f"waves.classes {self.classes}: want {','.join(WAVES)} or {','.join(BEATS)}"
            )
        return found


class Waves(nn.Module):
    """An encoder and a decoder that gives each sample of each lead its class.

    Args:
        encoder: ours, with the stem "residual", whose steps are halvings of the sample rate.
        config: of the decoder.
        augment: applied to training batches only.
        targets: of the recordings; None where nothing is learned.

    Raises:
        RecipeError: another encoder.
    """

    def __init__(
        self,
        encoder: nn.Module,
        config: WaveConfig,
        augment: Augmentation,
        targets: WaveTargets | None = None,
    ):
        super().__init__()
        self.encoder, self.augment, self.targets = encoder, augment, targets
        self.uses_encoder = config.uses_encoder
        self.head = new_decoder(encoder, config)

    def train(self, mode: bool = True) -> "Waves":
        """A frozen encoder stays as it is, its statistics and its dropout, too."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.encoder.parameters()):
            self.encoder.eval()
        return self

    def forward(self, batch: Batch) -> Step:
        """Cross-entropy with the share of each class, summed over samples that are known."""
        if self.targets is None or batch.start is None:
            raise RecipeError("the batch has no marks of waves")
        share, is_known = self.targets.of(batch.record, batch.start, batch.signal.shape[-1])
        seen = self.augment(batch) if self.training else batch
        if batch.num_samples is not None:
            sample = torch.arange(is_known.shape[-1], device=batch.num_samples.device)
            is_there = sample < batch.num_samples.flatten()[:, None, None]
            is_known = is_known & is_there.to(is_known.device)
        has_lead = seen.has_lead.flatten(0, 1)
        log = log_softmax(self.logits(seen).float(), dim=1)  # (leads, class, time)
        place = has_lead.nonzero(as_tuple=True)
        share, is_known = (part.to(log.device)[place] for part in (share, is_known))
        loss = -((share * log).sum(dim=1) * is_known).sum()
        terms = is_known.sum()
        is_right = (log.argmax(dim=1) == share.argmax(dim=1)) & is_known
        logs = {"cross_entropy": loss.detach() / terms, "right": is_right.sum() / terms}
        return Step(loss, terms, logs)

    def logits(self, batch: Batch) -> Tensor:
        """(leads that are there, of all segments in order, class, time)."""
        num_samples = None if batch.num_samples is None else batch.num_samples.flatten()
        signal, has_lead = batch.signal.flatten(0, 1), batch.has_lead.flatten(0, 1)
        encoder = self.encoder if self.uses_encoder else None
        return wave_logits(encoder, self.head, signal, has_lead, num_samples)

    def probabilities(self, batch: Batch) -> Tensor:
        """(batch, segment, lead, time, class); NaN for leads that are not there."""
        has_lead = batch.has_lead.flatten(0, 1)
        found = softmax(self.logits(batch).float(), dim=1).transpose(1, 2)
        dense = found.new_full((*has_lead.shape, *found.shape[1:]), float("nan"))
        dense[has_lead] = found
        return dense.view(*batch.has_lead.shape, *found.shape[1:])


def wave_logits(
    encoder: nn.Module | None,
    decoder: nn.Module,
    signal: Tensor,
    has_lead: Tensor,
    num_samples: Tensor | None = None,
) -> Tensor:
    """(leads that are there, in order, 4, time) of (rows, 12, time) mV."""
    if encoder is None:
        logits: Tensor = decoder(signal, has_lead, [], None)
        return logits
    with torch.set_grad_enabled(
        torch.is_grad_enabled() and any(p.requires_grad for p in encoder.parameters())
    ):
        stages, context = _steps_of(cast(Encoder, encoder), signal, has_lead, num_samples)
    found: Tensor = decoder(signal, has_lead, stages, context)
    return found


def _steps_of(
    encoder: Encoder, signal: Tensor, has_lead: Tensor, num_samples: Tensor | None
) -> tuple[list[Tensor], Tensor]:
    """Outputs of the steps of a residual stem, (rows, dim, step) each, and the context."""
    if encoder.completion is not None:
        signal = encoder.completion(signal, has_lead)
    stages = cast(ResidualFeatureExtractor, encoder.feature_extractor).stages(signal, num_samples)
    features = scale_gradient(stages[-1].transpose(1, 2), encoder.config.feature_grad_scale)
    is_padding = encoder.find_padding(features.shape[1], num_samples)
    normed = encoder.feature_norm(features)
    return stages, encoder.contextualize(normed, None, is_padding, has_lead)


def new_decoder(encoder: nn.Module, config: WaveConfig) -> WaveDecoder:
    """A decoder with fresh weights that fits an encoder.

    Raises:
        RecipeError: an encoder whose steps do not halve the rate, or more of them than the decoder.
    """
    if not config.uses_encoder:
        return WaveDecoder((), 0, config.dims, config.kernel, len(config.names) + 1)
    if not isinstance(encoder, Encoder) or not isinstance(
        encoder.feature_extractor, ResidualFeatureExtractor
    ):
        raise RecipeError(
            f"task waves: a {type(encoder).__name__} without a residual stem; want our encoder"
            " with stem: residual, such as that of ptbxl-small"
        )
    layers = encoder.feature_extractor.layers
    if any(stride != 2 for _, _, stride in layers) or len(layers) > len(config.dims) - 1:
        raise RecipeError(
            f"task waves: conv_layers {layers}; want strides of 2, at most"
            f" {len(config.dims) - 1} of them"
        )
    stages = [dim for dim, _, _ in layers]
    size = len(config.names) + 1
    return WaveDecoder(stages, encoder.dim, config.dims, config.kernel, size)


def described(config: WaveConfig) -> dict[str, Any]:
    """What a checkpoint says of the decoder."""
    return asdict(config)
