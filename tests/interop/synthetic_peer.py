"""Checkpoints in the format of fairseq-signals, made here: nothing of it is from elsewhere."""

import torch

from anylead.interop.fairseq_signals import expected_shapes
from anylead.models import EncoderConfig, MaskedPredictionConfig

ENCODER = EncoderConfig(
    ((16, 2, 2),) * 4,
    dim=32,
    num_layers=2,
    num_heads=4,
    ffn_dim=48,
    conv_pos_kernel=16,
    conv_pos_groups=4,
)
LOCAL = MaskedPredictionConfig(dim=8, num_codes=5)
HEADS = {"pretraining": 0, "classification": 3, "identification": 5}
MODEL = {
    "_name": "wav2vec2_cmsc",
    "encoder_layers": 2,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 48,
    "encoder_attention_heads": 4,
    "conv_feature_layers": "[(16, 2, 2)] * 4",
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "in_d": 12,
    "layer_norm_first": False,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "activation_dropout": 0.0,
    "dropout_input": 0.1,
    "dropout_features": 0.1,
    "feature_grad_mult": 0.1,
    "mask_prob": 0.65,
    "mask_length": 10,
    "latent_vars": 5,
    "latent_groups": 2,
    "latent_temp": [2.0, 0.5, 0.999995],
    "final_dim": 8,
    "num_negatives": 100,
    "logit_temp": 0.1,
    "quantize_targets": True,
}


def state_dict(kind="pretraining", old_weight_norm=False, seed=0):
    """Random tensors under their names."""
    generator = torch.Generator().manual_seed(seed)
    local = LOCAL if kind == "pretraining" else None
    shapes = expected_shapes(kind, ENCODER, local, HEADS[kind], old_weight_norm)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def content(kind="pretraining", model=None, task=None, **tensors):
    """What `torch.save` would get."""
    return {
        "args": None,
        "cfg": {
            "model": {**MODEL, **(model or {})},
            "task": {
                "_name": "ecg_pretraining",
                "normalize": False,
                "filter": False,
                **(task or {}),
            },
            "criterion": {"_name": "wav2vec2_with_cmsc", "loss_weights": [0.1, 10.0]},
            "optimizer": {"_name": "adam"},
        },
        "model": {**state_dict(kind), **tensors},
        "last_optimizer_state": {"state": {}},
    }


def write(path, *arguments, **options):
    torch.save(content(*arguments, **options), path)
    return path
