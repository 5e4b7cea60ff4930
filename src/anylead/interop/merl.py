"""Published files of MERL (github.com/cheliu-computation/MERL-ICML2024).

`*_encoder.pth` holds the encoder alone, `*_ckpt.pth` the whole model with the encoder behind
`ecg_encoder.`; files of own training runs lie under `model_state_dict`, behind `module.`. The ten
classes of `linear` were never trained and are left out.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from anylead.errors import CheckpointError
from anylead.interop.renaming import (
    PRE_NORM_BLOCK,
    Found,
    count,
    mapping_in,
    prefixed,
    rename,
    shape_of,
)
from anylead.models import load_weights
from anylead.models.text_projection import AttentionProjection, PooledProjection, TextProjection

_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
RESNET_RULES = (
    (r"conv1\.weight", r"stem.weight"),
    (rf"bn1\.{_NORM}", r"stem_norm.\1"),
    (r"layer(\d)\.(\d)\.conv1\.weight", r"stages.\1.\2.first.weight"),
    (rf"layer(\d)\.(\d)\.bn1\.{_NORM}", r"stages.\1.\2.first_norm.\3"),
    (r"layer(\d)\.(\d)\.conv2\.weight", r"stages.\1.\2.second.weight"),
    (rf"layer(\d)\.(\d)\.bn2\.{_NORM}", r"stages.\1.\2.second_norm.\3"),
    (rf"layer(\d)\.(\d)\.shortcut\.([01])\.{_NORM}", r"stages.\1.\2.shortcut.\3.\4"),
    (r"linear\.(weight|bias)", None),
)
VIT_RULES = (
    (r"pos_embedding", r"position"),
    (r"to_patch_embedding\.weight", r"patch_projection.weight"),
    *PRE_NORM_BLOCK,
    (r"norm\.(weight|bias)", r"norm.\1"),
)


def read_resnet18(content: Mapping[str, Any], source: str) -> Found:
    """The ResNet18.

    Raises:
        CheckpointError: another layout.
    """
    theirs, num_beside = encoder_of(content, source)
    ours = {
        # Their stages are counted from one.
        name.replace(f"stages.{name[7]}", f"stages.{int(name[7]) - 1}", 1)
        if name.startswith("stages.")
        else name: tensor
        for name, tensor in rename(theirs, RESNET_RULES, source).items()
    }
    num_stages = count(ours, r"stages\.(\d+)\.")
    dims = [shape_of(ours, f"stages.{i}.0.first.weight", 3, source)[0] for i in range(num_stages)]
    encoder = {"kind": "merl_resnet18", "dims": dims}
    unused = num_beside + len(theirs) - len(ours)
    return Found(encoder, prefixed("encoder.", ours), unused)


def read_vit_tiny(content: Mapping[str, Any], source: str) -> Found:
    """The ViT-tiny.

    Raises:
        CheckpointError: another layout.
    """
    theirs, num_beside = encoder_of(content, source)
    ours = rename(theirs, VIT_RULES, source)
    dim, _, patch = shape_of(ours, "patch_projection.weight", 3, source)
    _, places, _ = shape_of(ours, "position", 3, source)
    ours["position"] = ours["position"][0]
    encoder = {
        "kind": "merl_vit",
        "dim": dim,
        "num_layers": count(ours, r"layers\.(\d+)\."),
        "num_heads": max(1, dim // 64),
        "ffn_dim": shape_of(ours, "layers.0.expand.weight", 2, source)[0],
        "patch": patch,
        "window_samples": places * patch,
    }
    return Found(encoder, prefixed("encoder.", ours), num_beside)


def encoder_of(content: Mapping[str, Any], source: str) -> tuple[dict[str, Tensor], int]:
    """The encoder's tensors without prefix, and how many others the file has."""
    nested = isinstance(content.get("model_state_dict"), Mapping)
    theirs = mapping_in(content, "model_state_dict" if nested else None, source)
    plain = {name.removeprefix("module."): tensor for name, tensor in theirs.items()}
    prefix = "ecg_encoder."
    inner = {n.removeprefix(prefix): t for n, t in plain.items() if n.startswith(prefix)}
    if not inner:
        return plain, 0
    rename(plain, _PROJECTION, source)  # nothing unknown lies beside it
    return inner, len(plain) - len(inner)


_PROJECTION = (
    (r"downconv\.(weight|bias)", r"ecg.projection.\1"),
    (r"att_pool_head\.positional_embedding", r"ecg.position"),
    (r"att_pool_head\.cls_token", r"ecg.query"),
    (r"att_pool_head\.mhsa\.(.+)", r"ecg.attention.\1"),
    (r"att_pool_head\.c_proj\.(weight|bias)", r"ecg.output.\1"),
    (rf"proj_e\.(\d)\.{_NORM}", r"ecg.layers.\1.\2"),
    (r"proj_t\.(\d)\.(weight|bias)", r"text.layers.\1.\2"),
    (r"linear[12]\.weight", None),  # of the training without text
    (r"lm_model\..+", None),
    (r"ecg_encoder\..+", None),
)


def read_projections(content: Mapping[str, Any], source: str) -> tuple[nn.Module, TextProjection]:
    """The way of ECGs and of texts into their common space, from a file of the whole model.

    Raises:
        CheckpointError: another layout, such as a file of the encoder alone.
    """
    nested = isinstance(content.get("model_state_dict"), Mapping)
    theirs = mapping_in(content, "model_state_dict" if nested else None, source)
    plain = {name.removeprefix("module."): tensor for name, tensor in theirs.items()}
    if not any(name.startswith("proj_t.") for name in plain):
        raise CheckpointError(f"{source}: no projections; want the file of the whole model")
    ours = rename(plain, _PROJECTION, source)
    ecg: nn.Module
    if "ecg.query" in ours:
        for name in ("ecg.query", "ecg.position"):
            shape_of(ours, name, 3, source)
            ours[name] = ours[name][0, 0] if name == "ecg.query" else ours[name][0]
        ours["ecg.projection.weight"] = ours["ecg.projection.weight"].squeeze(2)
        ecg = AttentionProjection(
            ours["ecg.projection.weight"].shape[1], len(ours["ecg.position"]) - 1
        )
    else:
        ecg = PooledProjection(shape_of(ours, "ecg.layers.0.weight", 2, source)[1])
    text = TextProjection()
    for name, module in (("ecg.", ecg), ("text.", text)):
        own = {n.removeprefix(name): t for n, t in ours.items() if n.startswith(name)}
        load_weights(module.eval(), own, source)
    return ecg, text
