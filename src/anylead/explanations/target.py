"""The one number that is explained, as a function of what the encoder sees."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from anylead.errors import RecipeError
from anylead.extras import missing
from anylead.inference.model import Model
from anylead.models import Encoder


class Target:
    """The logit of a label; for a model without labels, likeness to the recording's own vector.

    Of classes that exclude each other it is the log of the odds against all others together, so
    that its sigmoid is the probability here, too.

    Args:
        model: any model.
        label: one of its label names; None where it has no classifier.
        own: (dim,) embedding of the whole recording, for models without a classifier.

    Raises:
        RecipeError: an unknown label.
    """

    def __init__(self, model: Model, label: str | None, own: Tensor | None = None):
        if label is not None and label not in model.label_names:
            raise RecipeError(f"label {label!r}; the model has {', '.join(model.label_names)}")
        self.model = model
        self.encoder: Any = _with_whole_gradients(model.encoder)
        self.index = None if label is None else model.label_names.index(label)
        self.own = own

    def __call__(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time) and (rows, 12) -> (rows,)."""
        return self._score(self._outputs(signal, has_lead))

    @torch.no_grad()
    def value(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """The same in small batches and without gradients."""
        return self._score(self._all_outputs(signal, has_lead))

    @torch.no_grad()
    def joined(self, signal: Tensor, has_lead: Tensor) -> float:
        """The score of a recording: that of the mean of what its windows give."""
        return float(self._score(self._all_outputs(signal, has_lead).mean(dim=0, keepdim=True)))

    def _all_outputs(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        size = self.model.batch_size
        parts = zip(torch.split(signal, size), torch.split(has_lead, size), strict=True)
        return torch.cat([self._outputs(part, flags) for part, flags in parts])

    def _outputs(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, output): logits of all labels, or one likeness."""
        context: Tensor = self.encoder(signal, None, has_lead).context
        if self.index is not None and self.model.head is not None:
            logits: Tensor = self.model.head(context, None, self.encoder.pool)
            return logits
        pooled: Tensor = self.encoder.pool(context)
        if self.own is None:
            raise RecipeError("nothing to explain: name a label, or give the recording's vector")
        return cosine_similarity(pooled, self.own[None].to(context), dim=1)[:, None]

    def _score(self, outputs: Tensor) -> Tensor:
        """(rows, output) -> (rows,)."""
        if self.index is None:
            return outputs[:, 0]
        own = outputs[:, self.index]
        outcome = self.model.outcome
        if outcome is None or not outcome.is_exclusive or outputs.shape[1] == 1:
            return own
        others = torch.arange(outputs.shape[1], device=outputs.device) != self.index
        return own - outputs[:, others].logsumexp(dim=1)


def attributed(
    way: str,
    target: Target,
    signal: Tensor,
    has_lead: Tensor,
    baseline: Tensor,
    settings: Mapping[str, Any],
) -> Tensor:
    """What captum attributes to every sample of a window, of either sign.

    Args:
        way: a class of `captum.attr`.
        target: the score.
        signal: (12, time).
        has_lead: (12,) bool.
        baseline: (12, time), from where.
        settings: of its `attribute`.

    Returns:
        (12, time), zero for missing leads.

    Raises:
        MissingPackageError: captum is not installed.
    """
    try:
        import captum.attr
    except ImportError:
        raise missing("captum", "explain") from None
    made: Tensor = getattr(captum.attr, way)(target).attribute(
        signal[None],
        baselines=baseline[None],
        additional_forward_args=(has_lead[None],),
        **settings,
    )
    return made[0].detach() * has_lead[:, None]


def flat(signal: Tensor) -> Tensor:
    """What counts as "nothing there": every lead at its median, (..., lead, time)."""
    return signal.median(dim=-1, keepdim=True).values.expand_as(signal)


def _with_whole_gradients(encoder: Any) -> Any:
    """The same weights without the factor that training puts on gradients of the convolutions."""
    if not isinstance(encoder, Encoder):
        return encoder
    view = copy.copy(encoder)
    view.config = replace(encoder.config, feature_grad_scale=1.0)
    return view
