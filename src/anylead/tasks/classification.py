"""Multi-label diagnosis: the mean over frames, one linear layer, a sigmoid per label."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from anylead.augment import Augmentation
from anylead.errors import RecipeError
from anylead.objective import Batch, Step


class Classification(nn.Module):
    """Fine-tuning, or a linear probe, for labels that may occur together.

    Args:
        encoder: any encoder.
        num_labels: width of the head.
        augment: applied to training batches only.
    """

    def __init__(self, encoder: nn.Module, num_labels: int, augment: Augmentation):
        super().__init__()
        self.encoder = encoder
        self.augment = augment
        self.head = nn.Linear(encoder.dim, num_labels)  # type: ignore[arg-type]
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Batch) -> Step:
        """Binary cross-entropy, summed over recordings, labels and segments."""
        if batch.label is None:
            raise RecipeError("the batch has no labels: name a label task of the store")
        label = batch.label[:, None]
        logits = self.logits(self.augment(batch) if self.training else batch)
        label = label.expand_as(logits)  # (batch, segment, label)
        loss = binary_cross_entropy_with_logits(logits.float(), label, reduction="sum")
        terms = torch.tensor(logits.shape[0] * logits.shape[1], device=logits.device)
        return Step(loss, terms, {"bce": loss.detach() / label.numel()})

    def logits(self, batch: Batch) -> Tensor:
        """(batch, segment, label)."""
        num_samples = None if batch.num_samples is None else batch.num_samples.flatten()
        encoded = self.encoder(
            batch.signal.flatten(0, 1), num_samples, batch.has_lead.flatten(0, 1)
        )
        pooled = self.encoder.pool(encoded.context, encoded.is_padding)  # type: ignore[operator]
        logits: Tensor = self.head(pooled)
        return logits.view(*batch.signal.shape[:2], -1)
