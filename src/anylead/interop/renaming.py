"""Tensors of other programs under our names, each accounted for: nothing is left at random."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from anylead.errors import CheckpointError

# (pattern of a whole name of theirs, our name with its groups, or None for what has no use here)
Rules = Sequence[tuple[str, str | None]]


class Found(NamedTuple):
    """What a published file holds.

    encoder: the description from which `build_encoder` makes the architecture.
    tensors: "encoder." and, with a classifier, "head.": name -> weights.
    num_unused: tensors that the file has and the model does not use.
    """

    encoder: dict[str, Any]
    tensors: dict[str, Tensor]
    num_unused: int = 0


def mapping_in(content: Mapping[str, Any], key: str | None, source: str) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Args:
        content: top level of the file.
        key: under which they lie; None: at the top level.
        source: for messages.

    Raises:
        CheckpointError: there are none.
    """
    inner = content if key is None else content.get(key)
    where = "at its top level" if key is None else f"under {key!r}"
    if not isinstance(inner, Mapping) or not inner:
        known = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise CheckpointError(f"{source}: no tensors {where}; it has {known}")
    odd = [str(name) for name, value in inner.items() if not isinstance(value, Tensor)]
    if odd:
        raise CheckpointError(f"{source}: {odd[0]} {where} is no tensor")
    return dict(inner)


def rename(tensors: Mapping[str, Tensor], rules: Rules, source: str) -> dict[str, Tensor]:
    """Our names for theirs.

    Raises:
        CheckpointError: a name that no rule knows, or two that become one.
    """
    renamed: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in tensors.items():
        for pattern, ours in rules:
            match = re.fullmatch(pattern, name)
            if match is None:
                continue
            if ours is not None:
                new = match.expand(ours)
                if new in renamed:
                    raise CheckpointError(f"{source}: {name} would be {new} a second time")
                renamed[new] = tensor
            break
        else:
            unknown.append(name)
    if unknown:
        shown = ", ".join(sorted(unknown)[:5])
        raise CheckpointError(f"{source}: {len(unknown)} unknown tensors: {shown}")
    return renamed


def shape_of(tensors: Mapping[str, Tensor], name: str, num_axes: int, source: str) -> list[int]:
    """The shape of a tensor that tells the size of the model.

    Raises:
        CheckpointError: it is not there, or has another number of axes.
    """
    if name not in tensors:
        raise CheckpointError(f"{source}: missing {name}")
    if tensors[name].ndim != num_axes:
        raise CheckpointError(f"{source}: {name} is {tuple(tensors[name].shape)}")
    return list(tensors[name].shape)


def count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """How many numbers stand in the first group of a pattern that begins names."""
    found = {match[1] for name in tensors if (match := re.match(pattern, name))}
    return len(found)


# A block of the networks of ST-MEM and MERL, normalized first: their names for our layers.
PRE_NORM_BLOCK: tuple[tuple[str, str], ...] = (
    (r"block(\d+)\.attn\.norm\.(weight|bias)", r"layers.\1.attention_norm.\2"),
    (r"block(\d+)\.attn\.fn\.to_qkv\.(weight|bias)", r"layers.\1.in_projection.\2"),
    (r"block(\d+)\.attn\.fn\.to_out\.0\.(weight|bias)", r"layers.\1.out_projection.\2"),
    (r"block(\d+)\.ff\.norm\.(weight|bias)", r"layers.\1.norm.\2"),
    (r"block(\d+)\.ff\.fn\.net\.0\.(weight|bias)", r"layers.\1.expand.\2"),
    (r"block(\d+)\.ff\.fn\.net\.3\.(weight|bias)", r"layers.\1.contract.\2"),
)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, each name behind a prefix."""
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def take_head(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the classifier, taken out of the others."""
    return {name: ours.pop(name) for name in [n for n in ours if n.startswith("head.")]}
