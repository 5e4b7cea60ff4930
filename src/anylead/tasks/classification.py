"""Multi-label diagnosis: a head on an encoder, linear or attentive, a sigmoid per label."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from anylead.augment import Augmentation
from anylead.errors import RecipeError
from anylead.models import MovingAverage
from anylead.models.heads import build_head
from anylead.objective import Batch, Step


@dataclass(frozen=True)
class AverageConfig:
    """What becomes of an average of the weights over the steps; the paper has none.

    Attributes:
        decay: of the average, such as 0.999; it is then what is validated and kept. 0 = no average.
        distillation: share of the loss in which the targets are not the labels but what the
            average says to the recording with all its leads.
    """

    decay: float = 0.0
    distillation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("decay", "distillation"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"average.{name} {getattr(self, name)}: want 0 or more, below 1")
        if self.distillation and not self.decay:
            raise RecipeError("average.distillation: there is no average; set average.decay")


class Classification(nn.Module):
    """Fine-tuning, or a probe, for labels that may occur together.

    Args:
        encoder: any encoder.
        num_labels: width of the head.
        augment: applied to training batches only.
        average: of the weights.
        head: "linear" on the mean over frames, or "attentive" to them.
    """

    def __init__(
        self,
        encoder: nn.Module,
        num_labels: int,
        augment: Augmentation,
        average: AverageConfig | None = None,
        head: str = "linear",
    ):
        super().__init__()
        self.encoder = encoder
        self.augment = augment
        self.head = build_head(head, encoder.dim, num_labels)  # type: ignore[arg-type]
        self.distillation = 0.0 if average is None else average.distillation
        self.average: MovingAverage | None = None
        if average is not None and average.decay:
            self.average = MovingAverage(self._parts(), average.decay)

    def forward(self, batch: Batch) -> Step:
        """Binary cross-entropy, summed over recordings, known labels and segments."""
        if batch.label is None:
            raise RecipeError("the batch has no labels: name a label task of the store")
        soft = self._follow(batch) if self.training else None
        logits = self.logits(self.augment(batch) if self.training else batch).float()
        label = batch.label[:, None].expand_as(logits)  # (batch, segment, label)
        is_known = ~label.isnan()
        target = label.nan_to_num()
        if soft is not None:
            target = torch.lerp(target, soft, self.distillation)
        loss = binary_cross_entropy_with_logits(logits, target, is_known.float(), reduction="sum")
        terms = torch.tensor(logits.shape[0] * logits.shape[1], device=logits.device)
        return Step(loss, terms, {"bce": loss.detach() / is_known.sum().clamp(min=1)})

    def logits(self, batch: Batch) -> Tensor:
        """(batch, segment, label); outside of training those of the average, where there is one."""
        if self.average is not None and not self.training:
            copies = self.average.copies
            return _logits(copies["encoder"], copies["head"], batch)
        return _logits(self.encoder, self.head, batch)

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training: the average, where there is one."""
        if self.average is not None:
            return self.average.weights()
        return {
            f"{name}.{key}": value
            for name, part in self._parts().items()
            for key, value in part.state_dict().items()
        }

    def _parts(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "head": self.head}

    @torch.no_grad()
    def _follow(self, batch: Batch) -> Tensor | None:
        """Move the average on; (batch, segment, label) of what it says, where it teaches."""
        if self.average is None:
            return None
        self.average.follow(self._parts(), batch.step)
        if not self.distillation:
            return None
        copies = self.average.eval().copies
        return _logits(copies["encoder"], copies["head"], batch).float().sigmoid()


def _logits(encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
    num_samples = None if batch.num_samples is None else batch.num_samples.flatten()
    encoded = encoder(batch.signal.flatten(0, 1), num_samples, batch.has_lead.flatten(0, 1))
    logits: Tensor = head(encoded.context, encoded.is_padding, encoder.pool)
    return logits.view(*batch.signal.shape[:2], -1)
