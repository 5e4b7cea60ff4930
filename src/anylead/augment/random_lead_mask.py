"""Random lead masking (RLM): Oh et al., CHIL 2022, arXiv:2203.06889, section 3.3.

A model that meets another random subset of leads at every step learns to work with any of them.
Differs from the reference: a segment keeps at least one of the leads it has (there all may fall at
once), and any number of leads may be missing beforehand.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from anylead.augment.drawing import check_prob, is_chosen, segment_uniform
from anylead.errors import RecipeError
from anylead.leads import LEAD_SETS, NUM_LEADS, lead_mask
from anylead.objective import Batch

Mode = Literal["independent", "lead_sets", "limb_chest"]

_PURPOSE = 0x524C4D
_PURPOSE_LAST = 0x524C4E
_PURPOSE_ANY = 0x524C4F


@dataclass(frozen=True)
class RandomLeadMask:
    """Set random leads of each segment to zero and mark them as missing.

    Attributes:
        prob: "independent": the chance of each lead to be masked (the paper's value is 0.5). Other
            modes: the chance of a segment to be masked at all.
        mode: "independent": each lead on its own. "lead_sets": one of `sets` is kept, all equally
            likely. "limb_chest": k limb and m chest leads are kept.
        sets: of "lead_sets": named sets, lists such as "II" or "V1,V2", or "random", which is any
            number of leads, drawn at random; one that stands twice is twice as likely.
        num_limb: k of "limb_chest", 0 to 6; -1 draws it anew for each segment.
        num_chest: m of "limb_chest", likewise.
    """

    prob: float = 0.5
    mode: Mode = "independent"
    sets: tuple[str, ...] = tuple(LEAD_SETS)
    num_limb: int = -1
    num_chest: int = -1

    def __post_init__(self) -> None:
        check_prob(self.prob)
        if self.mode not in ("independent", "lead_sets", "limb_chest"):
            raise RecipeError(f"mode = {self.mode!r}: want independent, lead_sets or limb_chest")
        # A recipe in YAML has lists, and may say 2 for "2".
        object.__setattr__(self, "sets", tuple(str(name) for name in self.sets))
        if not self.sets:
            raise RecipeError("sets = []: want at least one")
        self._named()  # raises
        for name, value in (("num_limb", self.num_limb), ("num_chest", self.num_chest)):
            if not -1 <= value <= NUM_LEADS // 2:
                raise RecipeError(f"{name} = {value}: want 0 to 6, or -1 for a random number")

    def __call__(self, batch: Batch) -> Batch:
        """The batch with fewer leads; every segment that had a lead keeps one."""
        if self.mode == "independent":
            is_wanted = segment_uniform(batch, NUM_LEADS, _PURPOSE) >= self.prob
        else:
            chosen = is_chosen(batch, self.prob, _PURPOSE)[..., None]
            draw = self._named_set if self.mode == "lead_sets" else self._limb_and_chest
            is_wanted = draw(batch) | ~chosen
        has_lead = keep_one(
            is_wanted, batch.has_lead, segment_uniform(batch, NUM_LEADS, _PURPOSE_LAST)
        )
        signal = batch.signal.where(has_lead[..., None], 0.0)
        return replace(batch, signal=signal, has_lead=has_lead)

    def _named_set(self, batch: Batch) -> Tensor:
        """(batch, segment, lead) bool: the leads of one of the sets per segment."""
        index = (segment_uniform(batch, 1, _PURPOSE)[..., 0] * len(self.sets)).long()
        named = self._named().to(index.device)[index]
        if "random" not in self.sets:
            return named
        draws = segment_uniform(batch, NUM_LEADS + 1, _PURPOSE_ANY)
        number = (draws[..., :1] * NUM_LEADS).long()  # one less than the leads that stay
        drawn = draws[..., 1:].argsort(-1).argsort(-1) <= number
        return torch.where(named.any(-1, keepdim=True), named, drawn)

    def _named(self) -> Tensor:
        """(set, 12) bool: the leads of each set; none of "random"."""
        masks = [
            np.zeros(NUM_LEADS, dtype=bool) if name == "random" else lead_mask(name)
            for name in self.sets
        ]
        return torch.from_numpy(np.stack(masks))

    def _limb_and_chest(self, batch: Batch) -> Tensor:
        """(batch, segment, lead) bool: k of the limb and m of the chest leads that are present."""
        draws = segment_uniform(batch, NUM_LEADS + 2, _PURPOSE)
        # Missing leads come last in the order, so that k counts those present.
        keys = draws[..., :NUM_LEADS] + (~batch.has_lead).to(draws.dtype)
        half = NUM_LEADS // 2
        kept = []
        for part, fixed in enumerate((self.num_limb, self.num_chest)):
            place = keys[..., part * half : (part + 1) * half].argsort(-1).argsort(-1)
            drawn = (draws[..., NUM_LEADS + part] * (half + 1)).long()
            number = drawn if fixed < 0 else torch.full_like(drawn, fixed)
            kept.append(place < number[..., None])
        return torch.cat(kept, dim=-1)


def keep_one(is_wanted: Tensor, has_lead: Tensor, key: Tensor) -> Tensor:
    """The wanted leads among those present; where that is none, one present lead at random.

    Args:
        is_wanted, has_lead: (..., lead) bool.
        key: (..., lead) numbers from 0 to 1; the present lead with the largest one is the last.
    """
    kept = is_wanted & has_lead
    last = key.where(has_lead, -1.0).argmax(-1, keepdim=True)
    is_last = torch.zeros_like(has_lead).scatter(-1, last, value=True) & has_lead
    return torch.where(kept.any(-1, keepdim=True), kept, is_last)
