"""Transformer layers (Vaswani et al., 1706.03762), normalized after each residual or before."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from anylead.models.dropout import Dropout, dropout


class TransformerLayer(nn.Module):
    """Self-attention, then a feed-forward network.

    Args:
        dim: channels.
        num_heads: attention heads; divides `dim`.
        ffn_dim: hidden channels of the feed-forward network.
        dropout: after attention and after the feed-forward network.
        attention_dropout: on the attention weights.
        activation_dropout: on the hidden channels.
        norm_first: normalize what goes into each part instead of what comes out.
        qkv_bias: query, key and value have biases.

    Attributes:
        recomputes: keep nothing but the input for the way back and compute the rest again there,
            with the same dropout: less memory, more time.
    """

    recomputes = False

    def __init__(
        self,
        dim: int,
        num_heads: int,
        ffn_dim: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation_dropout: float = 0.0,
        norm_first: bool = False,
        qkv_bias: bool = True,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.norm_first = norm_first
        self.attention_dropout = attention_dropout
        self.in_projection = nn.Linear(dim, 3 * dim, bias=qkv_bias)  # query, key, value
        self.out_projection = nn.Linear(dim, dim)
        self.attention_norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, ffn_dim)
        self.activation = nn.GELU()
        self.contract = nn.Linear(ffn_dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self.activation_dropout = Dropout(activation_dropout)
        for linear in (self.in_projection, self.out_projection, self.expand, self.contract):
            nn.init.normal_(linear.weight, std=0.02)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, is_valid: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> the same shape.

        Args:
            x: (rows, frame, dim).
            is_valid: (rows, 1, 1, frame) bool, frames that may be attended to, or (rows, 1, frame,
                frame), for each frame its own; None: all.
        """
        if self.recomputes and torch.is_grad_enabled():
            again: Tensor = checkpoint(self._transform, x, is_valid, use_reentrant=False)
            return again
        return self._transform(x, is_valid)

    def _transform(self, x: Tensor, is_valid: Tensor | None) -> Tensor:
        if self.norm_first:
            x = x + self.dropout(self.attend(self.attention_norm(x), is_valid))
            last: Tensor = x + self.feed_forward(self.norm(x))
        else:
            x = self.attention_norm(x + self.dropout(self.attend(x, is_valid)))
            last = self.norm(x + self.feed_forward(x))
        return last

    def feed_forward(self, x: Tensor) -> Tensor:
        """Two linear layers with GELU between, (rows, frame, dim) -> (rows, frame, dim)."""
        hidden = self.activation_dropout(self.activation(self.expand(x)))
        contracted: Tensor = self.dropout(self.contract(hidden))
        return contracted

    def attend(self, x: Tensor, is_valid: Tensor | None) -> Tensor:
        """Multi-head self-attention, (rows, frame, dim) -> (rows, frame, dim)."""
        query, key, value = self.heads(x)
        prob = self.attention_dropout if self.training else 0.0
        if x.device.type == "cpu" and (prob or self.training):
            # The fused kernel of the CPU knows no dropout, and its way back takes four times as
            # long in bfloat16.
            scores = query * query.shape[-1] ** -0.5 @ key.transpose(2, 3)
            if is_valid is not None:
                scores = scores.masked_fill(~is_valid, torch.finfo(scores.dtype).min)
            mixed = dropout(scores.softmax(dim=3), prob) @ value
        else:
            mixed = scaled_dot_product_attention(query, key, value, is_valid, prob)
        projected: Tensor = self.out_projection(mixed.transpose(1, 2).flatten(2))
        return projected

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, (rows, head, frame, dim / head) each."""
        rows, frames, dim = x.shape
        joined = self.in_projection(x).view(rows, frames, 3, self.num_heads, dim // self.num_heads)
        # Taken apart in the order of memory: on the way back they are joined by one copy.
        query, key, value = joined.unbind(2)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    def attention_weights(self, x: Tensor, is_valid: Tensor | None = None) -> Tensor:
        """(rows, head, frame, frame): what each frame (third axis) looks at; for explanations."""
        query, key, _ = self.heads(x)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        if is_valid is not None:
            scores = scores.masked_fill(~is_valid, -torch.inf)
        weights: Tensor = scores.softmax(dim=3)
        return weights
