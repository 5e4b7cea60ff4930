"""3KG: turned and scaled vectorcardiograms, stretches masked (Gopal 2021, arXiv:2106.04452)."""

from anylead.methods.pretraining import Method
from anylead.methods.views import one_segment_twice

THREE_KG = Method(
    views=one_segment_twice,
    contrast="nt_xent",
    global_weight=1.0,
    augment={"vcg_rotation": {}, "time_mask": {}},
)
