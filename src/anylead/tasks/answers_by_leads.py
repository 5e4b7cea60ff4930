"""Targets that depend on which leads of a recording are left.

What can be told from one lead is not what can be told from twelve. A model made for that lead says
the former: its answers vary less than those of a model that sees more, and the labels.
"""

import torch
from torch import Tensor, nn

from anylead.objective import Batch


class AnswersByLeads(nn.Module):
    """The targets of recordings of which exactly these leads are left.

    Args:
        lead_sets: (set, 12) bool.
        targets: (set, record, class) float of all rows of the store, NaN where there is none.
    """

    lead_sets: Tensor
    targets: Tensor

    def __init__(self, lead_sets: Tensor, targets: Tensor):
        super().__init__()
        self.register_buffer("lead_sets", lead_sets, persistent=False)
        self.register_buffer("targets", targets, persistent=False)

    def forward(self, batch: Batch, label: Tensor) -> Tensor:
        """Put the targets of the leads in the place of those of the recordings.

        Args:
            batch: as the model sees it.
            label: (batch, segment, class), NaN where it is unknown.

        Returns:
            The same shape; as it was where no set has just these leads, or none of its targets.
        """
        is_left = (batch.has_lead[:, :, None] == self.lead_sets).all(-1)  # (batch, segment, set)
        own = self.targets[is_left.int().argmax(-1), batch.record[:, None]]
        return torch.where(is_left.any(-1, keepdim=True) & ~own.isnan(), own, label)
