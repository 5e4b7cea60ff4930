"""A copy of a module for inference: what depends on the weights alone is computed once.

The kernels of convolutions and their spectra, casts of weights to bfloat16, and on a
CPU the order in which its matrix products read them. The results are those of the module up to
rounding; gradients do not pass.
"""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, linear

from anylead.models.encoder import Encoder
from anylead.models.positional import ConvPosition, convolve, filter_spectrum, is_wrong_in_bfloat16
from anylead.models.s4 import freeze_kernels
from anylead.models.transformer import TransformerLayer

M = TypeVar("M", bound=nn.Module)
# Frames, 12.8 s at the paper's rate: the spectrum of a base encoder takes 42 MB at 5 s, and grows.
_LONGEST = 400
_OPERATORS = ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")


def freeze(module: M, num_samples: int, precision: torch.dtype) -> M:
    """A copy in evaluation mode; the tensors that stay as they are are shared.

    Args:
        module: an encoder, or what holds one; it stays as it is.
        num_samples: usual length of a signal; others work too.
        precision: float32, or bfloat16 for a forward pass under autocast.
    """
    tensors = [*module.parameters(), *module.buffers()]
    frozen = deepcopy(module, {id(tensor): tensor for tensor in tensors}).eval()
    for part in list(frozen.modules()):
        if isinstance(part, Encoder):
            frames = int(part.feature_extractor.num_frames(torch.tensor(num_samples)))
            part.add_module("positional", FrozenPosition(part.positional, frames, precision))
        elif isinstance(part, TransformerLayer):
            part.add_module("expand", FrozenLinear(part.expand, precision, has_gelu=True))
            part.add_module("activation", nn.Identity())
    freeze_kernels(frozen)
    for part in list(frozen.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.Linear):
                part.add_module(name, FrozenLinear(child, precision))
    return frozen


class FrozenLinear(nn.Module):
    """A linear layer with weights that are already as the product wants them.

    Args:
        layer: what it replaces.
        precision: of the product.
        has_gelu: apply GELU, too.
    """

    def __init__(self, layer: nn.Linear, precision: torch.dtype, has_gelu: bool = False):
        super().__init__()
        self.precision, self.has_gelu = precision, has_gelu
        self.weight = layer.weight.detach().to(precision)
        self.bias = None if layer.bias is None else layer.bias.detach().to(precision)
        self.is_packed = _can_pack(self.weight)
        if self.is_packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, None)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim_in) -> (..., dim_out) in `precision`."""
        x = x.to(self.precision)
        if not self.is_packed:
            plain = linear(x, self.weight, self.bias)
            return gelu(plain) if self.has_gelu else plain
        after = "gelu" if self.has_gelu else "none"
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, after, [], "none"
        )
        return product


class FrozenPosition(nn.Module):
    """The positional convolution with its kernel computed, on a CPU in float32 by frequency.

    Args:
        position: the layer.
        frames: a longer signal is convolved directly.
        precision: of the convolution.
    """

    def __init__(self, position: ConvPosition, frames: int, precision: torch.dtype):
        super().__init__()
        weight, self.groups = position.conv.weight.detach(), position.conv.groups
        is_cpu = weight.device.type == "cpu"
        if is_cpu and is_wrong_in_bfloat16(weight.shape[1]):
            precision = torch.float32
        self.precision, self.frames = precision, frames
        self.weight, self.bias = weight.to(precision), position.conv.bias.detach().to(precision)
        self.spectrum = None
        if is_cpu and precision == torch.float32 and frames <= _LONGEST:
            with torch.autocast("cpu", enabled=False):
                spectrum = filter_spectrum(weight, self.groups, frames)
            self.spectrum = type(spectrum)(*(part.contiguous() for part in spectrum))

    def forward(self, x: Tensor) -> Tensor:
        """(rows, frame, dim) -> (rows, frame, dim), to be added to x."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.precision)
            if self.spectrum is not None and x.shape[1] <= self.frames:
                return gelu(convolve(x, self.spectrum) + self.bias)
            half = self.weight.shape[2] // 2
            position = conv1d(
                x.transpose(1, 2), self.weight, self.bias, padding=half, groups=self.groups
            )
            return gelu(position[:, :, : x.shape[1]]).transpose(1, 2)


def _can_pack(weight: Tensor) -> bool:
    """Whether oneDNN takes a weight in its own order; tried on x86 alone."""
    has_libraries = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    if weight.device.type != "cpu" or not has_libraries:
        return False
    # Operators that torch uses itself but does not promise to keep.
    if not all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        return False
    return weight.dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
