"""Two-way contrast of views: CMSC, CMLC, CMSMLC (CLOCS, Kiyasseh et al. 2021, arXiv:2005.13249).

For each pair of views an N x N matrix of similarities between recordings, read along both axes:
CMSC pairs adjacent segments of a recording, CMLC different leads of a segment, CMSMLC all leads of
both segments with each other.
"""

import torch
from torch import Tensor

from anylead.losses.view_pairs import compare, log_sum_negatives, mean_contrast


def cmsc_loss(
    first: Tensor,
    second: Tensor,
    record: Tensor,
    patient: Tensor,
    temperature: float = 0.1,
    patient_positives: bool = False,
) -> Tensor:
    """Pull the two segments of a recording together and push other patients away.

    Negatives come from all ranks. Another recording of the same patient is never a negative: it is
    left out, or a positive too.

    Args:
        first, second: (batch, dim) embeddings of two adjacent segments.
        record: (batch,) int64; equal numbers are one recording.
        patient: (batch,) int64; equal numbers are one person.
        temperature: divides the cosine similarity.
        patient_positives: whether other recordings of a patient attract.

    Returns:
        Scalar: cross-entropy averaged over the positives of a segment, then over segments, that is
        over both directions.
    """
    views = torch.stack([first, second], dim=1)
    return view_pair_loss(views, record, patient, temperature, patient_positives=patient_positives)


def view_pair_loss(
    embedding: Tensor,
    record: Tensor,
    patient: Tensor,
    temperature: float = 0.1,
    *,
    is_pair: Tensor | None = None,
    is_valid: Tensor | None = None,
    patient_positives: bool = False,
) -> Tensor:
    """The same for any number of views: one N x N matrix for each ordered pair of views.

    A view is told apart from the same view of other patients only, as CLOCS does; `nt_xent` takes
    all views of other patients as negatives.

    Args:
        embedding: (batch, view, dim).
        record, patient, temperature, is_pair, is_valid, patient_positives: see
            `anylead.losses.view_pairs.compare`.

    Returns:
        Scalar: averaged over the positives of a view, then over views and their partners.
    """
    pairs = compare(
        embedding,
        record,
        patient,
        temperature,
        is_pair=is_pair,
        is_valid=is_valid,
        patient_positives=patient_positives,
    )
    return mean_contrast(pairs, log_sum_negatives(pairs, dim=2), dim=2)
