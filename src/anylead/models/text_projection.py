"""ECG and text in one space: MERL's projections (arXiv:2403.06659), for labels by their names.

The text goes in as vectors of `ncbi/MedCPT-Query-Encoder` (pooler output, 768 numbers).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

_DIM, _TEXT_DIM, _HEADS = 256, 768, 4


class TextProjection(nn.Module):
    """From texts to the common space."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(_TEXT_DIM, _DIM), nn.GELU(), nn.Linear(_DIM, _DIM))

    def forward(self, text: Tensor) -> Tensor:
        """(text, 768) -> (text, 256) of length 1."""
        return normalize(self.layers(text), dim=1)


class AttentionProjection(nn.Module):
    """From the frames of MERL's ResNet18 to the common space: attention of one query.

    Args:
        dim: channels of a frame.
        num_frames: exactly so many.
    """

    def __init__(self, dim: int, num_frames: int):
        super().__init__()
        self.projection = nn.Linear(dim, _DIM)
        self.query = nn.Parameter(torch.zeros(_DIM))
        self.position = nn.Parameter(torch.zeros(num_frames + 1, _DIM))
        self.attention = nn.MultiheadAttention(_DIM, _HEADS, batch_first=True)
        self.output = nn.Linear(_DIM, _DIM)

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, frame, dim) -> (rows, 256), and (rows, frame) where the query looked."""
        frames = self.projection(context)
        query = (self.query + self.position[0]).expand(len(frames), 1, -1)
        x = torch.cat([query, frames], dim=1) + self.position  # the query's place counts twice
        pooled, weights = self.attention(x[:, :1], x, x)
        projected: Tensor = self.output(pooled[:, 0])
        return projected, weights[:, 0, 1:]


class PooledProjection(nn.Module):
    """From the vector of MERL's ViT to the common space.

    Args:
        dim: its length.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, _DIM),
            nn.BatchNorm1d(_DIM),
            nn.ReLU(),
            nn.Linear(_DIM, _DIM),
            nn.BatchNorm1d(_DIM),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """(rows, dim) -> (rows, 256)."""
        projected: Tensor = self.layers(pooled)
        return projected
