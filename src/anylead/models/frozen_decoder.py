"""A decoder of waves for inference: normalization inside the convolutions, channels last.

The numbers are those of `WaveDecoder` up to rounding. On a CPU convolutions of so few channels take
half of the time when channels lie last in memory, and when what they make stays in its cache: a few
leads run at once.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_eval

from anylead.models.wave_decoder import Double, WaveDecoder, spread_out

_LEADS_AT_ONCE = 24  # on a CPU


class FrozenDecoder(nn.Module):
    """See `WaveDecoder`.

    Args:
        decoder: stays as it is.
    """

    def __init__(self, decoder: WaveDecoder):
        super().__init__()
        self.down = nn.ModuleList(FrozenDouble(cast(Double, each)) for each in decoder.down)
        self.up = nn.ModuleList(FrozenDouble(cast(Double, each)) for each in decoder.up)
        self.lead, self.enter, self.out = decoder.lead, decoder.enter, decoder.out
        self.eval().requires_grad_(False)

    def forward(
        self, signal: Tensor, is_wanted: Tensor, stages: Sequence[Tensor], context: Tensor | None
    ) -> Tensor:
        """Arguments and result are those of `WaveDecoder.forward`."""
        features = list(stages)
        if context is not None:
            features[-1] = torch.cat([features[-1], context.transpose(1, 2)], dim=1)
        entering = [
            enter(feature).transpose(1, 2)  # (rows, step, channels)
            for enter, feature in zip(self.enter, features, strict=False)
        ]
        row, lead = is_wanted.nonzero(as_tuple=True)
        size = _LEADS_AT_ONCE if signal.device.type == "cpu" else max(1, len(row))
        made = [
            self._logits(signal, entering, some, leads)
            for some, leads in zip(torch.split(row, size), torch.split(lead, size), strict=True)
        ]
        return torch.cat(made).transpose(1, 2)

    def _logits(
        self, signal: Tensor, entering: Sequence[Tensor], row: Tensor, lead: Tensor
    ) -> Tensor:
        """(lead, time, 4) of some leads of some rows."""
        x = spread_out(signal[row, lead])[:, :, None]  # (lead, time, channels)
        skips = []
        for level, down in enumerate(self.down):
            x = down(x)
            if 1 <= level <= len(entering):
                x = x + entering[level - 1][row]
            skips.append(x)
        x = skips.pop() + self.lead(lead)[:, None]
        for up in self.up:
            skip = skips.pop()
            wider = x[:, :, None].expand(-1, -1, 2, -1).flatten(1, 2)[:, : skip.shape[1]]
            x = up(torch.cat([skip, wider], dim=2))
        return nn.functional.linear(x, self.out.weight[:, :, 0], self.out.bias)


class FrozenDouble(nn.Module):
    """See `Double`, but channels lie last.

    Args:
        double: stays as it is.
    """

    def __init__(self, double: Double):
        super().__init__()
        self.convs = nn.ModuleList(
            fuse_conv_bn_eval(conv.eval(), norm.eval())
            for conv, norm in (
                (double.first, double.first_norm),
                (double.second, double.second_norm),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(rows, time, dim_in) -> (rows, time / stride, dim)."""
        for each in self.convs:
            conv = cast(nn.Conv1d, each)
            pad = conv.kernel_size[0] // 2
            weight, stride = conv.weight[:, :, None], (1, conv.stride[0])
            made = conv2d(x.transpose(1, 2)[:, :, None], weight, conv.bias, stride, (0, pad))
            x = made[:, :, 0].transpose(1, 2).relu_().contiguous()
        return x
