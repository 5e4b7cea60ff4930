"""Additive angular margin (ArcFace, Deng et al. 2019, arXiv:1801.07698, eq. 3)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Below this squared sine the angle counts as 0 or 180 degrees: the slope of the sine there, which
# is infinite at |cos| = 1, is taken as zero.
_SMALLEST_SQUARE = 1e-7


def arcface_logits(
    cosine: Tensor, target: Tensor, scale: float = 192.0, margin: float = 1.0
) -> Tensor:
    """Cosines with the margin added to the angle of the true class, times the scale.

    Where angle + margin passes 180 degrees, cos(angle + margin) would rise again; there the true
    class gets cos(angle) - margin * sin(margin) instead, as is usual, which keeps falling. No "easy
    margin": the margin also applies beyond 90 degrees.

    Args:
        cosine: (batch, class) of embeddings and class centres.
        target: (batch,) int64 true class.
        scale: multiplies the logits; default of Oh et al. 2022.
        margin: radians, 0 to pi; default of Oh et al. 2022.

    Returns:
        (batch, class). The gradient is finite everywhere, also at |cosine| = 1.
    """
    own = cosine.gather(1, target[:, None])  # (batch, 1)
    sine = (1 - own.square()).clamp(min=_SMALLEST_SQUARE).sqrt()
    shifted = own * math.cos(margin) - sine * math.sin(margin)
    beyond = own - margin * math.sin(margin)
    own = torch.where(own > math.cos(math.pi - margin), shifted, beyond)
    return scale * cosine.scatter(1, target[:, None], own)


def arcface_loss(
    cosine: Tensor, target: Tensor, scale: float = 192.0, margin: float = 1.0
) -> Tensor:
    """Cross-entropy of the `arcface_logits`, summed over the batch."""
    return cross_entropy(arcface_logits(cosine, target, scale, margin), target, reduction="sum")
