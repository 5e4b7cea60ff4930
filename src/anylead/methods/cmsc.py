"""CMSC: two adjacent segments of one recording attract (Kiyasseh et al. 2021, arXiv:2005.13249)."""

from torch import Tensor

from anylead.losses.cmsc import cmsc_loss
from anylead.methods.pretraining import Method
from anylead.objective import Batch


def segments(batch: Batch) -> Batch:
    """The segments as they are loaded: two adjacent ones of each recording."""
    return batch


def contrast(pooled: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Both segments of a recording attract, other patients repel."""
    first, second = pooled.unbind(dim=1)
    return cmsc_loss(first, second, batch.record, batch.patient, temperature)


CMSC = Method(views=segments, global_loss=contrast, global_weight=1.0)
