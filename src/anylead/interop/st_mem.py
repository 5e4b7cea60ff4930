"""Published files of ST-MEM (github.com/bakqui/ST-MEM): the encoder, alone or with its decoder.

The tensors lie under `model`; in the full file the encoder's have the prefix `encoder.`, and the
patch embedding is stored twice.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anylead.errors import CheckpointError
from anylead.interop.renaming import (
    PRE_NORM_BLOCK,
    Found,
    count,
    mapping_in,
    prefixed,
    rename,
    shape_of,
    take_head,
)
from anylead.leads import NUM_LEADS

_PATCH = r"to_patch_embedding\.([123])\.(weight|bias)"
RULES = (
    (r"pos_embedding", r"position"),
    (r"sep_embedding", r"separator"),
    (r"lead_embeddings\.(\d+)", r"lead.\1"),
    (_PATCH, r"patch_projection.\1.\2"),
    *PRE_NORM_BLOCK,
    (r"norm\.(weight|bias)", r"norm.\1"),
    (r"head\.(weight|bias)", r"head.\1"),
)
DECODER = (
    (r"(mask_embedding)", r"\1"),
    (r"decoder_pos_embed", r"position"),
    (r"to_decoder_embedding\.(weight|bias)", r"projection.\1"),
    *(
        (rf"decoder_blocks\.{theirs.removeprefix('block')}", ours)
        for theirs, ours in PRE_NORM_BLOCK
    ),
    (r"decoder_norm\.(weight|bias)", r"norm.\1"),
    (r"decoder_head\.(weight|bias)", r"head.\1"),
)
_HEAD_DIM = 64


def read(content: Mapping[str, Any], source: str) -> Found:
    """The encoder; a decoder in the file is checked and left out.

    Raises:
        CheckpointError: another layout.
    """
    theirs = mapping_in(content, "model", source)
    num_decoder = 0
    if any(name.startswith("encoder.") for name in theirs):
        num_decoder = len(read_decoder(theirs, source))
        theirs = _of_encoder(theirs, source)
    ours = rename(theirs, RULES, source)
    leads = [ours.pop(f"lead.{j}", None) for j in range(NUM_LEADS)]
    if any(tensor is None for tensor in leads):
        raise CheckpointError(f"{source}: no embedding of lead {leads.index(None)}")
    ours["lead"] = torch.stack([tensor for tensor in leads if tensor is not None])
    _, places, dim = shape_of(ours, "position", 3, source)
    ours["position"] = ours["position"][0]
    for number in (1, 2, 3):  # theirs begins with a step without weights
        for which in ("weight", "bias"):
            name = f"patch_projection.{number}.{which}"
            if name in ours:
                ours[f"patch_projection.{number - 1}.{which}"] = ours.pop(name)
    head = take_head(ours)
    encoder = {
        "kind": "st_mem",
        "dim": dim,
        "num_layers": count(ours, r"layers\.(\d+)\."),
        "num_heads": max(1, dim // _HEAD_DIM),
        "ffn_dim": shape_of(ours, "layers.0.expand.weight", 2, source)[0],
        "patch": shape_of(ours, "patch_projection.1.weight", 2, source)[1],
        "num_patches": places - 2,
    }
    return Found(encoder, {**prefixed("encoder.", ours), **head}, num_decoder)


def read_decoder(theirs: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Tensors of the decoder in a full file, as `models.lead_decoder` names them.

    Raises:
        CheckpointError: another layout.
    """
    decoder = {
        name: tensor
        for name, tensor in theirs.items()
        if not name.startswith(("encoder.", "to_patch_embedding."))
    }
    ours = rename(decoder, DECODER, source)
    for name in ("position", "mask_embedding"):
        shape_of(ours, name, 3, source)
        ours[name] = ours[name][0] if name == "position" else ours[name][0, 0]
    return ours


def _of_encoder(theirs: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    for name, tensor in theirs.items():
        if name.startswith("to_patch_embedding."):
            twin = theirs.get(f"encoder.{name}")
            if twin is None or not torch.equal(tensor, twin):
                raise CheckpointError(f"{source}: {name} is not what encoder.{name} is")
    return {n.removeprefix("encoder."): t for n, t in theirs.items() if n.startswith("encoder.")}
