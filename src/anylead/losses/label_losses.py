"""Losses of the outputs of a linear head, entry by entry; the sum is taken by the task.

Targets may lie between 0 and 1, where an average of the weights teaches.
"""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, smooth_l1_loss


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """(..., class) of labels that may occur together."""
    return binary_cross_entropy_with_logits(logits, target, reduction="none")


def focal(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """(..., class): what is nearly right counts less (Lin et al. 2017, arXiv:1708.02002)."""
    return asymmetric(logits, target, gamma, gamma, margin=0.0)


def asymmetric(
    logits: Tensor, target: Tensor, gamma_positive: float, gamma_negative: float, margin: float
) -> Tensor:
    """(..., class): easy negatives count less still (Ridnik et al. 2021, arXiv:2009.14119).

    Args:
        logits, target: (..., class).
        gamma_positive, gamma_negative: powers of what is missing to certainty.
        margin: negatives of a smaller probability do not count at all.
    """
    probability = logits.sigmoid()
    shifted = (probability - margin).clamp(min=0.0)
    # log(1 - shifted), exact for large logits where nothing is shifted
    log_negative = logsigmoid(-logits) if margin == 0 else (-shifted).log1p()
    positive = target * (1 - probability) ** gamma_positive * logsigmoid(logits)
    negative = (1 - target) * shifted**gamma_negative * log_negative
    return -(positive + negative)


def softmax_cross_entropy(logits: Tensor, target: Tensor, gamma: float = 0.0) -> Tensor:
    """(..., class) of classes that exclude each other; with gamma the focal form of it."""
    log_probability = logits.log_softmax(dim=-1)
    easy = (1 - log_probability.exp()) ** gamma if gamma else 1.0
    return -(target * easy * log_probability)


def squared(output: Tensor, target: Tensor) -> Tensor:
    """(..., target)."""
    return (output - target).square()


def absolute(output: Tensor, target: Tensor) -> Tensor:
    """(..., target)."""
    return (output - target).abs()


def huber(output: Tensor, target: Tensor) -> Tensor:
    """(..., target): squared within one spread, twice the distance beyond (Huber 1964)."""
    return 2 * smooth_l1_loss(output, target, reduction="none")
