"""Strided convolutions with a layer normalization in every block, as Oh et al. 2022 describe them.

arXiv:2203.06889, section 3. The published code normalizes after the first convolution only, each
channel over the recording (`ConvFeatureExtractor`); its option for this form does not run. Here a
frame is normalized by itself, so that padding leaves no trace in the frames before it.
"""

from collections.abc import Sequence

from torch import Tensor, nn


class LayerNormFeatureExtractor(nn.Module):
    """Turn a signal into one feature vector per frame.

    Args:
        num_leads: leads of the input.
        layers: (dim, kernel, stride) of each convolution.
    """

    def __init__(self, num_leads: int, layers: Sequence[tuple[int, int, int]]):
        super().__init__()
        self.layers = tuple((int(dim), int(kernel), int(stride)) for dim, kernel, stride in layers)
        dims = [num_leads, *(dim for dim, _, _ in self.layers)]
        self.convs = nn.ModuleList(
            nn.Conv1d(dim_in, dim, kernel, stride, bias=False)
            for dim_in, (dim, kernel, stride) in zip(dims, self.layers, strict=False)
        )
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight)  # type: ignore[arg-type]
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in dims[1:])

    def forward(self, signal: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """(rows, lead, time) -> (rows, frame, dim); frame = num_frames(time).

        Args:
            signal: (rows, lead, time).
            num_samples: (rows,) valid samples; frames that see no others do not depend on them.
        """
        x = signal
        for conv, norm, (_, kernel, stride) in zip(
            self.convs, self.norms, self.layers, strict=True
        ):
            covered = (x.shape[-1] - kernel) // stride * stride + kernel  # see ConvFeatureExtractor
            x = norm(conv(x[..., :covered]).transpose(1, 2)).transpose(1, 2)
            x = nn.functional.gelu(x)
        return x.transpose(1, 2)

    def num_frames(self, num_samples: Tensor) -> Tensor:
        """Frames made from signals of `num_samples` samples; elementwise."""
        for _, kernel, stride in self.layers:
            num_samples = (num_samples - kernel) // stride + 1
        return num_samples.clamp(min=0)
