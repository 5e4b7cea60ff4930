"""CMLC: two leads of one segment attract (CLOCS, Kiyasseh et al. 2021, arXiv:2005.13249).

Differs from the reference, which compares all pairs of four leads: two leads are drawn anew for
each recording and step, so that a step costs what one of CMSC does.
"""

from anylead.methods.pretraining import Method
from anylead.methods.views import Views, draw_segment, two_leads
from anylead.objective import Batch


def leads_of_a_segment(batch: Batch) -> Views:
    """One segment of each recording, twice, with another lead each time."""
    return two_leads(batch, draw_segment(batch)[:, None].expand(-1, 2))


CMLC = Method(views=leads_of_a_segment, contrast="two_way", global_weight=1.0)
