"""Patient identification: recordings of one person point the same way (ArcFace, arXiv:1801.07698).

The classes of the training are only a means: persons are told apart by the cosine of embeddings,
also persons never seen before.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from anylead.augment import Augmentation
from anylead.losses.arcface import arcface_loss
from anylead.losses.info_nce import unit
from anylead.objective import Batch, Step


class Identification(nn.Module):
    """Fine-tuning that tells persons apart.

    Args:
        encoder: any encoder.
        class_of_row: (record,) int64, class of each row of the store; -1 where it has none.
        augment: applied to training batches only.
        scale, margin: of ArcFace.
        num_classes: null takes one more than the largest class.
    """

    class_of_row: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        class_of_row: Tensor,
        augment: Augmentation,
        scale: float = 192.0,
        margin: float = 1.0,
        num_classes: int | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.augment = augment
        self.scale, self.margin = scale, margin
        self.register_buffer("class_of_row", class_of_row, persistent=False)
        number = int(class_of_row.max()) + 1 if num_classes is None else num_classes
        self.head = nn.Linear(encoder.dim, number, bias=False)  # type: ignore[arg-type]
        nn.init.xavier_uniform_(self.head.weight)

    def forward(self, batch: Batch) -> Step:
        """Cross-entropy of cosines with the centres of the classes, summed over segments."""
        target = self.class_of_row[batch.record][:, None].expand(-1, batch.signal.shape[1])
        embedding = self.embeddings(self.augment(batch) if self.training else batch)
        with torch.autocast(embedding.device.type, enabled=False):
            centres = unit(self.head.weight.float())
            cosine = linear(unit(embedding.float().flatten(0, 1)), centres)
            loss = arcface_loss(cosine, target.flatten(), self.scale, self.margin)
        terms = torch.tensor(target.numel(), device=loss.device)
        accuracy = (cosine.argmax(dim=1) == target.flatten()).float().mean()
        return Step(loss, terms, {"arcface": loss.detach() / terms, "accuracy": accuracy})

    def embeddings(self, batch: Batch) -> Tensor:
        """(batch, segment, dim), the mean over frames of each segment."""
        num_samples = None if batch.num_samples is None else batch.num_samples.flatten()
        encoded = self.encoder(
            batch.signal.flatten(0, 1), num_samples, batch.has_lead.flatten(0, 1)
        )
        pooled: Tensor = self.encoder.pool(encoded.context, encoded.is_padding)  # type: ignore[operator]
        return pooled.view(*batch.signal.shape[:2], -1)
