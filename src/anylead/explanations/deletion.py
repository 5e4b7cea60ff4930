"""Deletion curve (Petsiuk et al. 2018, arXiv:1806.07421): does an explanation find what counts?

Pieces of leads are laid flat, the most salient first. The faster the answer goes, the better the
explanation knew what it rested on; random order is the yardstick.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.errors import RecipeError
from anylead.explanations.explaining import Explanation
from anylead.explanations.target import Target, flat
from anylead.inference.model import Model
from anylead.inference.windows import sigmoid
from anylead.records import Record

PIECE_SECONDS = 0.1


def deletion(
    model: Model,
    record: Record,
    explanation: Explanation,
    steps: int = 20,
    seed: int | None = None,
) -> NDArray[np.float64]:
    """Probability of the explained label while more and more of the recording is laid flat.

    Args:
        model: that was explained.
        record: that was explained, with all leads that were seen then.
        explanation: of both; its order is followed, its largest attributions first.
        steps: of equal numbers of pieces.
        seed: of a random order in place of that of the explanation; None follows it.

    Returns:
        (steps + 1,) from nothing deleted to everything.

    Raises:
        RecipeError: the explanation is of no label.
    """
    if explanation.label is None:
        raise RecipeError("a deletion curve needs a label; this model has none")
    seen = list(explanation.by_lead)
    windows = model.windows([record], seen)[0]
    has_lead = torch.from_numpy(windows.has_lead)
    target = Target(model, explanation.label)
    order = _order(explanation, windows.has_lead, seed)  # (12, piece): rank of deletion
    num_pieces = order.shape[1]
    length = explanation.attribution.shape[1]
    piece = np.arange(length) * num_pieces // length
    rank = torch.from_numpy(order[:, piece])  # (12, time)
    curve = []
    for gone in np.linspace(0, order.max() + 1, steps + 1):
        is_gone = (rank < gone) & has_lead[:, None]
        rows = []
        for start, window in zip(windows.start.tolist(), windows.signal, strict=True):
            whole = torch.from_numpy(window)
            part = is_gone[:, start : start + whole.shape[1]]
            rows.append(torch.where(part, flat(whole), whole))
        signal = torch.stack(rows).to(model.device)
        flags = has_lead[None].expand(len(rows), -1).to(model.device)
        curve.append(target.joined(signal, flags))
    return sigmoid(np.array(curve))


def _order(
    explanation: Explanation, has_lead: NDArray[np.bool_], seed: int | None
) -> NDArray[np.int64]:
    """(12, piece): 0 for what goes first; leads that are missing go last."""
    samples = max(1, round(PIECE_SECONDS * explanation.sample_rate))
    length = explanation.attribution.shape[1]
    num_pieces = -(-length // samples)
    piece = np.arange(length) * num_pieces // length
    starts = np.searchsorted(piece, np.arange(num_pieces))
    strength = np.add.reduceat(explanation.attribution, starts, axis=1)
    if seed is not None:
        strength = np.random.default_rng(seed).random(strength.shape)
    strength = np.where(has_lead[:, None], strength, -np.inf)
    order = np.empty(strength.size, dtype=np.int64)
    order[np.argsort(-strength, axis=None, kind="stable")] = np.arange(strength.size)
    ranked = order.reshape(strength.shape)
    # Missing leads share the last rank, so that a step deletes what is there.
    return np.where(has_lead[:, None], ranked, int(has_lead.sum()) * num_pieces - 1)
