"""Attention roll-out (Abnar and Zuidema 2020, arXiv:2005.00928): which frames reach the answer.

It knows time alone: every present lead gets the same values. And it does not know the label.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.errors import RecipeError
from anylead.explanations.target import Target
from anylead.models import Encoder


@torch.no_grad()
def attribute(target: Target, signal: Tensor, has_lead: Tensor) -> Tensor:
    """Share of every moment in the mean over frames.

    Args:
        target: of it the encoder alone is used.
        signal: (12, time).
        has_lead: (12,) bool.

    Returns:
        (12, time), not negative; zero for missing leads.

    Raises:
        RecipeError: the encoder has no attention.
    """
    if not isinstance(target.encoder, Encoder):
        raise RecipeError(
            "attention: this encoder has none; choose the method gradients or occlusion"
        )
    share = roll_out(target.encoder, signal[None], has_lead[None])[0]  # (frame,)
    frame = torch.arange(signal.shape[1], device=share.device) * len(share) // signal.shape[1]
    return has_lead[:, None] * share[frame]


def roll_out(encoder: Encoder, signal: Tensor, has_lead: Tensor) -> Tensor:
    """(rows, 12, time) -> (rows, frame); each row adds up to 1.

    The residual connection counts as half of every layer.
    """
    normed = encoder.feature_norm(encoder.features(signal, None, has_lead))
    outputs = encoder.layer_outputs(normed, has_lead=has_lead)
    rows, frames, _ = outputs[0].shape
    share = torch.full((rows, 1, frames), 1 / frames, device=signal.device)
    for layer, entering in reversed(list(zip(encoder.layers, outputs, strict=False))):
        x = layer.attention_norm(entering) if layer.norm_first else entering  # type: ignore[operator]
        weights = layer.attention_weights(x).mean(dim=1)  # type: ignore[operator]
        share = (share + share @ weights) / 2
    return share[:, 0]


def strength(attribution: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 for moments with no more than an even share, 1 from twice an even share.

    Not relative to the largest: attention that is spread evenly says nothing, and shall look so.
    """
    even = attribution.mean(axis=1, keepdims=True)
    surplus = attribution / np.where(even > 0, even, 1) - 1
    result: NDArray[np.float32] = np.clip(surplus, 0, 1).astype(np.float32)
    return result
