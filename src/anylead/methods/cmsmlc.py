"""CMSMLC: another lead of an adjacent segment attracts (CLOCS, Kiyasseh 2021, arXiv:2005.13249).

Differs from the reference, which compares all pairs of four leads: two leads are drawn anew for
each recording and step, so that a step costs what one of CMSC does.
"""

import torch

from anylead.methods.pretraining import Method
from anylead.methods.views import Views, two_leads
from anylead.objective import Batch


def leads_of_adjacent_segments(batch: Batch) -> Views:
    """One lead of the first segment and another lead of the second."""
    both = torch.arange(2, device=batch.signal.device).expand(len(batch.signal), 2)
    return two_leads(batch, both)


CMSMLC = Method(views=leads_of_adjacent_segments, contrast="two_way", global_weight=1.0)
