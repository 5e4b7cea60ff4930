"""Fill in limb leads that follow exactly from two present ones (Einthoven, Goldberger)."""

import torch
from torch import Tensor, nn

from anylead.leads import limb_completion_table


class LimbCompletion(nn.Module):
    """One table look-up and one small matrix product per row; exact for signals in mV."""

    table: Tensor
    bit: Tensor

    def __init__(self) -> None:
        super().__init__()
        table = torch.from_numpy(limb_completion_table()).to(torch.float32)  # (64, 6, 6)
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("bit", torch.tensor([1, 2, 4, 8, 16, 32]), persistent=False)

    def forward(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """Complete the limb leads.

        Args:
            signal: (rows, 12, time), zero where a lead is missing.
            has_lead: (rows, 12) bool.

        Returns:
            (rows, 12, time); leads that were present are unchanged.
        """
        subset = (has_lead[:, :6] * self.bit).sum(dim=1)
        limbs = self.table[subset].to(signal.dtype) @ signal[:, :6]
        return torch.cat([limbs, signal[:, 6:]], dim=1)
