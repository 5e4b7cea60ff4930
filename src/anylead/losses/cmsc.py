"""Two-way contrast of two segments per recording (Kiyasseh et al. 2021, arXiv:2005.13249)."""

import torch
from torch import Tensor

from anylead.losses.info_nce import unit


def cmsc_loss(
    first: Tensor,
    second: Tensor,
    record: Tensor,
    patient: Tensor,
    temperature: float = 0.1,
    patient_positives: bool = False,
) -> Tensor:
    """Pull the two segments of a recording together and push other patients away.

    Another recording of the same patient is never a negative: it is left out, or a positive too.

    Args:
        first, second: (batch, dim) embeddings of two adjacent segments.
        record: (batch,) int64; equal numbers are one recording.
        patient: (batch,) int64; equal numbers are one person.
        temperature: divides the cosine similarity.
        patient_positives: whether other recordings of a patient attract.

    Returns:
        Scalar: cross-entropy averaged over positive pairs and over both directions.
    """
    similarity = unit(first) @ unit(second).T / temperature  # (batch, batch)
    same_record = record[:, None] == record[None, :]
    same_patient = (patient[:, None] == patient[None, :]) | same_record
    is_positive = same_patient if patient_positives else same_record
    similarity = similarity.masked_fill(same_patient & ~is_positive, -torch.inf)
    to_second = similarity.log_softmax(dim=1)
    to_first = similarity.log_softmax(dim=0)
    both = torch.where(is_positive, to_second + to_first, 0.0)
    return both.sum() / (-2 * is_positive.sum())
