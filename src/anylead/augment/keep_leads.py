"""Keep chosen leads only: what a model sees that was given fewer leads."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.errors import RecipeError
from anylead.leads import NUM_LEADS, lead_mask, parse_leads
from anylead.objective import Batch


@dataclass(frozen=True)
class KeepLeads:
    """Set all other leads to zero and mark them as missing.

    Attributes:
        leads: a named set ("3") or a list ("I,II,V2").
        prob: 0 leaves the batch as it is; anything else keeps these leads always.
    """

    leads: str = "12"
    prob: float = 1.0

    def __post_init__(self) -> None:
        # A recipe in YAML may say 2 for "2".
        object.__setattr__(self, "leads", str(self.leads))
        lead_mask(self.leads)
        if not 0 <= self.prob <= 1:
            raise RecipeError(f"prob = {self.prob}: want a number from 0 to 1")

    def __call__(self, batch: Batch) -> Batch:
        """The batch with these leads at most."""
        if self.prob == 0 or len(parse_leads(self.leads)) == NUM_LEADS:
            return batch
        is_kept = torch.from_numpy(lead_mask(self.leads)).to(batch.signal.device)
        has_lead = batch.has_lead & is_kept
        return replace(
            batch, signal=batch.signal.where(has_lead[..., None], 0.0), has_lead=has_lead
        )

    def is_kept(self, has_lead: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(record, 12) which of the present leads stay."""
        return has_lead & lead_mask(self.leads)
