"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), from flat leads to the ECG.

The attributions of a window add up to its score minus the score of flat leads. Normalization makes
an encoder nearly blind to the size of a signal, so along the way the score changes most while the
ECG is still tiny; even steps would miss that, so the way is cut into decades.
"""

from itertools import pairwise

import torch
from torch import Tensor

from anylead.explanations.target import Target, attributed, flat

# Ends of the parts of the way, and points of the quadrature in each.
DECADES = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
STEPS = 12
_ROWS_AT_ONCE = 8


def attribute(target: Target, signal: Tensor, has_lead: Tensor) -> Tensor:
    """Share of every sample in the score; arguments as of `attributed`."""
    level = flat(signal)
    way = signal - level
    parts = [
        attributed(
            "IntegratedGradients",
            target,
            level + end * way,
            has_lead,
            level + begin * way,
            {"n_steps": STEPS, "internal_batch_size": _ROWS_AT_ONCE},
        )
        for begin, end in pairwise(DECADES)
    ]
    return sum(parts, torch.zeros_like(signal))
