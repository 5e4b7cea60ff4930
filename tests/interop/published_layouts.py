"""Small files in the layouts of public encoders, with stand-in weights: name -> content.

Each layout is written down from its description, name by name; sizes are cut where the reader
finds them from the tensors.
"""

import torch

from anylead.models.ecg_jepa import position_table
from anylead.models.s4 import hippo_legs
from parity.stand_in import state


def conv_norm(name, dim):
    parts = {f"{name}.{part}": (dim,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**parts, f"{name}.num_batches_tracked": ()}


def affine(name, dim):
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def linear(name, dim, dim_in):
    return {f"{name}.weight": (dim, dim_in), f"{name}.bias": (dim,)}


def conv(name, dim, dim_in, kernel):
    return {f"{name}.weight": (dim, dim_in, kernel), f"{name}.bias": (dim,)}


def pre_norm_block(name, dim, ffn):
    return {
        **affine(f"{name}.attn.norm", dim),
        **linear(f"{name}.attn.fn.to_qkv", 3 * dim, dim),
        **linear(f"{name}.attn.fn.to_out.0", dim, dim),
        **affine(f"{name}.ff.norm", dim),
        **linear(f"{name}.ff.fn.net.0", ffn, dim),
        **linear(f"{name}.ff.fn.net.3", dim, ffn),
    }


def ecgfounder(num_leads=12):
    shapes = {**conv("first_conv.conv", 16, num_leads, 16), **conv_norm("first_bn", 16)}
    dim_in = 16
    for stage, dim in enumerate((16, 32)):
        name = f"stage_list.{stage}.block_list.0"
        shapes |= conv_norm(f"{name}.bn1", dim_in) | conv(f"{name}.conv1.conv", dim, dim_in, 1)
        shapes |= conv_norm(f"{name}.bn2", dim) | conv(f"{name}.conv2.conv", dim, 16, 16)
        shapes |= conv_norm(f"{name}.bn3", dim) | conv(f"{name}.conv3.conv", dim, dim, 1)
        shapes |= linear(f"{name}.se_fc1", dim // 2, dim) | linear(f"{name}.se_fc2", dim, dim // 2)
        dim_in = dim
    return {"state_dict": state({**shapes, **linear("dense", 150, 32)}), "epoch": 3}


def ecg_jepa():
    shapes = linear("W_P", 48, 50) | affine("norm", 48)
    block = "encoder_blocks.blocks.0"
    shapes |= affine(f"{block}.norm1", 48) | affine(f"{block}.norm2", 48)
    shapes |= {f"{block}.attn.qkv.weight": (144, 48)} | linear(f"{block}.attn.proj", 48, 48)
    shapes |= linear(f"{block}.mlp.fc1", 64, 48) | linear(f"{block}.mlp.fc2", 48, 64)
    return {"encoder": {**state(shapes), "pos_embed": position_table(50, 48)}, "epoch": 99}


def st_mem_encoder():
    shapes = {"pos_embedding": (1, 32, 64), "sep_embedding": (64,)}
    shapes |= affine("to_patch_embedding.1", 75) | linear("to_patch_embedding.2", 64, 75)
    shapes |= affine("to_patch_embedding.3", 64) | pre_norm_block("block0", 64, 96)
    return {**shapes, **{f"lead_embeddings.{j}": (64,) for j in range(12)}, **affine("norm", 64)}


def st_mem():
    return {"model": state(st_mem_encoder()), "epoch": 1, "config": {"mode": "scratch"}}


def st_mem_full():
    shapes = {f"encoder.{name}": shape for name, shape in st_mem_encoder().items()}
    shapes |= {"mask_embedding": (1, 1, 32), "decoder_pos_embed": (1, 32, 32)}
    shapes |= linear("to_decoder_embedding", 32, 64) | affine("decoder_norm", 32)
    shapes |= pre_norm_block("decoder_blocks.0", 32, 64) | linear("decoder_head", 75, 32)
    drawn = state(shapes)
    patch = "encoder.to_patch_embedding."
    twins = {n.removeprefix("encoder."): t for n, t in drawn.items() if n.startswith(patch)}
    return {"model": {**drawn, **twins}}


def hubert_ecg(classes=None):
    shapes = {"masked_spec_embed": (64,)}
    dims_in = (1, 64, 64, 64, 64)
    for i, (dim_in, kernel) in enumerate(zip(dims_in, (10, 3, 3, 2, 2), strict=True)):
        shapes[f"feature_extractor.conv_layers.{i}.conv.weight"] = (64, dim_in, kernel)
    shapes |= affine("feature_extractor.conv_layers.0.layer_norm", 64)
    shapes |= affine("feature_projection.layer_norm", 64)
    shapes |= linear("feature_projection.projection", 64, 64) | affine("encoder.layer_norm", 64)
    position = "encoder.pos_conv_embed.conv"
    shapes |= {f"{position}.bias": (64,)}
    shapes |= {f"{position}.parametrizations.weight.original0": (1, 1, 16)}
    shapes |= {f"{position}.parametrizations.weight.original1": (64, 4, 16)}
    layer = "encoder.layers.0"
    for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes |= linear(f"{layer}.attention.{part}", 64, 64)
    shapes |= affine(f"{layer}.layer_norm", 64) | affine(f"{layer}.final_layer_norm", 64)
    shapes |= linear(f"{layer}.feed_forward.intermediate_dense", 96, 64)
    shapes |= linear(f"{layer}.feed_forward.output_dense", 64, 96)
    if classes is None:
        shapes |= linear("final_proj.0", 16, 64) | {"label_embedding.0.weight": (20, 16)}
        return {"model_state_dict": state(shapes), "global_step": 5}
    shapes = {f"hubert_ecg.{name}": shape for name, shape in shapes.items()}
    return {"model_state_dict": state(shapes | linear("classifier", classes, 64)), "linear": True}


def merl_resnet18():
    shapes = {"conv1.weight": (8, 12, 7)} | conv_norm("bn1", 8)
    dim_in = 8
    for stage, dim in enumerate((8, 12, 16, 24), start=1):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            shapes |= {f"{name}.conv1.weight": (dim, dim_in, 3)} | conv_norm(f"{name}.bn1", dim)
            shapes |= {f"{name}.conv2.weight": (dim, dim, 3)} | conv_norm(f"{name}.bn2", dim)
            if block == 0 and stage > 1:
                shapes |= {f"{name}.shortcut.0.weight": (dim, dim_in, 1)}
                shapes |= conv_norm(f"{name}.shortcut.1", dim)
            dim_in = dim
    return state({**shapes, **linear("linear", 10, 24)})


def merl_vit_tiny():
    shapes = {"pos_embedding": (1, 100, 64), "to_patch_embedding.weight": (64, 12, 50)}
    shapes |= pre_norm_block("block0", 64, 96) | affine("norm", 64)
    whole = {f"ecg_encoder.{name}": shape for name, shape in shapes.items()}
    return state({**whole, **linear("proj_t.0", 256, 768), "linear1.weight": (256, 64)})


def ked():
    shapes = {}
    for i, (dim, dim_in) in enumerate(((8, 12), (8, 8), (16, 8))):
        shapes |= {f"{i}.0.weight": (dim, dim_in, 5)} | conv_norm(f"{i}.1", dim)
    dim_in = 16
    for stage, dim in enumerate((16, 24, 32, 32), start=4):
        path = f"{stage}.0.convpath.0"
        for j, (out, into, kernel) in enumerate(((8, dim_in, 1), (8, 8, 5), (dim, 8, 1))):
            shapes |= {f"{path}.{j}.0.weight": (out, into, kernel)} | conv_norm(
                f"{path}.{j}.1", out
            )
        if dim != dim_in:
            short = f"{stage}.0.idpath.{1 if stage > 4 else 0}"
            shapes |= {f"{short}.0.weight": (dim, dim_in, 1)} | conv_norm(f"{short}.1", dim)
        dim_in = dim
    drawn = state(shapes)
    twins = {n.replace(".convpath.0.", ".convs."): t for n, t in drawn.items() if "convpath" in n}
    other = {"logit_scale": torch.zeros(())}
    return {"ecg_model": drawn | twins, "model": other, "text_encoder": other, "epoch": 3}


def ecg_cpc():
    shapes = {}
    for i, (dim_in, kernel) in enumerate(((12, 3), (16, 1))):
        name = f"ts_encoder.encoder.layers.{i}"
        shapes |= {f"{name}.0.weight": (16, dim_in, kernel)} | conv_norm(f"{name}.1", 16)
    layer = "ts_encoder.predictor.predictor.s4_layers.0"
    shapes |= {f"{layer}.D": (1, 16), f"{layer}.output_linear.0.weight": (32, 16)}
    shapes |= {f"{layer}.output_linear.0.bias": (32, 1)}
    shapes |= affine("ts_encoder.predictor.predictor.norms.0", 16)
    shapes |= {"ts_encoder.head_ssl.proj.0.weight": (16, 16)}
    kernel = f"{layer}.kernel.kernel"
    drawn = state({**shapes, f"{kernel}.C": (1, 16, 4, 2), f"{kernel}.omega": (601, 2)})
    drawn |= {f"{kernel}.z": torch.zeros(601, 2), f"{kernel}.log_dt": torch.full((16,), -4.0)}
    for name, value in zip("wPBQ", hippo_legs(8), strict=True):
        shape = (16, 4, 2) if name == "w" else (1, 16, 4, 2)
        drawn[f"{kernel}.{name}"] = value.expand(shape).contiguous()
    return {"state_dict": drawn}


LAYOUTS = {
    "ecgfounder": ecgfounder,
    "ecgfounder_1lead": lambda: ecgfounder(1),
    "ecg_jepa": ecg_jepa,
    "st_mem": st_mem,
    "hubert_ecg": hubert_ecg,
    "merl_resnet18": merl_resnet18,
    "merl_vit_tiny": merl_vit_tiny,
    "ked": ked,
    "ecg_cpc": ecg_cpc,
}


def tensors_in(content):
    """The mapping that holds the encoder, to be damaged in place."""
    for key in ("state_dict", "model_state_dict", "ecg_model", "encoder"):
        if key in content:
            return content[key]
    nested = content.get("model")
    return nested if isinstance(nested, dict) else content
