"""data2vec's objective for any leads: an averaged copy's view of the whole (arXiv:2202.03555)."""

from anylead.methods.pretraining import Method
from anylead.methods.views import segments

DATA2VEC = Method(segments, local="latent", local_weight=1.0)
