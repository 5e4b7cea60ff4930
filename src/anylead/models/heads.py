"""Classifiers on an encoder: a linear layer on its vector, or one that looks at its frames.

Attentive probing: a learned question to all frames of an encoder that stays as it is
(arXiv:2202.03026), where a mean over frames would hide what only some of them show.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from anylead.errors import CheckpointError, known_are
from anylead.models.weightless import weightless

_MOST_ATTENTION_HEADS = 8
Pool = Callable[[Tensor, Tensor | None], Tensor]


class PooledHead(nn.Module):
    """A linear layer on the vector of a recording.

    Args:
        dim: of the vector.
        num_labels: outputs.
    """

    def __init__(self, dim: int, num_labels: int):
        super().__init__()
        self.weight, self.bias = _last_layer(dim, num_labels)

    def forward(self, context: Tensor, is_padding: Tensor | None, pool: Pool) -> Tensor:
        """Logits.

        Args:
            context: (rows, frame, dim) of an encoder.
            is_padding: (rows, frame) bool; None: nothing is padded.
            pool: the encoder's way from its frames to one vector.

        Returns:
            (rows, label).
        """
        return linear(pool(context, is_padding), self.weight, self.bias)


class AttentiveHead(nn.Module):
    """One learned question to the frames, asked by several heads, then a linear layer.

    Args:
        dim: of a frame.
        num_labels: outputs.
    """

    def __init__(self, dim: int, num_labels: int):
        super().__init__()
        self.num_heads = max(n for n in range(1, _MOST_ATTENTION_HEADS + 1) if dim % n == 0)
        self.norm = nn.LayerNorm(dim)
        self.question = nn.Parameter(nn.init.normal_(torch.empty(dim), std=0.02))
        self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.weight, self.bias = _last_layer(dim, num_labels)

    def forward(self, context: Tensor, is_padding: Tensor | None, pool: Pool) -> Tensor:
        """Logits, (rows, label); arguments as for `PooledHead`, whose `pool` is not asked."""
        x = self.norm(context)
        question = self.question.view(self.num_heads, -1)
        key = self.key(x).unflatten(2, (self.num_heads, -1))  # (rows, frame, head, dim / head)
        scores = (key * question).sum(dim=3) * question.shape[1] ** -0.5  # (rows, frame, head)
        if is_padding is not None:
            is_hidden = is_padding & ~is_padding.all(dim=1, keepdim=True)  # none at all: NaN
            scores = scores.masked_fill(is_hidden[:, :, None], -torch.inf)
        weight = scores.softmax(dim=1)[..., None]
        value = self.value(x).unflatten(2, (self.num_heads, -1))
        mixed = (weight * value).sum(dim=1).flatten(1)
        return linear(mixed, self.weight, self.bias)


def _last_layer(dim: int, num_labels: int) -> tuple[Tensor, nn.Parameter]:
    """Weight and bias; of every head they have these names."""
    layer = nn.Linear(dim, num_labels)
    nn.init.xavier_uniform_(layer.weight)
    return nn.Parameter(layer.weight.detach()), nn.Parameter(torch.zeros(num_labels))


Head = PooledHead | AttentiveHead
HEADS: dict[str, type[Head]] = {"linear": PooledHead, "attentive": AttentiveHead}


def build_head(kind: str, dim: int, num_labels: int) -> Head:
    """A head with fresh weights.

    Raises:
        CheckpointError: no such kind.
    """
    if kind not in HEADS:
        raise CheckpointError(f"head {kind!r}{known_are(kind, HEADS)}")
    return HEADS[kind](dim, num_labels)


def filled_head(kind: str, tensors: Mapping[str, Tensor], dim: int, num_labels: int) -> Head:
    """A head of a checkpoint.

    Raises:
        CheckpointError: weights are missing or of another shape.
    """
    with weightless():
        head = build_head(kind, dim, num_labels)
    wanted = {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    if wanted != {name: tuple(tensor.shape) for name, tensor in tensors.items()}:
        raise CheckpointError(
            f"a head that does not fit {num_labels} labels and vectors of {dim}; the checkpoint is"
            " damaged"
        )
    head.load_state_dict(dict(tensors), assign=True)
    return head
