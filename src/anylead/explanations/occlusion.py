"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901): how the score falls without a piece.

A piece is 0.2 s of one lead, laid flat; of a whole lead it is the lead itself, taken away as if it
had never been recorded, which is what models for any set of leads are made for.
"""

import torch
from torch import Tensor

from anylead.explanations.target import Target, captum, flat

SECONDS = 0.2


def attribute(target: Target, signal: Tensor, has_lead: Tensor) -> Tensor:
    """Fall of the score by every piece, spread over its samples, of either sign.

    Args:
        target: the score.
        signal: (12, time).
        has_lead: (12,) bool.

    Returns:
        (12, time), zero for missing leads.

    Raises:
        MissingPackageError: captum is not installed.
    """
    samples = max(1, round(SECONDS * target.model.preprocess_config.sample_rate))
    samples = min(samples, signal.shape[1])
    with torch.no_grad():
        attribution: Tensor = (
            captum()
            .Occlusion(target)
            .attribute(
                signal[None],
                sliding_window_shapes=(1, samples),
                strides=(1, samples),
                baselines=flat(signal[None]),
                additional_forward_args=(has_lead[None],),
                perturbations_per_eval=target.model.batch_size,
            )
        )
    return attribution[0] * has_lead[:, None] / samples


def by_lead(target: Target, signal: Tensor, has_lead: Tensor) -> Tensor:
    """How the score falls when a lead had not been recorded, mean over windows.

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
    whole = target.value(signal, flags)
    for lead in has_lead.nonzero().flatten().tolist():
        without, kept = signal.clone(), flags.clone()
        without[:, lead], kept[:, lead] = 0, False
        fall[lead] = (whole - target.value(without, kept)).mean().cpu()
    return fall
