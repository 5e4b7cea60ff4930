"""Squared distance to the targets of a teacher, frame by frame (data2vec, arXiv:2202.03555)."""

from torch import Tensor


def latent_regression(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over channels of the squared error, summed over frames by their weight.

    Args:
        prediction, target: (rows, frame, dim).
        weight: (rows, frame), 0 for padding.
    """
    error = (prediction.float() - target.float()).square().mean(dim=2)
    return (error * weight).sum()
