"""An encoder from its description, and back: what a checkpoint and a recipe hold."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from torch import Tensor, nn

from anylead.errors import CheckpointError, known_are
from anylead.models.ecg_cpc import ECG_CPC_SIZES, ECGCPC, ECGCPCConfig
from anylead.models.ecg_jepa import ECG_JEPA_SIZES, ECGJEPA, ECGJEPAConfig
from anylead.models.ecgfounder import ECGFOUNDER_SIZES, ECGFounder, ECGFounderConfig
from anylead.models.encoder import ENCODER_SIZES, Encoded, Encoder, EncoderConfig
from anylead.models.hubert_ecg import HUBERT_ECG_SIZES, HubertECG, HubertECGConfig
from anylead.models.merl_resnet18 import MERL_RESNET18_SIZES, MERLResNet18, MERLResNet18Config
from anylead.models.merl_vit import MERL_VIT_SIZES, MERLViT, MERLViTConfig
from anylead.models.resnet1d import RESNET1D_SIZES, ResNet1d, ResNet1dConfig
from anylead.models.st_mem import ST_MEM_SIZES, STMEM, STMEMConfig
from anylead.models.xresnet1d import XRESNET1D_SIZES, XResNet1d, XResNet1dConfig

# kind -> (config, module)
ENCODERS: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "transformer": (EncoderConfig, Encoder),
    "resnet1d": (ResNet1dConfig, ResNet1d),
    "ecgfounder": (ECGFounderConfig, ECGFounder),
    "ecg_jepa": (ECGJEPAConfig, ECGJEPA),
    "st_mem": (STMEMConfig, STMEM),
    "hubert_ecg": (HubertECGConfig, HubertECG),
    "merl_resnet18": (MERLResNet18Config, MERLResNet18),
    "merl_vit": (MERLViTConfig, MERLViT),
    "xresnet1d": (XResNet1dConfig, XResNet1d),
    "ecg_cpc": (ECGCPCConfig, ECGCPC),
}
# kind -> size -> config
SIZES: dict[str, Mapping[str, Any]] = {
    "transformer": ENCODER_SIZES,
    "resnet1d": RESNET1D_SIZES,
    "ecgfounder": ECGFOUNDER_SIZES,
    "ecg_jepa": ECG_JEPA_SIZES,
    "st_mem": ST_MEM_SIZES,
    "hubert_ecg": HUBERT_ECG_SIZES,
    "merl_resnet18": MERL_RESNET18_SIZES,
    "merl_vit": MERL_VIT_SIZES,
    "xresnet1d": XRESNET1D_SIZES,
    "ecg_cpc": ECG_CPC_SIZES,
}


class AnyEncoder(Protocol):
    """What every encoder offers to heads and to global objectives.

    Attributes:
        dim: channels of a frame and of a recording.
        leads: the leads it looks at; others change nothing.
        uses_has_lead: it needs to be told which leads are missing; else zeros say enough.
        frames_are_time: frame i lies before frame i + 1 in the recording.
        window_samples: of the one window it is made for; shorter ones may do, longer ones not.
            None: any length.
    """

    dim: int
    leads: tuple[str, ...]
    uses_has_lead: bool
    frames_are_time: bool
    window_samples: int | None

    def __call__(
        self, signal: Tensor, num_samples: Tensor | None = None, has_lead: Tensor | None = None
    ) -> Encoded:
        """Encode.

        Args:
            signal: (rows, 12, time), canonical leads, zero where missing or padded; in mV, or as
                the preprocessing of its weights leaves it.
            num_samples: (rows,) valid samples; None: all. What lies beyond changes nothing.
            has_lead: (rows, 12) bool; None: all present.

        Returns:
            (rows, frame, dim).
        """
        ...

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """Frames of a recording -> its vector, (rows, frame, dim) -> (rows, dim)."""
        ...


def describe_encoder(encoder: nn.Module) -> dict[str, Any]:
    """The description from which `build_encoder` makes the same architecture."""
    for kind, (_, module) in ENCODERS.items():
        if isinstance(encoder, module):
            return {"kind": kind, **asdict(encoder.config)}  # type: ignore[call-overload]
    raise CheckpointError(f"{type(encoder).__name__} is not among the encoders {list(ENCODERS)}")


def build_encoder(description: Mapping[str, Any]) -> nn.Module:
    """An encoder with fresh weights.

    Raises:
        CheckpointError: unknown kind or setting.
    """
    settings = dict(description)
    kind = settings.pop("kind", None)
    if kind not in ENCODERS:
        raise CheckpointError(f"encoder kind {kind!r}{known_are(kind, ENCODERS)}")
    config, module = ENCODERS[kind]
    try:
        frozen = config(**{name: _as_tuple(value) for name, value in settings.items()})
    except TypeError as error:
        raise CheckpointError(f"{kind} encoder: {error}") from error
    return module(frozen)


def load_weights(
    module: nn.Module, tensors: Mapping[str, Tensor], source: str, assign: bool = False
) -> None:
    """Put weights into a module; every tensor must fit.

    Args:
        module: the module.
        tensors: by name.
        source: for messages.
        assign: take the tensors themselves instead of copying them; for a module on "meta".

    Raises:
        CheckpointError: naming the tensors that are missing, extra, or of another shape.
    """
    check_weights(module, tensors, source)
    module.load_state_dict(dict(tensors), assign=assign)


def check_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Compare names and shapes; the module may be on "meta".

    Raises:
        CheckpointError: naming the tensors that are missing, extra, or of another shape.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    problems = [f"missing {name}" for name in wanted.keys() - found.keys()]
    problems += [f"extra {name}" for name in found.keys() - wanted.keys()]
    problems += [
        f"{name} is {found[name]}, want {wanted[name]}"
        for name in wanted.keys() & found.keys()
        if found[name] != wanted[name]
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:5])
        raise CheckpointError(f"{source}: {len(problems)} tensors do not fit: {shown}")


def _as_tuple(value: Any) -> Any:
    """JSON has lists where the configs have tuples."""
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list | tuple) else value
