"""SimCLR: two augmented copies of a segment attract (Chen et al. 2020, arXiv:2002.05709).

The augmentation is random lead masking, as in Oh et al. 2022 (arXiv:2203.06889); a recipe may give
any other.
"""

from anylead.methods.pretraining import Method
from anylead.methods.views import one_segment_twice

SIMCLR = Method(
    views=one_segment_twice,
    contrast="nt_xent",
    global_weight=1.0,
    augment={"random_lead_mask": {}},
)
