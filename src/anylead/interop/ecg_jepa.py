"""Published files of ECG-JEPA (github.com/sehunfromdaegu/ECG_JEPA): the context encoder.

The tensors lie under `encoder`. Its table of positions is in the file, and is what counts.
"""

from collections.abc import Mapping
from typing import Any

from anylead.interop.renaming import Found, count, mapping_in, prefixed, rename, shape_of
from anylead.models.ecg_jepa import JEPA_LEADS

_BLOCK = r"encoder_blocks\.blocks\.(\d+)\."
RULES = (
    (r"pos_embed", r"position"),
    (r"W_P\.(weight|bias)", r"patch_projection.\1"),
    (rf"{_BLOCK}norm1\.(weight|bias)", r"layers.\1.attention_norm.\2"),
    (rf"{_BLOCK}attn\.qkv\.weight", r"layers.\1.in_projection.weight"),
    (rf"{_BLOCK}attn\.proj\.(weight|bias)", r"layers.\1.out_projection.\2"),
    (rf"{_BLOCK}norm2\.(weight|bias)", r"layers.\1.norm.\2"),
    (rf"{_BLOCK}mlp\.fc1\.(weight|bias)", r"layers.\1.expand.\2"),
    (rf"{_BLOCK}mlp\.fc2\.(weight|bias)", r"layers.\1.contract.\2"),
    (r"norm\.(weight|bias)", r"norm.\1"),
)
_HEAD_DIM = 48


def read(content: Mapping[str, Any], source: str) -> Found:
    """The encoder.

    Raises:
        CheckpointError: another layout.
    """
    ours = rename(mapping_in(content, "encoder", source), RULES, source)
    dim, patch = shape_of(ours, "patch_projection.weight", 2, source)
    encoder = {
        "kind": "ecg_jepa",
        "dim": dim,
        "num_layers": count(ours, r"layers\.(\d+)\."),
        "num_heads": max(1, dim // _HEAD_DIM),
        "ffn_dim": shape_of(ours, "layers.0.expand.weight", 2, source)[0],
        "patch": patch,
        "num_patches": shape_of(ours, "position", 2, source)[0] // len(JEPA_LEADS),
    }
    return Found(encoder, prefixed("encoder.", ours))
