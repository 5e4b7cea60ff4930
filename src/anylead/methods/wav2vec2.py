"""wav2vec 2.0: find the own quantized feature of a masked frame (Baevski 2020, 2006.11477)."""

from anylead.methods.pretraining import Method
from anylead.methods.views import segments

WAV2VEC2 = Method(views=segments, local_weight=1.0, shares_views=True)
