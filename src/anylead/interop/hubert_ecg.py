"""Published files of HuBERT-ECG (hub: Edoardo-BS/hubert-ecg-*, Edoardo-BS/HuBERT-ECG).

`model.safetensors` has its tensors at the top level, `.pt` under `model_state_dict`, fine-tuned
ones behind `hubert_ecg.` and with a `classifier`. The weight norm of the positional convolution has
two spellings; read by the wrong one it would stay at random.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anylead.errors import CheckpointError
from anylead.interop.renaming import Found, count, mapping_in, prefixed, rename, shape_of, take_head

_LAYER = r"encoder\.layers\.(\d+)\."
_POSITION = r"encoder\.pos_conv_embed\.conv\."
_NORM = r"positional.conv.parametrizations.weight.original"
RULES = (
    (r"masked_spec_embed", r"mask_vector"),
    (r"feature_extractor\.conv_layers\.(\d+)\.conv\.weight", r"feature_extractor.convs.\1.weight"),
    (
        r"feature_extractor\.conv_layers\.0\.layer_norm\.(weight|bias)",
        r"feature_extractor.norm.\1",
    ),
    (r"feature_projection\.layer_norm\.(weight|bias)", r"feature_norm.\1"),
    (r"feature_projection\.projection\.(weight|bias)", r"feature_projection.\1"),
    (rf"{_POSITION}bias", r"positional.conv.bias"),
    (rf"{_POSITION}(?:parametrizations\.weight\.original0|weight_g)", rf"{_NORM}0"),
    (rf"{_POSITION}(?:parametrizations\.weight\.original1|weight_v)", rf"{_NORM}1"),
    (r"encoder\.layer_norm\.(weight|bias)", r"norm.\1"),
    (rf"{_LAYER}attention\.([qkv])_proj\.(weight|bias)", r"layers.\1.\2.\3"),
    (rf"{_LAYER}attention\.out_proj\.(weight|bias)", r"layers.\1.out_projection.\2"),
    (rf"{_LAYER}layer_norm\.(weight|bias)", r"layers.\1.attention_norm.\2"),
    (rf"{_LAYER}feed_forward\.intermediate_dense\.(weight|bias)", r"layers.\1.expand.\2"),
    (rf"{_LAYER}feed_forward\.output_dense\.(weight|bias)", r"layers.\1.contract.\2"),
    (rf"{_LAYER}final_layer_norm\.(weight|bias)", r"layers.\1.norm.\2"),
    (r"classifier\.(weight|bias)", r"head.\1"),
    (r"final_proj\.\d+\.(weight|bias)", None),
    (r"label_embedding\.\d+\.weight", None),
)
_STRIDES = (4, 2, 2, 2, 2)
_HEADS = {960: 12}  # the large model; the others have heads of 64 channels


def read(content: Mapping[str, Any], source: str) -> Found:
    """A pre-trained or fine-tuned model of any size.

    Raises:
        CheckpointError: another layout.
    """
    nested = isinstance(content.get("model_state_dict"), Mapping)
    theirs = mapping_in(content, "model_state_dict" if nested else None, source)
    plain = {name.removeprefix("hubert_ecg."): tensor for name, tensor in theirs.items()}
    ours = join_attention(rename(plain, RULES, source), source)
    num_convs = count(ours, r"feature_extractor\.convs\.(\d+)\.")
    if num_convs != len(_STRIDES):
        raise CheckpointError(f"{source}: {num_convs} convolutions, want {len(_STRIDES)}")
    names = [f"feature_extractor.convs.{i}.weight" for i in range(num_convs)]
    convs = [shape_of(ours, name, 3, source) for name in names]
    dim, _, kernel = shape_of(ours, f"{_NORM}1", 3, source)
    if "mask_vector" not in ours:  # fine-tuned files may have none, and inference needs none
        ours["mask_vector"] = torch.zeros(dim)
    head = take_head(ours)
    encoder = {
        "kind": "hubert_ecg",
        "conv_layers": [
            [conv[0], conv[2], stride] for conv, stride in zip(convs, _STRIDES, strict=True)
        ],
        "dim": dim,
        "num_layers": count(ours, r"layers\.(\d+)\."),
        "num_heads": _HEADS.get(dim, max(1, dim // 64)),
        "ffn_dim": shape_of(ours, "layers.0.expand.weight", 2, source)[0],
        "conv_pos_kernel": kernel,
        "conv_pos_groups": dim // ours[f"{_NORM}1"].shape[1],
    }
    num_unused = sum(name.startswith(("final_proj.", "label_embedding.")) for name in plain)
    return Found(encoder, {**prefixed("encoder.", ours), **head}, num_unused)


def join_attention(ours: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Query, key and value of each layer -> one projection.

    Raises:
        CheckpointError: one of them is missing.
    """
    joined = dict(ours)
    for number in range(count(ours, r"layers\.(\d+)\.")):
        for which in ("weight", "bias"):
            names = [f"layers.{number}.{part}.{which}" for part in "qkv"]
            absent = [name for name in names if name not in joined]
            if absent:
                raise CheckpointError(f"{source}: missing attention {absent[0]}")
            parts = [joined.pop(name) for name in names]
            joined[f"layers.{number}.in_projection.{which}"] = torch.cat(parts)
    return joined
