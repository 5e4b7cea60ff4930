"""Labels as questions to an ECG: KED's query network (doi:10.1016/j.xcrm.2024.101875).

A label goes in as a vector of Bio_ClinicalBERT (pooler output, 768 numbers). The probability of a
label depends on which others are asked with it.
"""

import torch
from torch import Tensor, nn

_DIM, _HEADS, _FFN, _LAYERS = 768, 4, 1024, 7


class LabelQueries(nn.Module):
    """Frames and label vectors -> a probability for each label."""

    def __init__(self) -> None:
        super().__init__()
        self.text = nn.Sequential(
            *(nn.Linear(_DIM, _DIM), nn.GELU(), nn.Linear(_DIM, _DIM), nn.GELU()),
            nn.Linear(_DIM, _DIM),
        )
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                _DIM, _HEADS, _FFN, dropout=0.1, batch_first=True, norm_first=True
            )
            for _ in range(_LAYERS)
        )
        self.norm = nn.LayerNorm(_DIM)  # of frames, of queries and of the answers
        self.head = nn.Sequential(nn.Linear(_DIM, 2048), nn.GELU(), nn.Linear(2048, 2))

    def forward(self, context: Tensor, labels: Tensor) -> Tensor:
        """Logits of no and yes.

        Args:
            context: (rows, frame, 768) of the encoder.
            labels: (label, 768).

        Returns:
            (rows, label, 2); the softmax over the last axis is the probability.
        """
        x = self.norm(self.text(labels)).expand(len(context), -1, -1)
        frames = self.norm(context)
        for layer in self.layers:
            x = layer(x, frames)
        logits: Tensor = self.head(self.norm(x))
        return logits

    @torch.no_grad()
    def probability(self, context: Tensor, labels: Tensor) -> Tensor:
        """(rows, label)."""
        return self.forward(context, labels).softmax(dim=2)[:, :, 1]
