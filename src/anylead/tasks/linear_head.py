"""A head on an encoder, linear or attentive, trained with a loss of its outputs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anylead.augment import Augmentation
from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError
from anylead.losses.label_losses import cross_entropy
from anylead.models import build_encoder, load_weights
from anylead.models.heads import build_head
from anylead.models.moving_average import MovingAverage
from anylead.objective import Batch, Step
from anylead.tasks.answers_by_leads import AnswersByLeads


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


@dataclass(frozen=True, eq=False)
class Criterion:
    """What the outputs of a head are trained for.

    Attributes:
        name: of the loss, in the log.
        loss: (outputs, targets) -> the loss of each entry, all (batch, segment, output).
        answer: outputs -> what they say, as a target of another model.
        output_weight: (output,) factor of the loss where the target is 1, or None.
        row_weight: (record,) factor of the loss by row of the store, or None.
    """

    name: str = "bce"
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy
    answer: Callable[[Tensor], Tensor] = torch.sigmoid
    output_weight: Tensor | None = None
    row_weight: Tensor | None = None


BCE = Criterion()


class LinearHead(nn.Module):
    """Fine-tuning, or a probe.

    Args:
        encoder: any encoder.
        num_outputs: width of the head.
        augment: applied to training batches only.
        average: of the weights.
        criterion: what the outputs are trained for; labels that may occur together unless it says
            otherwise.
        head: "linear" on the mean over frames, or "attentive" to them.
    """

    output_weight: Tensor | None
    row_weight: Tensor | None
    distillation: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        num_outputs: int,
        augment: Augmentation,
        average: AverageConfig | None = None,
        criterion: Criterion = BCE,
        head: str = "linear",
    ):
        super().__init__()
        self.encoder = encoder
        self.augment = augment
        self.head = build_head(head, encoder.dim, num_outputs)  # type: ignore[arg-type]
        self.criterion = criterion
        self.register_buffer("output_weight", criterion.output_weight, persistent=False)
        self.register_buffer("row_weight", criterion.row_weight, persistent=False)
        share = 0.0 if average is None else average.distillation
        self.register_buffer("distillation", torch.full((num_outputs,), share), persistent=False)
        self.teaches_itself = share > 0  # known without asking the device in each step
        self.by_leads: AnswersByLeads | None = None
        self.average: MovingAverage | None = None
        if average is not None and average.decay:
            self.average = MovingAverage(self._parts(), average.decay)

    def forward(self, batch: Batch) -> Step:
        """The loss, summed over recordings, known targets and segments."""
        if batch.label is None:
            raise RecipeError("the batch has no labels: name a label task of the store")
        soft = self._follow(batch) if self.training else None
        seen = self.augment(batch) if self.training else batch
        outputs = self.logits(seen).float()
        label = batch.label[:, None].expand_as(outputs)  # (batch, segment, output)
        if self.by_leads is not None and self.training:
            label = self.by_leads(seen, label)
        is_known = ~label.isnan()
        target = label.nan_to_num()
        weight = self._weight(batch, target, is_known)
        if soft is not None:
            target = torch.lerp(target, soft, self.distillation)
        loss = (self.criterion.loss(outputs, target) * weight).sum()
        terms = torch.tensor(outputs.shape[0] * outputs.shape[1], device=outputs.device)
        logged = {self.criterion.name: loss.detach() / is_known.sum().clamp(min=1)}
        return Step(loss, terms, logged)

    def leave_to_others(self, is_taught: Tensor) -> None:
        """The average does not teach these outputs, (output,) bool, since another model does."""
        self.distillation[is_taught] = 0.0
        self.teaches_itself = bool(self.distillation.any())

    def logits(self, batch: Batch) -> Tensor:
        """(batch, segment, output); outside of training those of the average, if there is one."""
        if self.average is not None and not self.training:
            copies = self.average.copies
            return _outputs(copies["encoder"], copies["head"], batch)
        return _outputs(self.encoder, self.head, batch)

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

    def _weight(self, batch: Batch, target: Tensor, is_known: Tensor) -> Tensor:
        """(batch, segment, output), 0 where the target is unknown."""
        weight = is_known.float()
        if self.output_weight is not None:
            weight = weight * torch.lerp(torch.ones_like(target), self.output_weight, target)
        if self.row_weight is not None:
            weight = weight * self.row_weight[batch.record][:, None, None]
        return weight

    @torch.no_grad()
    def _follow(self, batch: Batch) -> Tensor | None:
        """Move the average on; (batch, segment, output) of what it says, where it teaches."""
        if self.average is None:
            return None
        self.average.follow(self._parts(), batch.step)
        if not self.teaches_itself:
            return None
        copies = self.average.eval().copies
        return self.criterion.answer(_outputs(copies["encoder"], copies["head"], batch).float())


def trained_head(checkpoint: Checkpoint, name: str) -> LinearHead:
    """What was fine-tuned, ready to answer.

    Args:
        checkpoint: of labels or numbers.
        name: of the checkpoint, for messages.

    Raises:
        CheckpointError: weights that do not fit.
    """
    described = checkpoint.description
    encoder = build_encoder(described["encoder"], checkpoint.part("encoder"), name)
    kind = described.get("head", "linear")
    module = LinearHead(encoder, len(described["label_names"]), lambda batch: batch, head=kind)
    load_weights(module, checkpoint.tensors, name)
    return module


def _outputs(encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
    num_samples = None if batch.num_samples is None else batch.num_samples.flatten()
    encoded = encoder(batch.signal.flatten(0, 1), num_samples, batch.has_lead.flatten(0, 1))
    outputs: Tensor = head(encoded.context, encoded.is_padding, encoder.pool)
    return outputs.view(*batch.signal.shape[:2], -1)
