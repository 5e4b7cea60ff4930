"""What the settings in a fairseq-signals checkpoint say, held against what its tensors show.

Widths, depths and kernels are read from the tensors. Heads, strides and the place of the
normalization leave no trace in a tensor: they are taken from the settings in the file, but only
where these settings describe the tensors beside them. Fine-tuned files often state defaults, since
the original program takes the architecture from the pre-trained file.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from anylead.errors import CheckpointError
from anylead.leads import NUM_LEADS
from anylead.models import EncoderConfig, MaskedPredictionConfig

ConvLayers = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Shape:
    """What tensors tell about an encoder.

    Attributes:
        convs: (dim, kernel) of each convolution.
        dim: channels of the Transformer.
        num_layers: its layers.
        ffn_dim: channels of its feed-forward networks.
        conv_pos_kernel: frames seen by the positional convolution.
        conv_pos_groups: its groups.
    """

    convs: tuple[tuple[int, int], ...]
    dim: int
    num_layers: int
    ffn_dim: int
    conv_pos_kernel: int
    conv_pos_groups: int


def read_shape(encoder: Mapping[str, Tensor], source: str) -> Shape:
    """Measure an encoder's tensors (their names, without prefix).

    Raises:
        CheckpointError: a tensor without which nothing can be told is missing, or another number
            of leads.
    """

    def shape_of(num_axes: int, *names: str) -> tuple[int, ...]:
        for name in names:
            if name in encoder and encoder[name].ndim != num_axes:
                raise CheckpointError(f"{source}: {name} is {tuple(encoder[name].shape)}")
            if name in encoder:
                return tuple(encoder[name].shape)
        raise CheckpointError(
            f"{source}: missing {names[0]}; want a fairseq-signals model of wav2vec 2.0 kind"
        )

    first = shape_of(3, "feature_extractor.conv_layers.0.0.weight")
    if first[1] != NUM_LEADS:
        raise CheckpointError(f"{source}: a model of {first[1]} leads; want one of {NUM_LEADS}")
    num_convs = 1 + _largest(encoder, r"feature_extractor\.conv_layers\.(\d+)\.")
    convs = [shape_of(3, f"feature_extractor.conv_layers.{i}.0.weight") for i in range(num_convs)]
    position = shape_of(
        3, "conv_pos.pos_conv.0.parametrizations.weight.original1", "conv_pos.pos_conv.0.weight_v"
    )
    return Shape(
        convs=tuple((conv[0], conv[2]) for conv in convs),
        dim=shape_of(1, "encoder.layer_norm.weight")[0],
        num_layers=1 + _largest(encoder, r"encoder\.layers\.(\d+)\."),
        ffn_dim=shape_of(2, "encoder.layers.0.fc1.weight")[0],
        conv_pos_kernel=position[2],
        conv_pos_groups=position[0] // position[1],
    )


def encoder_config(
    shape: Shape,
    settings: Mapping[str, Any],
    source: str,
    num_heads: int | None = None,
    conv_strides: Sequence[int] | None = None,
) -> EncoderConfig:
    """The architecture, from tensors and settings.

    Args:
        shape: what the tensors tell.
        settings: `cfg["model"]` of the file, or of the file it was fine-tuned from.
        source: of the tensors, for messages.
        num_heads: overrules the settings.
        conv_strides: overrules the settings.

    Raises:
        CheckpointError: something that tensors cannot tell is in doubt.
    """
    for name, wanted in (("extractor_mode", "default"), ("conv_bias", False), ("in_d", NUM_LEADS)):
        if settings.get(name, wanted) != wanted:
            raise CheckpointError(
                f"{source}: {name} {settings[name]!r} is not supported; want {wanted!r}"
            )
    convs = parse_conv_layers(settings.get("conv_feature_layers"), source)
    heads = _heads(shape, settings, convs, num_heads, source)
    strides = _strides(shape, convs, conv_strides, source)
    return EncoderConfig(
        conv_layers=tuple((*conv, s) for conv, s in zip(shape.convs, strides, strict=True)),
        dim=shape.dim,
        num_layers=shape.num_layers,
        num_heads=heads,
        ffn_dim=shape.ffn_dim,
        conv_pos_kernel=shape.conv_pos_kernel,
        conv_pos_groups=shape.conv_pos_groups,
        dropout=float(settings.get("dropout", 0.1)),
        attention_dropout=float(settings.get("attention_dropout", 0.1)),
        activation_dropout=float(settings.get("activation_dropout", 0.0)),
        input_dropout=float(settings.get("dropout_input", 0.0)),
        feature_grad_scale=float(settings.get("feature_grad_mult", 1.0)),
        norm_first=bool(settings.get("layer_norm_first", False)),
    )


def masked_prediction_config(
    tensors: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    criterion: Mapping[str, Any],
    source: str,
) -> MaskedPredictionConfig:
    """Settings of the local objective.

    Raises:
        CheckpointError: a variant that is not supported here.
    """
    unsupported = {
        "quantize_targets": True,
        "quantize_input": False,
        "target_glu": False,
        "negatives_from_everywhere": False,
        "cross_sample_negatives": 0,
        "codebook_negatives": 0,
    }
    for name, wanted in unsupported.items():
        if settings.get(name, wanted) != wanted:
            raise CheckpointError(
                f"{source}: {name} {settings[name]!r} is not supported; want {wanted!r}"
            )
    for name in ("quantizer.vars", "final_proj.weight"):
        if name not in tensors:
            raise CheckpointError(f"{source}: missing {name}")
    num_groups = int(settings.get("latent_groups", 2))
    span = int(settings.get("mask_length", 10))
    diversity, penalty = criterion.get("loss_weights") or (0.1, 10.0)
    start, end, decay = settings.get("latent_temp", (2.0, 0.5, 0.999995))
    return MaskedPredictionConfig(
        dim=tensors["final_proj.weight"].shape[0],
        num_groups=num_groups,
        num_codes=tensors["quantizer.vars"].shape[1] // num_groups,
        quantizer_temperature=(float(start), float(end), float(decay)),
        start_prob=float(settings.get("mask_prob", 0.65)) / span,
        span=span,
        num_negatives=int(settings.get("num_negatives", 100)),
        temperature=float(settings.get("logit_temp", 0.1)),
        diversity_weight=float(diversity),
        penalty_weight=float(penalty),
        feature_dropout=float(settings.get("dropout_features", 0.0)),
    )


def parse_conv_layers(text: Any, source: str) -> ConvLayers | None:
    """Read "[(256, 2, 2)] * 4" and the like: sums and products of lists, nothing is run.

    Raises:
        CheckpointError: the text is something else.
    """
    if text is None:
        return None
    try:
        value = _evaluate(ast.parse(str(text), mode="eval").body)
        return tuple((int(dim), int(kernel), int(stride)) for dim, kernel, stride in value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise CheckpointError(
            f"{source}: conv_feature_layers {str(text)[:60]!r}; want [(dim, kernel, stride)] * N"
        ) from error


def _evaluate(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [_evaluate(item) for item in items]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _evaluate(left) + _evaluate(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=int(times))):
            if not 0 < times <= 64:
                raise ValueError(f"{times} repetitions")
            return _evaluate(left) * times
    raise ValueError(ast.dump(node))


def _largest(tensors: Mapping[str, Tensor], pattern: str) -> int:
    found = [re.match(pattern, name) for name in tensors]
    return max((int(match[1]) for match in found if match), default=0)


def _differences(shape: Shape, settings: Mapping[str, Any], convs: ConvLayers | None) -> list[str]:
    """Where the settings state something else than the tensors show."""
    shown = {
        "encoder_layers": shape.num_layers,
        "encoder_embed_dim": shape.dim,
        "encoder_ffn_embed_dim": shape.ffn_dim,
        "conv_pos": shape.conv_pos_kernel,
        "conv_pos_groups": shape.conv_pos_groups,
    }
    differences = [
        f"{name}: settings {settings.get(name)}, tensors {value}"
        for name, value in shown.items()
        if settings.get(name) != value
    ]
    stated = None if convs is None else tuple((dim, kernel) for dim, kernel, _ in convs)
    if stated != shape.convs:
        differences.append(f"convolutions: settings {stated}, tensors {shape.convs}")
    return differences


def _heads(
    shape: Shape,
    settings: Mapping[str, Any],
    convs: ConvLayers | None,
    given: int | None,
    source: str,
) -> int:
    doubts = _differences(shape, settings, convs)
    heads = settings.get("encoder_attention_heads") if given is None else given
    if heads is None or (doubts and given is None):
        raise CheckpointError(
            f"{source}: its settings do not describe its tensors ({'; '.join(doubts)}), so the"
            " number of attention heads is unknown; name the file it was fine-tuned from"
            " (--pretrained FILE) or say --num_heads N"
        )
    if heads < 1 or shape.dim % heads:
        raise CheckpointError(f"{source}: {heads} heads do not divide {shape.dim} channels")
    return int(heads)


def _strides(
    shape: Shape, convs: ConvLayers | None, given: Sequence[int] | None, source: str
) -> tuple[int, ...]:
    kernels = [kernel for _, kernel in shape.convs]
    # Widths may be stale defaults; kernels that fit say that the layout is the same.
    if given is None and convs is not None and kernels == [kernel for _, kernel, _ in convs]:
        given = [stride for _, _, stride in convs]
    if given is None or len(given) != len(shape.convs) or min(given) < 1:
        raise CheckpointError(
            f"{source}: the strides of its {len(shape.convs)} convolutions are unknown; name the"
            " file it was fine-tuned from (--pretrained FILE) or say --conv_strides"
        )
    return tuple(int(stride) for stride in given)
