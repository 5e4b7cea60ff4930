"""wav2vec 2.0: find the own quantized feature of a masked frame (Baevski 2020, 2006.11477)."""

from anylead.methods.pretraining import Method
from anylead.objective import Batch


def segments(batch: Batch) -> Batch:
    """The segments as they are loaded."""
    return batch


WAV2VEC2 = Method(views=segments, local_weight=1.0)
