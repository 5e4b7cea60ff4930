"""Contrast of each masked frame with its quantized target (arXiv:2006.11477, eq. 3)."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def info_nce(
    prediction: Tensor,
    target: Tensor,
    codes: Tensor,
    counts: Tensor,
    is_valid: Tensor,
    temperature: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding the own target among the drawn negatives.

    One product of all masked frames of a segment with each other, then each negative weighs as
    often as it was drawn: the same sum as over an explicit list of negatives.

    Args:
        prediction: (rows, masked, dim), projected context.
        target: (rows, masked, dim), projected quantized features.
        codes: (rows, masked, group) int64; a negative with the codes of the target is left out.
        counts: (rows, masked, masked), how often frame j is a negative of frame i.
        is_valid: (rows, masked) bool.
        temperature: divides the cosine similarity.

    Returns:
        Loss, summed over valid frames, and the number of frames whose own target came first.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        cosine = unit(prediction.float()) @ unit(target.float()).transpose(1, 2)
    logits = cosine / temperature  # (rows, masked, masked)
    own = logits.diagonal(dim1=1, dim2=2)
    is_own = torch.eye(codes.shape[1], dtype=torch.bool, device=codes.device)
    is_same = (codes[:, :, None] == codes[:, None]).all(dim=-1)
    negatives = counts.masked_fill(is_same, 0.0)
    loss = ((logits + torch.where(is_own, 1.0, negatives).log()).logsumexp(dim=2) - own) * is_valid
    is_first = own >= logits.detach().masked_fill(negatives == 0, -torch.inf).amax(dim=2)
    return loss.sum(), (is_first & is_valid).sum()


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis."""
    return normalize(x, dim=-1, eps=1e-8)
