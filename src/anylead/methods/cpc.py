"""Contrastive predictive coding: tell the feature that is to come (arXiv:1807.03748, 2509.25095).

From what it has heard so far, a causal encoder predicts the convolutional feature some frames
ahead; it is told by a dot product from features at random times of the same recording.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from anylead.errors import RecipeError
from anylead.methods.pretraining import LocalPart, Method
from anylead.methods.views import segments
from anylead.models.ecg_cpc import ECGCPC
from anylead.objective import Batch
from anylead.randomness import integers

_PURPOSE = 0x435043


@dataclass(frozen=True)
class CPCConfig:
    """Settings of the objective.

    Attributes:
        steps_ahead: frames between what was heard last and what is predicted.
        num_negatives: features of other times of the recording.
    """

    steps_ahead: int = 14
    num_negatives: int = 128


class CPC(nn.Module):
    """The prediction: one linear layer.

    Args:
        encoder: what is trained.
        config: settings.

    Raises:
        RecipeError: an encoder that hears what is to come.
    """

    def __init__(self, encoder: nn.Module, config: CPCConfig | None = None):
        super().__init__()
        if not isinstance(encoder, ECGCPC):
            raise RecipeError("method cpc: wants encoder.kind ecg_cpc, which is causal")
        self.config = config or CPCConfig()
        self.predict = nn.Linear(encoder.dim, encoder.dim, bias=False)

    def forward(self, encoder: nn.Module, seen: Batch, complete: Batch) -> LocalPart:
        """One pass.

        Args:
            encoder: what is trained.
            seen: segments as the encoder gets them.
            complete: not looked at.
        """
        if not isinstance(encoder, ECGCPC):
            raise TypeError(f"a {type(encoder).__name__} in place of an ECGCPC")
        signal = seen.signal.flatten(0, 1)
        features = encoder.features(signal, seen.has_lead.flatten(0, 1))
        context = encoder.contextualize(features)
        num_frames, ahead = features.shape[1], self.config.steps_ahead
        num_valid = torch.full((len(signal),), num_frames, device=signal.device)
        is_padding = None
        if seen.num_samples is not None:
            num_valid = (seen.num_samples.flatten() + 1) // 2
            frame = torch.arange(num_frames, device=signal.device)
            is_padding = frame >= num_valid[:, None]
        num_asked = (num_valid - ahead).clamp(min=0)  # of each row
        predicted, target = self.predict(context[:, : num_frames - ahead]), features[:, ahead:]
        place = torch.arange(predicted.shape[1], device=signal.device)
        is_asked = (place < num_asked[:, None]) & (num_asked[:, None] > 1)
        chosen = other_times(seen.row_seed(), predicted.shape[1], num_asked, self.config)
        with torch.autocast(signal.device.type, enabled=False):
            logits = logits_of(predicted.float(), target.float(), chosen)[is_asked]
            right = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
            loss = cross_entropy(logits, right, reduction="sum")
        terms = is_asked.sum().clamp(min=1)
        is_first = logits[:, 1:].amax(dim=1) < logits[:, 0] if len(logits) else right.bool()
        logs = {"local": loss.detach() / terms, "accuracy": is_first.sum() / terms}
        return LocalPart(loss, terms, context, is_padding, logs)


def other_times(seed: Tensor, num: int, num_asked: Tensor, config: CPCConfig) -> Tensor:
    """(rows, asked, negative) int64: frames of the same recording, never the right one."""
    others = (num_asked - 1).clamp(min=1)[:, None]
    drawn = integers(seed, num * config.num_negatives, others, _PURPOSE)
    drawn = drawn.view(len(seed), num, config.num_negatives)
    right = torch.arange(num, device=seed.device)[None, :, None]
    return (drawn + (drawn >= right)).clamp(max=num - 1)


def logits_of(predicted: Tensor, target: Tensor, chosen: Tensor) -> Tensor:
    """(rows, asked, 1 + negative): likeness to the right feature, then to the others."""
    likeness = predicted @ target.transpose(1, 2)  # (rows, asked, asked)
    right = likeness.diagonal(dim1=1, dim2=2)[..., None]
    return torch.cat([right, likeness.gather(2, chosen)], dim=2)


CPC_METHOD = Method(views=segments, own_local=CPC, local_weight=1.0)
