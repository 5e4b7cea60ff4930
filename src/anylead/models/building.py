"""An encoder from its description, and back: what a checkpoint and a recipe hold."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from anylead.checkpoint import first_problem
from anylead.errors import CheckpointError, known_are
from anylead.models.encoder import Encoded
from anylead.models.weightless import weightless


@dataclass(frozen=True)
class Kind:
    """Where an encoder lies; its file is imported when one is built.

    Attributes:
        file: in `anylead.models`.
        name: of its class; that of its settings ends with Config.
        sizes_name: of its table, size -> settings.
    """

    file: str
    name: str
    sizes_name: str

    @property
    def module(self) -> type[nn.Module]:
        """Its class."""
        found: type[nn.Module] = self._find(self.name)
        return found

    @property
    def config(self) -> type[Any]:
        """Its settings."""
        found: type[Any] = self._find(f"{self.name}Config")
        return found

    @property
    def sizes(self) -> Mapping[str, Any]:
        """Size -> settings."""
        found: Mapping[str, Any] = self._find(self.sizes_name)
        return found

    def made(self, encoder: nn.Module) -> bool:
        """Whether an encoder is of this kind."""
        of = type(encoder)
        return (of.__module__, of.__name__) == (f"anylead.models.{self.file}", self.name)

    def _find(self, name: str) -> Any:
        return getattr(import_module(f"anylead.models.{self.file}"), name)


ENCODERS: dict[str, Kind] = {
    "transformer": Kind("encoder", "Encoder", "ENCODER_SIZES"),
    "resnet1d": Kind("resnet1d", "ResNet1d", "RESNET1D_SIZES"),
    "ecgfounder": Kind("ecgfounder", "ECGFounder", "ECGFOUNDER_SIZES"),
    "ecg_jepa": Kind("ecg_jepa", "ECGJEPA", "ECG_JEPA_SIZES"),
    "st_mem": Kind("st_mem", "STMEM", "ST_MEM_SIZES"),
    "hubert_ecg": Kind("hubert_ecg", "HubertECG", "HUBERT_ECG_SIZES"),
    "merl_resnet18": Kind("merl_resnet18", "MERLResNet18", "MERL_RESNET18_SIZES"),
    "merl_vit": Kind("merl_vit", "MERLViT", "MERL_VIT_SIZES"),
    "xresnet1d": Kind("xresnet1d", "XResNet1d", "XRESNET1D_SIZES"),
    "ecg_cpc": Kind("ecg_cpc", "ECGCPC", "ECG_CPC_SIZES"),
}

_MOST_LAYERS, _LARGEST = 512, 2**16


class AnyEncoder(Protocol):
    """What every encoder offers to heads and to global objectives.

    Attributes:
        dim: channels of a frame and of a recording.
        leads: the leads it looks at; others change nothing.
        uses_has_lead: it needs to be told which leads are missing; else zeros say enough.
        frames_are_time: frame i lies before frame i + 1 in the recording.
        window_samples: of the one window it is made for; shorter ones may do, longer ones not.
            None: any length.
        layer_dims: channels of what enters the first layer (or stage), then of what leaves each.
    """

    dim: int
    leads: tuple[str, ...]
    uses_has_lead: bool
    frames_are_time: bool
    window_samples: int | None
    layer_dims: tuple[int, ...]

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

    def through_layers(self, signal: Tensor, has_lead: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, then what leaves each, (rows, frame, channels).

        The last is the context of `__call__`; before it, frames may be shorter and channels fewer.
        """
        ...

    def pool(self, context: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """Frames of a recording -> its vector, (rows, frame, dim) -> (rows, dim)."""
        ...


def describe_encoder(encoder: nn.Module) -> dict[str, Any]:
    """The description from which `build_encoder` makes the same architecture."""
    for kind, found in ENCODERS.items():
        if found.made(encoder):
            return {"kind": kind, **asdict(encoder.config)}  # type: ignore[call-overload]
    raise CheckpointError(f"{type(encoder).__name__} is not among the encoders {list(ENCODERS)}")


def build_encoder(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None, source: str = ""
) -> nn.Module:
    """An encoder with fresh weights.

    Args:
        description: its kind and settings.
        tensors: weights that it must fit; that is found out before room is made for any.
        source: of the tensors, for messages.

    Raises:
        CheckpointError: unknown kind or setting, a value out of range, or tensors of other shapes.
    """
    settings = dict(description)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str) or kind not in ENCODERS:
        raise CheckpointError(
            f"encoder kind {str(kind)[:40]!r}{known_are(str(kind)[:40], ENCODERS)}"
        )
    config, module = ENCODERS[kind].config, ENCODERS[kind].module
    try:
        checked = TypeAdapter(config).validate_json(json.dumps(settings), strict=True)
        unknown = settings.keys() - {field.name for field in fields(config)}
        _check_ranges(kind, checked)
        if unknown:
            raise CheckpointError(f"{kind} encoder: no setting {sorted(unknown)[0]!r}")
        if tensors is not None:
            with weightless():
                check_shapes(module(checked), tensors, source)
        return module(checked)
    except ValidationError as error:
        raise CheckpointError(f"{source or kind} encoder: {first_problem(error)}") from None
    except (TypeError, ValueError, ArithmeticError, RuntimeError, RecursionError) as error:
        raise CheckpointError(f"{source or kind} encoder: {error}") from error


def _check_ranges(kind: str, config: Any) -> None:
    """Refuse what no encoder can be: 10^6 layers, dropout of 7."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, tuple) and not 1 <= len(value) <= _MOST_LAYERS:
            raise CheckpointError(f"{kind} encoder: {field.name} of {len(value)} layers")
        numbers = list(_numbers(value))
        most = _MOST_LAYERS if field.name == "num_layers" else _LARGEST
        for number in numbers:
            low, high = (1, most) if isinstance(number, int) else (0.0, 1e6)
            high = 1.0 if field.name.endswith("dropout") else high
            if not low <= number <= high:
                raise CheckpointError(
                    f"{kind} encoder: {field.name} {number}; want {low:g} to {high:g}"
                )


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


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
    check_shapes(module, tensors, source)
    # A module on "meta" is asked for its shapes alone.
    if assign or not any(tensor.is_meta for tensor in module.state_dict().values()):
        module.load_state_dict(dict(tensors), assign=assign)


def check_shapes(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Make sure that tensors are those of a module.

    Raises:
        CheckpointError: naming the tensors that are missing, extra, of another shape or of whole
            numbers where others are wanted.
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
    problems += [
        f"{name} holds {tensors[name].dtype}"
        for name, tensor in module.state_dict().items()
        if name in tensors and tensors[name].is_floating_point() != tensor.is_floating_point()
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:5])
        raise CheckpointError(f"{source}: {len(problems)} tensors do not fit: {shown}")
