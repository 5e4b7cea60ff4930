"""Limb leads that follow exactly from two others (Einthoven 1913; Goldberger 1942), on the device.

Any two limb leads hold all six, so a model need not guess what arithmetic gives.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from anylead.augment.drawing import check_prob, is_chosen
from anylead.leads import LIMB_LEADS, limb_completion_table
from anylead.objective import Batch

_PURPOSE = 0x4C494D42
_NUM_LIMB = len(LIMB_LEADS)
_TABLE = torch.from_numpy(limb_completion_table()).to(torch.float32)  # (64, 6, 6)


@dataclass(frozen=True)
class CompleteLimbLeads:
    """Fill in missing limb leads wherever at least two are present.

    The signal must be in one unit for all leads of a recording (mV, or scaled by one factor): a
    z-score lead by lead breaks the relation.

    Attributes:
        prob: chance of each segment to be completed.
    """

    prob: float = 1.0

    def __post_init__(self) -> None:
        check_prob(self.prob)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with completed limb leads and their flags; chest leads as they are."""
        has_limb = batch.has_lead[..., :_NUM_LIMB]  # (batch, segment, 6)
        signal = complete(batch.signal[..., :_NUM_LIMB, :], has_limb)
        is_complete = (has_limb.sum(-1) >= 2) & is_chosen(batch, self.prob, _PURPOSE)
        limbs = batch.signal[..., :_NUM_LIMB, :]
        limbs = torch.where(is_complete[..., None, None], signal, limbs)
        return replace(
            batch,
            signal=torch.cat([limbs, batch.signal[..., _NUM_LIMB:, :]], dim=-2),
            has_lead=torch.cat(
                [has_limb | is_complete[..., None], batch.has_lead[..., _NUM_LIMB:]], dim=-1
            ),
        )


def complete(limbs: Tensor, has_limb: Tensor) -> Tensor:
    """(..., 6, time) limb leads, missing ones zero -> completed; present ones pass unchanged."""
    bits = torch.tensor([1 << i for i in range(_NUM_LIMB)], device=limbs.device)
    matrix = _TABLE.to(limbs.device)[(has_limb * bits).sum(-1)]  # (..., 6, 6)
    derived = torch.einsum("...ij,...jt->...it", matrix, limbs)
    # What is there stays bit for bit, whatever the precision of the product.
    return torch.where(has_limb[..., None], limbs, derived)
