"""Masked autoencoding with leads hidden, too: the samples of the whole (arXiv:2111.06377)."""

from anylead.methods.pretraining import Method
from anylead.methods.views import segments

SIGNAL = Method(segments, local="signal", local_weight=1.0)
