"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901): how the score falls without a piece.

A piece is 0.2 s of one lead, laid flat; of a whole lead it is the lead itself, taken away as if it
had never been recorded, which is what models for any set of leads are made for.
"""

import torch
from torch import Tensor

from anylead.explanations.target import Target, attributed, flat

SECONDS = 0.2


def attribute(target: Target, signal: Tensor, has_lead: Tensor) -> Tensor:
    """Fall of the score by every piece, spread over its samples; arguments as of `attributed`."""
    samples = max(1, round(SECONDS * target.model.preprocess_config.sample_rate))
    samples = min(samples, signal.shape[1])
    settings = {
        "sliding_window_shapes": (1, samples),
        "strides": (1, samples),
        "perturbations_per_eval": target.model.batch_size,
    }
    with torch.no_grad():
        fall = attributed("Occlusion", target, signal, has_lead, flat(signal), settings)
    return fall / samples


def by_lead(target: Target, signal: Tensor, has_lead: Tensor) -> Tensor:
    """How the score of a recording falls when a lead had not been recorded.

    Args:
        target: the score.
        signal: (window, 12, time).
        has_lead: (12,) bool.

    Returns:
        (12,), zero for missing leads, and for a lone lead (without it nothing is left).
    """
    fall = torch.zeros(len(has_lead))
    if has_lead.sum() < 2:
        return fall
    flags = has_lead[None].expand(len(signal), -1)
    whole = target.joined(signal, flags)
    for lead in has_lead.nonzero().flatten().tolist():
        without, kept = signal.clone(), flags.clone()
        without[:, lead], kept[:, lead] = 0, False
        fall[lead] = whole - target.joined(without, kept)
    return fall
