"""CMSC: two adjacent segments of one recording attract (Kiyasseh et al. 2021, arXiv:2005.13249)."""

from anylead.methods.pretraining import Method
from anylead.methods.views import segments

CMSC = Method(
    views=segments, contrast="two_way", global_weight=1.0, shares_views=True, needs_pairs=True
)
