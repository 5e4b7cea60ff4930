"""Class of every sample of every lead: a small U-Net per lead, fed by an encoder at each step.

The same weights serve all leads (Ronneberger et al. 2015, arXiv:1505.04597, in one dimension). A
lead's own convolutions see it alone; what the encoder makes of all leads together enters where the
time steps are equally long.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from anylead.leads import NUM_LEADS
from anylead.models.residual import convolution

# mV; a lead that moves less is not blown up further than this.
_LEAST_SPREAD = 0.02


class WaveDecoder(nn.Module):
    """Leads and features of an encoder -> scores of none, P, QRS and T (or classes of beats).

    Args:
        stage_dims: channels of the encoder's features after 1, 2, ... halvings of the sample rate;
            none for a U-Net that stands alone.
        context_dim: channels of its last layer, as long as the last stage; 0 for none.
        dims: channels of the U-Net, at the sample rate and after each halving.
        kernel: of all convolutions, odd.
        num_classes: none among them.
    """

    def __init__(
        self,
        stage_dims: Sequence[int],
        context_dim: int,
        dims: Sequence[int] = (16, 24, 32, 48, 64),
        kernel: int = 5,
        num_classes: int = 4,
    ):
        super().__init__()
        self.down = nn.ModuleList(
            Double(before, dim, kernel, 1 if n == 0 else 2)
            for n, (before, dim) in enumerate(zip((1, *dims), dims, strict=False))
        )
        self.up = nn.ModuleList(
            Double(dim + below, dim, kernel, 1)
            for dim, below in zip(dims[-2::-1], dims[:0:-1], strict=True)
        )
        self.lead = nn.Embedding(NUM_LEADS, dims[-1])
        sources = [*stage_dims]
        if context_dim:
            sources[-1] += context_dim
        self.enter = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(source), nn.Conv1d(source, dim, 1))
            for source, dim in zip(sources, dims[1:], strict=False)
        )
        self.out = nn.Conv1d(dims[0], num_classes, 1)

    def forward(
        self, signal: Tensor, is_wanted: Tensor, stages: Sequence[Tensor], context: Tensor | None
    ) -> Tensor:
        """Scores of the leads that are wanted.

        Args:
            signal: (rows, 12, time) mV.
            is_wanted: (rows, 12) bool.
            stages: (rows, channels, step) each, of the encoder; none where it stands alone.
            context: (rows, step, channels) of its last layer, or None.

        Returns:
            (wanted leads of all rows in order, class, time) logits.
        """
        row, lead = is_wanted.nonzero(as_tuple=True)
        features = list(stages)
        if context is not None:
            features[-1] = torch.cat([features[-1], context.transpose(1, 2)], dim=1)
        x = spread_out(signal[row, lead])[:, None]
        skips = []
        for level, down in enumerate(self.down):
            x = down(x)
            if 1 <= level <= len(self.enter):
                entering = self.enter[level - 1](features[level - 1])
                x = x + entering[row]
            skips.append(x)
        x = skips.pop() + self.lead(lead)[:, :, None]
        for up in self.up:
            skip = skips.pop()
            wider = x.repeat_interleave(2, dim=2)[:, :, : skip.shape[2]]
            x = up(torch.cat([skip, wider], dim=1))
        logits: Tensor = self.out(x)
        return logits


class Double(nn.Module):
    """Two convolutions with batch normalization; the first one may halve the rate."""

    def __init__(self, dim_in: int, dim: int, kernel: int, stride: int):
        super().__init__()
        self.first = convolution(dim_in, dim, kernel, stride)
        self.first_norm = nn.BatchNorm1d(dim)
        self.second = convolution(dim, dim, kernel, 1)
        self.second_norm = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, dim_in, time) -> (rows, dim, time / stride, rounded up)."""
        inner = relu(self.first_norm(self.first(x)))
        return relu(self.second_norm(self.second(inner)))


def spread_out(leads: Tensor) -> Tensor:
    """(rows, time), each with mean 0 and standard deviation 1, but never blown up from noise."""
    centred = leads - leads.mean(dim=1, keepdim=True)
    spread = centred.square().mean(dim=1, keepdim=True).sqrt()
    return centred / spread.clamp(min=_LEAST_SPREAD)
