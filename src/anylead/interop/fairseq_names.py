"""Names and shapes of tensors: fairseq-signals <-> anylead. Pure renaming, bits stay as they are.

Their attention has three projections where ours has one, and their codebooks are one flat table.
"""

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["pretraining", "classification", "identification"]
# Ours; fine-tuning of theirs throws it away.
MASK_VECTOR = "encoder.mask_vector"

_ENCODER = {
    "mask_emb": "mask_vector",
    "feature_extractor.conv_layers.0.2.": "feature_extractor.norm.",
    "layer_norm.": "feature_norm.",
    "post_extract_proj.": "feature_projection.",
    "conv_pos.pos_conv.0.": "positional.conv.",
    "encoder.layer_norm.": "norm.",
}
_LAYER = {
    "self_attn.out_proj.": "out_projection.",
    "self_attn_layer_norm.": "attention_norm.",
    "fc1.": "expand.",
    "fc2.": "contract.",
    "final_layer_norm.": "norm.",
}
_LOCAL = {
    "quantizer.weight_proj.": "quantizer.choose.",
    "project_q.": "project_target.",
    "final_proj.": "project_context.",
}
# Weight normalization before and since torch 2.0: (magnitude, direction).
_OLD_NORM = {
    "positional.conv.weight_g": "positional.conv.parametrizations.weight.original0",
    "positional.conv.weight_v": "positional.conv.parametrizations.weight.original1",
}
_PARTS = ("q_proj", "k_proj", "v_proj")
_CONV = re.compile(r"feature_extractor\.conv_layers\.(\d+)\.0\.(\w+)")
_OUR_CONV = re.compile(r"feature_extractor\.convs\.(\d+)\.(\w+)")
_THEIR_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_OUR_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


def kind_of(theirs: Mapping[str, Tensor]) -> Kind:
    """What a state dict is, told by its head."""
    if "kernel" in theirs:
        return "identification"
    return "classification" if "proj.weight" in theirs else "pretraining"


def encoder_part(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their encoder without its prefix: fine-tuned models hold it in `encoder.`."""
    if kind_of(theirs) == "pretraining":
        return dict(theirs)
    return {
        name.removeprefix("encoder."): tensor
        for name, tensor in theirs.items()
        if name.startswith("encoder.")
    }


def has_old_weight_norm(theirs: Mapping[str, Tensor]) -> bool:
    """Whether the positional convolution is stored under the names of torch before 2.0."""
    return any(name.endswith("conv_pos.pos_conv.0.weight_g") for name in theirs)


def to_ours(theirs: Mapping[str, Tensor], num_groups: int = 2) -> dict[str, Tensor]:
    """Their state dict -> ours ("encoder.", "local.", "head."); unknown names pass unchanged.

    Args:
        theirs: a state dict of theirs.
        num_groups: codebooks.
    """
    ours: dict[str, Tensor] = {}
    kind = kind_of(theirs)
    for name, tensor in theirs.items():
        if kind == "identification" and name == "kernel":
            ours["head.weight"] = tensor
        elif kind == "classification" and name.startswith("proj."):
            ours[f"head.{name.removeprefix('proj.')}"] = tensor
        elif name == "quantizer.vars":
            flat = tensor.squeeze(0)
            ours["local.quantizer.codebooks"] = flat.view(num_groups, -1, flat.shape[-1])
        elif (renamed := _renamed(name, _LOCAL)) is not None:
            ours[f"local.{renamed}"] = tensor
        else:
            inner = name if kind == "pretraining" else name.removeprefix("encoder.")
            ours[f"encoder.{_encoder_name(inner)}"] = tensor
    return _join_attention(ours)


def to_theirs(
    ours: Mapping[str, Tensor], kind: Kind, old_weight_norm: bool = False
) -> dict[str, Tensor]:
    """The inverse of `to_ours`."""
    prefix = "" if kind == "pretraining" else "encoder."
    theirs: dict[str, Tensor] = {}
    for name, tensor in ours.items():
        part, _, inner = name.partition(".")
        if part == "head":
            theirs["kernel" if kind == "identification" else f"proj.{inner}"] = tensor
        elif inner == "quantizer.codebooks":
            theirs["quantizer.vars"] = tensor.flatten(0, 1)[None]
        elif part == "local":
            theirs[_renamed(inner, _inverse(_LOCAL)) or inner] = tensor
        elif (layer := _OUR_LAYER.fullmatch(inner)) and "in_projection." in layer[2]:
            stem = f"{prefix}encoder.layers.{layer[1]}.self_attn."
            which = layer[2].removeprefix("in_projection.")
            for part_name, chunk in zip(_PARTS, tensor.chunk(3), strict=True):
                theirs[f"{stem}{part_name}.{which}"] = chunk.clone()
        else:
            theirs[prefix + _their_encoder_name(inner, old_weight_norm)] = tensor
    return theirs


def _encoder_name(name: str) -> str:
    if layer := _THEIR_LAYER.fullmatch(name):
        return f"layers.{layer[1]}.{_renamed(layer[2], _LAYER) or layer[2]}"
    if conv := _CONV.fullmatch(name):
        return f"feature_extractor.convs.{conv[1]}.{conv[2]}"
    renamed = _renamed(name, _ENCODER) or name
    return _OLD_NORM.get(renamed, renamed)


def _their_encoder_name(name: str, old_weight_norm: bool) -> str:
    if layer := _OUR_LAYER.fullmatch(name):
        return f"encoder.layers.{layer[1]}.{_renamed(layer[2], _inverse(_LAYER)) or layer[2]}"
    if conv := _OUR_CONV.fullmatch(name):
        return f"feature_extractor.conv_layers.{conv[1]}.0.{conv[2]}"
    if old_weight_norm:
        name = _inverse(_OLD_NORM).get(name, name)
    return _renamed(name, _inverse(_ENCODER)) or name


def _renamed(name: str, table: Mapping[str, str]) -> str | None:
    """Exchange the beginning of a name, or None where no entry fits."""
    for old, new in table.items():
        if name == old or (old.endswith(".") and name.startswith(old)):
            return new + name.removeprefix(old)
    return None


def _inverse(table: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in table.items()}


def _join_attention(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Three projections -> one, where all three are there and fit together."""
    joined = dict(ours)
    for name in ours:
        stem, found, which = name.partition(".self_attn.q_proj.")
        names = [f"{stem}.self_attn.{part}.{which}" for part in _PARTS]
        if found and all(other in ours for other in names):
            chunks = [joined.pop(other) for other in names]
            joined[f"{stem}.in_projection.{which}"] = torch.cat(chunks)
    return joined
