"""From a recording and a model to the attribution of every sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.errors import RecipeError, known_are
from anylead.explanations import attention, gradients, occlusion
from anylead.explanations.target import Target
from anylead.inference.inputs import check
from anylead.inference.model import Model
from anylead.inference.windows import Windows, sigmoid
from anylead.leads import LEADS
from anylead.pictures.saliency import onto_record, smooth, to_unit_range
from anylead.records import Record


class Method(NamedTuple):
    """A way of explaining.

    attribute: (target, (12, time), (12,)) -> (12, time), of either sign.
    strength: attribution without signs -> [0, 1], what is shaded.
    """

    attribute: Callable[[Target, Tensor, Tensor], Tensor]
    strength: Callable[[NDArray[np.float32]], NDArray[np.float32]] = to_unit_range


METHODS = {
    "gradients": Method(gradients.attribute),
    "occlusion": Method(occlusion.attribute),
    "attention": Method(attention.attribute, attention.strength),
}
# A QRS complex is longer; single samples of a gradient are noise to the eye.
_SMOOTH_SECONDS = 0.04


@dataclass(frozen=True, eq=False)
class Explanation:
    """What one answer rests on.

    Attributes:
        method: a name in `METHODS`.
        label: the answer that is explained; None for a model without labels.
        probability: of the label; None without one, and where the answer is a number.
        attribution: (12, time) of the preprocessed recording, of either sign.
        sample_rate: of `attribution`, Hz.
        by_lead: name -> how the score (a logit; the log of the odds of a class that excludes
            others; a number; a cosine) falls without this lead; None for a lone lead, without
            which nothing is left.
        segments: begin and end, in seconds, of what the model saw; the score is their mean.
        without_lead: name -> what the probability would be without this lead, None as above; empty
            where there is none.
    """

    method: str
    label: str | None
    probability: float | None
    attribution: NDArray[np.float32]
    sample_rate: float
    by_lead: dict[str, float | None]
    segments: tuple[tuple[float, float], ...]
    without_lead: dict[str, float | None] = field(default_factory=dict)


def explain(
    model: Model,
    record: Record,
    method: str = "gradients",
    label: str | None = None,
    use_leads: str | Sequence[str] | None = None,
) -> Explanation:
    """Attribute one answer to the samples of a recording.

    Args:
        model: any model; without a classifier, the likeness to the recording's own vector is
            explained.
        record: the recording.
        method: a name in `METHODS`.
        label: what is explained; None is the most probable, or the first number.
        use_leads: what the model may see.

    Raises:
        RecipeError: an unknown method or label, or attention of an encoder without any.
        FormatError, LeadError: a recording that cannot be used.
        MissingPackageError: captum is not installed.
    """
    if method not in METHODS:
        raise RecipeError(f"method {method!r}{known_are(method, METHODS)}")
    check(record)
    windows = model.windows([record], use_leads)[0]
    target, label, probability = _target(model, windows, label)
    signal = torch.from_numpy(windows.signal).to(model.device)
    has_lead = torch.from_numpy(windows.has_lead).to(model.device)
    pieces = [
        METHODS[method].attribute(target, window, has_lead).cpu().numpy() for window in signal
    ]
    fall = occlusion.by_lead(target, signal, has_lead).tolist()
    names = list(windows.leads)
    rate = model.preprocess_config.sample_rate
    falls = {name: fall[LEADS.index(name)] if len(names) > 1 else None for name in names}
    without: dict[str, float | None] = {}
    if probability is not None:
        whole = target.joined(signal, has_lead[None].expand(len(signal), -1))
        without = {
            name: None if each is None else float(sigmoid(np.asarray(whole - each)))
            for name, each in falls.items()
        }
    return Explanation(
        method,
        label,
        probability,
        _joined(windows, pieces),
        rate,
        falls,
        tuple((s / rate, (s + windows.signal.shape[2]) / rate) for s in windows.start.tolist()),
        without,
    )


def saliency_on(explanation: Explanation, record: Record) -> NDArray[np.float32]:
    """Strength in [-1, 1] for every sample of the recording as it was read, (lead, time).

    Above 0 speaks for the answer, below 0 against it; the sign is that of the mean over a beat's
    width, since single samples of a gradient swing.
    """
    samples = max(1, round(_SMOOTH_SECONDS * explanation.sample_rate))
    size = smooth(np.abs(explanation.attribution), samples)
    sign = np.where(smooth(explanation.attribution, 2 * samples) < 0, -1, 1)
    seconds = size.shape[1] / explanation.sample_rate
    strength = sign * METHODS[explanation.method].strength(size)
    return onto_record(strength, record, seconds=seconds)


def _target(
    model: Model, windows: Windows, label: str | None
) -> tuple[Target, str | None, float | None]:
    if model.outcome is None:
        own = torch.from_numpy(model.vectors([windows])[0]).to(model.device)
        return Target(model, label, own), None, None
    said = model.outcome.said(model.logits([windows]))[0]
    most = int(said.argmax()) if model.outcome.is_probability else 0
    label = label if label is not None else model.label_names[most]
    target = Target(model, label)
    value = float(said[model.label_names.index(label)])
    return target, label, value if model.outcome.is_probability else None


def _joined(windows: Windows, pieces: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Attributions of windows -> of the recording; where windows overlap, their mean."""
    length = int(windows.start[-1]) + windows.signal.shape[2]
    total = np.zeros((len(LEADS), length))
    count = np.zeros(length)
    for start, piece in zip(windows.start.tolist(), pieces, strict=True):
        total[:, start : start + piece.shape[1]] += piece
        count[start : start + piece.shape[1]] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)
