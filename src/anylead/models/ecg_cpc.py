"""ECG-CPC's encoder: four convolutions and four causal S4 layers (arXiv:2509.25095)."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import relu

from anylead.leads import LEADS
from anylead.models.dropout import Dropout
from anylead.models.encoder import Encoded, mean_over_frames
from anylead.models.limb_completion import LimbCompletion
from anylead.models.s4 import S4
from anylead.models.window import by_length, last_of, longer_than_window


@dataclass(frozen=True)
class ECGCPCConfig:
    """Shape of the encoder; the defaults are published.

    Attributes:
        dim: channels of convolutions and layers.
        num_convs: convolutions; the first has kernel 3 and stride 2, the others kernel 1.
        num_layers: S4 layers.
        num_states: of each channel.
        window_samples: longest window; the stored kernels belong to it.
        dropout: of what each layer adds.
        completes_limb_leads: fill in limb leads that follow from two present ones (exact in mV).
    """

    dim: int = 512
    num_convs: int = 4
    num_layers: int = 4
    num_states: int = 8
    window_samples: int = 2400
    dropout: float = 0.0
    completes_limb_leads: bool = False


ECG_CPC_SIZES = {
    "tiny": ECGCPCConfig(dim=24, num_convs=2, num_layers=2),
    "small": ECGCPCConfig(dim=128, num_convs=2, num_layers=3),
    "base": ECGCPCConfig(),
}


class ECGCPC(nn.Module):
    """(rows, 12, time) in mV at 240 Hz -> (rows, frame, dim); a frame is 2 samples.

    A frame sees only what was before it.
    """

    leads = LEADS
    frames_are_time = True

    def __init__(self, config: ECGCPCConfig):
        super().__init__()
        self.config = config
        self.dim = config.dim
        self.uses_has_lead = config.completes_limb_leads
        self.layer_dims = (config.dim,) * (config.num_layers + 1)
        self.window_samples: int | None = config.window_samples
        self.completion = LimbCompletion() if config.completes_limb_leads else None
        self.convs = nn.ModuleList(
            nn.Conv1d(len(LEADS), config.dim, 3, 2, padding=1, bias=False)
            if number == 0
            else nn.Conv1d(config.dim, config.dim, 1, bias=False)
            for number in range(config.num_convs)
        )
        self.conv_norms = nn.ModuleList(nn.BatchNorm1d(config.dim) for _ in self.convs)
        length = config.window_samples // 2
        self.layers = nn.ModuleList(
            S4(config.dim, config.num_states, length) for _ in range(config.num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in self.layers)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode; arguments as for every encoder (`AnyEncoder`)."""
        return by_length(self.encode, signal, num_samples, has_lead, shortest=1)

    def encode(self, signal: Tensor, has_lead: Tensor) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, frame, dim); missing leads are zeros."""
        return last_of(self.through_layers(signal, has_lead))

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, frame, dim).

        Raises:
            RecipeError: longer than the window.
        """
        if signal.shape[2] > self.config.window_samples:
            raise longer_than_window(signal, self.window_samples)
        yield from self._states(self.features(signal, has_lead))

    def features(self, signal: Tensor, has_lead: Tensor | None = None) -> Tensor:
        """(rows, 12, time), (rows, 12) -> (rows, frame, dim), the output of the convolutions."""
        x = signal
        if self.completion is not None and has_lead is not None:
            x = self.completion(x, has_lead)
        for conv, norm in zip(self.convs, self.conv_norms, strict=True):
            x = relu(norm(conv(x)))
        return x.transpose(1, 2)

    def contextualize(self, x: Tensor) -> Tensor:
        """Features -> context, both (rows, frame, dim)."""
        return last_of(self._states(x))

    def _states(self, x: Tensor) -> Iterator[Tensor]:
        yield x
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(x + self.dropout(layer(x)))
            yield x

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """(rows, frame, dim) -> (rows, dim)."""
        return mean_over_frames(context, is_padding)
