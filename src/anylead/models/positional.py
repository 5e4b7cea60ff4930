"""Relative position by a grouped convolution (wav2vec 2.0, arXiv:2006.11477, section 2)."""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class ConvPosition(nn.Module):
    """Add to each frame a function of its surroundings.

    Args:
        dim: channels.
        kernel: frames that one output sees.
        groups: groups of channels.
    """

    def __init__(self, dim: int, kernel: int, groups: int):
        super().__init__()
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(conv.weight, std=(4 / (kernel * dim)) ** 0.5)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        self.conv = weight_norm(conv, name="weight", dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, frame, dim) -> (rows, frame, dim), to be added to x."""
        position = self.conv(x.transpose(1, 2))[:, :, : x.shape[1]]  # an even kernel makes one more
        return nn.functional.gelu(position).transpose(1, 2)
