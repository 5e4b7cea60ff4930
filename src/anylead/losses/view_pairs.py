"""Which embeddings of a batch of views attract and which repel; recordings of one person never do.

A view is a segment, a lead of a segment, or an augmented copy of a recording.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from anylead.losses.gather import gather
from anylead.losses.info_nce import unit

# Far below any logit, and finite: sums over nothing keep a gradient of zero instead of NaN.
_NOTHING = -1e30


@dataclass(frozen=True)
class ViewPairs:
    """Similarities of all views of all ranks, and what they are to each other.

    Attributes:
        logits: (batch, view, batch, view) cosine similarity / temperature.
        is_positive: likewise bool, the pairs to be pulled together.
        is_negative: likewise bool, the pairs of different persons.
    """

    logits: Tensor
    is_positive: Tensor
    is_negative: Tensor


def compare(
    embedding: Tensor,
    record: Tensor,
    patient: Tensor,
    temperature: float,
    *,
    is_pair: Tensor | None = None,
    is_valid: Tensor | None = None,
    patient_positives: bool = False,
) -> ViewPairs:
    """Compare every view with every other, over all ranks.

    Args:
        embedding: (batch, view, dim), as many on every rank.
        record: (batch,) int64; equal numbers are one recording.
        patient: (batch,) int64; equal numbers are one person.
        temperature: divides the cosine similarity.
        is_pair: (view, view) bool: which views of one recording attract. None: all but each with
            itself.
        is_valid: (batch, view) bool: False leaves a view out, such as that of a missing lead.
        patient_positives: whether views of other recordings of a person attract, as those of the
            recording itself do; else they are left out. They are never negatives.
    """
    embedding, record, patient = gather(embedding), gather(record), gather(patient)
    num_views, device = embedding.shape[1], embedding.device
    rows = unit(embedding.float()).flatten(0, 1)
    shape = (len(embedding), num_views, len(embedding), num_views)
    logits = (rows @ rows.T / temperature).view(shape)
    if is_pair is None:
        is_pair = ~torch.eye(num_views, dtype=torch.bool, device=device)
    same_record = record[:, None] == record
    same_person = same_record | (patient[:, None] == patient)
    attracts = same_person if patient_positives else same_record
    is_positive = attracts[:, None, :, None] & is_pair.to(device)[:, None, :]
    is_negative = ~same_person[:, None, :, None].expand(shape)
    if is_valid is not None:
        valid = gather(is_valid)
        both = valid[:, :, None, None] & valid
        is_positive, is_negative = is_positive & both, is_negative & both
    return ViewPairs(logits, is_positive, is_negative)


def log_sum_negatives(pairs: ViewPairs, dim: int | tuple[int, ...]) -> Tensor:
    """Log of the summed exponentials of the negatives along the axes, which stay with length 1."""
    kept = pairs.logits.masked_fill(~pairs.is_negative, _NOTHING)
    return kept.logsumexp(dim=dim, keepdim=True)


def mean_contrast(pairs: ViewPairs, log_negatives: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Cross-entropy of each positive against itself and its negatives, other positives left out.

    Args:
        pairs: see `compare`.
        log_negatives: broadcasts to the logits.
        dim: the axes over which positives of one anchor are averaged; anchors then count alike.

    Returns:
        Scalar: mean over anchors that have a positive; 0 if none has.
    """
    # -log(e^p / (e^p + sum e^n)) = softplus(log sum e^n - p)
    terms = softplus(log_negatives - pairs.logits).where(pairs.is_positive, 0.0)
    num_positive = pairs.is_positive.sum(dim)
    of_anchor = terms.sum(dim) / num_positive.clamp(min=1)
    return of_anchor.sum() / (num_positive > 0).sum().clamp(min=1)
