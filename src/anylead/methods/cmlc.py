"""CMLC: the leads of one segment attract (CLOCS, Kiyasseh et al. 2021, arXiv:2005.13249).

As in the reference each of four leads is a view of its own, and a pair of leads (a, b) is told
apart from the same pair of other patients. A recording that lacks a lead is left out of its pairs.
"""

from anylead.methods.pretraining import Method
from anylead.methods.views import CLOCS_LEADS, Views, draw_segment, single_leads
from anylead.objective import Batch


def leads_of_a_segment(batch: Batch) -> Views:
    """One segment of each recording, once for each of the four leads: 6 pairs."""
    segment = draw_segment(batch)[:, None].expand(-1, len(CLOCS_LEADS))
    return single_leads(batch, segment, CLOCS_LEADS)


CMLC = Method(views=leads_of_a_segment, contrast="two_way", global_weight=1.0)
