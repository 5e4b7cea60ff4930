"""CMSMLC: all leads of two adjacent segments attract (CLOCS, Kiyasseh 2021, arXiv:2005.13249).

As in the reference each of four leads of each segment is a view of its own, all 28 pairs of the 8
views attract, and a pair is told apart from the same pair of other patients. A recording that lacks
a lead is left out of its pairs.
"""

import torch

from anylead.methods.pretraining import Method
from anylead.methods.views import CLOCS_LEADS, Views, single_leads
from anylead.objective import Batch


def leads_of_adjacent_segments(batch: Batch) -> Views:
    """Both segments of each recording, once for each of the four leads: 28 pairs."""
    both = torch.arange(2, device=batch.signal.device).repeat_interleave(len(CLOCS_LEADS))
    return single_leads(batch, both.expand(len(batch.signal), -1), CLOCS_LEADS * 2)


CMSMLC = Method(
    views=leads_of_adjacent_segments, contrast="two_way", global_weight=1.0, needs_pairs=True
)
