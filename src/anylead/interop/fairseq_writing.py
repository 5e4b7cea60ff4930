"""Write checkpoints of fairseq-signals (github.com/Jwoo5/fairseq-signals), from ours.

Their programs (`load_model_and_task`, `from_pretrained`) merge the settings of a file into typed
dataclasses (omegaconf 2.0), which refuse None where a field is not optional, and a key that the
dataclass of the model lacks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from anylead.checkpoint import Checkpoint
from anylead.errors import CheckpointError
from anylead.interop.fairseq_names import MASK_VECTOR, Kind, to_theirs
from anylead.leads import NUM_LEADS

_MODELS: dict[Kind, str] = {
    "pretraining": "wav2vec2_cmsc",
    "classification": "ecg_transformer_classifier",
    "identification": "arcface",
}
_TASKS: dict[Kind, str] = {
    "pretraining": "ecg_pretraining",
    "classification": "ecg_classification",
    "identification": "ecg_identification",
}
_CRITERIA: dict[Kind, str] = {
    "pretraining": "wav2vec2_with_cmsc",
    "classification": "binary_cross_entropy_with_logits",
    "identification": "arcface",
}

# Fields of their dataclasses that may be None.
OPTIONAL = {
    "model": {"args", "model_path"},
    "task": {
        "leads_to_load",
        "leads_bucket",
        "perturbation_mode",
        "sample_rate",
        "mean_path",
        "std_path",
        "label_file",
        "max_sample_size",
        "min_sample_size",
    },
}


def write_fairseq_signals(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint of ours in their format, for their programs.

    Raises:
        CheckpointError: the model has parts that theirs cannot have, or the file cannot be written.
    """
    content = content_of(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        torch.save(content, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: cannot be written ({error})") from error


def content_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `torch.save` should write.

    Raises:
        CheckpointError: the model has parts that theirs cannot have.
    """
    description = checkpoint.description
    kind: Kind = description["kind"]
    encoder = description["encoder"]
    _check(description, kind, encoder)
    origin = description.get("provenance", {}).get("fairseq_signals", {})
    absent = set(description.get("provenance", {}).get("absent", ()))
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in checkpoint.tensors.items()
        if name not in absent
    }
    cfg = dict(origin.get("cfg", {}))
    keeps_mask = MASK_VECTOR not in absent
    cfg["model"] = {**_model(description, kind, cfg.get("model", {})), "apply_mask": keeps_mask}
    if kind != "pretraining":
        cfg["model"]["num_labels"] = tensors["head.weight"].shape[0]
    cfg["task"] = _task(description, kind, cfg.get("task", {}))
    for name, optional in OPTIONAL.items():
        cfg[name] = _without_none(cfg[name], optional)
    cfg["criterion"] = _criterion(description, kind, cfg.get("criterion", {}))
    # Their fine-tuning overwrites it in a closed structure: it has to be there.
    cfg["lr_scheduler"] = cfg.get("lr_scheduler") or {"_name": "fixed"}
    return {
        "args": None,
        "cfg": cfg,
        "model": to_theirs(tensors, kind, bool(origin.get("old_weight_norm"))),
        "criterion": None,
        "optimizer_history": [
            {
                "criterion_name": cfg["criterion"]["_name"],
                "optimizer_name": "Adam",
                "lr_scheduler_state": {"best": None},
                "num_updates": 0,
            }
        ],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1}, "val_loss": None},
        "last_optimizer_state": None,
    }


def _without_none(section: Mapping[str, Any], optional: set[str]) -> dict[str, Any]:
    """Settings that their dataclasses accept: `data` is text, other defaults are theirs."""
    kept = {name: value for name, value in section.items() if value is not None or name in optional}
    return {"data": "", **kept}


def _check(description: Mapping[str, Any], kind: Kind, encoder: Mapping[str, Any]) -> None:
    if kind not in _MODELS:
        raise CheckpointError(f"kind {kind!r}: fairseq-signals knows {', '.join(_MODELS)}")
    if encoder.get("kind") != "transformer":
        raise CheckpointError(
            f"encoder {encoder.get('kind')!r}: fairseq-signals has the transformer only"
        )
    if description.get("head", "linear") != "linear":
        raise CheckpointError(f"head {description['head']!r}: fairseq-signals has linear ones only")
    for name in ("completes_limb_leads", "knows_leads"):
        if encoder.get(name):
            raise CheckpointError(f"encoder with {name}: fairseq-signals has no such thing")
    if encoder.get("stem", "plain") != "plain":
        raise CheckpointError(
            f"encoder with stem {encoder['stem']!r}: fairseq-signals has plain convolutions only"
        )
    if kind == "pretraining" and "local" not in description:
        raise CheckpointError(
            "pre-trained without masked prediction: fairseq-signals has no such model"
        )


def _model(description: Mapping[str, Any], kind: Kind, before: Mapping[str, Any]) -> dict[str, Any]:
    encoder = description["encoder"]
    model = {
        "_name": _MODELS[kind],
        "all_gather": False,
        "normalize": False,
        "filter": False,
        "data": "",
        "args": None,
        "saliency": False,
        "encoder_layerdrop": 0.0,
        "dropout_features": 0.0,
        "mask_length": 10,
        "mask_prob": 0.0,
        "mask_selection": "static",
        "mask_other": 0.0,
        "no_mask_overlap": False,
        "mask_min_space": 1,
        "mask_channel_length": 10,
        "mask_channel_prob": 0.0,
        "mask_channel_selection": "static",
        "mask_channel_other": 0.0,
        "no_mask_channel_overlap": False,
        "mask_channel_min_space": 1,
        "extractor_mode": "default",
        "in_d": NUM_LEADS,
        "conv_bias": False,
        **before,
        "encoder_layers": encoder["num_layers"],
        "encoder_embed_dim": encoder["dim"],
        "encoder_ffn_embed_dim": encoder["ffn_dim"],
        "encoder_attention_heads": encoder["num_heads"],
        "layer_norm_first": encoder.get("norm_first", False),
        "dropout": encoder["dropout"],
        "attention_dropout": encoder["attention_dropout"],
        "activation_dropout": encoder["activation_dropout"],
        "dropout_input": encoder["input_dropout"],
        "conv_feature_layers": str([tuple(layer) for layer in encoder["conv_layers"]]),
        "feature_grad_mult": encoder["feature_grad_scale"],
        "conv_pos": encoder["conv_pos_kernel"],
        "conv_pos_groups": encoder["conv_pos_groups"],
    }
    if kind == "pretraining":
        return {**model, **_local(description["local"], before)}
    # The weights of the encoder are all here: no pre-trained file is wanted beside it.
    own = {"model_path": None, "no_pretrained_weights": True, "freeze_finetune_updates": 0}
    return {**model, "final_dropout": 0.0, **own}


def _local(local: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    mask_prob = round(local["start_prob"] * local["span"], 12)
    return {
        "quantize_input": False,
        "same_quantizer": False,
        "target_glu": False,
        "negatives_from_everywhere": False,
        "cross_sample_negatives": 0,
        "codebook_negatives": 0,
        "quantize_targets": True,
        "logit_temp": local["temperature"],
        "latent_vars": local["num_codes"],
        "latent_groups": local["num_groups"],
        "latent_dim": before.get("latent_dim", 0),
        "latent_temp": list(local["quantizer_temperature"]),
        "final_dim": local["dim"],
        "num_negatives": local["num_negatives"],
        "dropout_features": local["feature_dropout"],
        "mask_prob": mask_prob,
        "mask_length": local["span"],
    }


def _task(description: Mapping[str, Any], kind: Kind, before: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_name": _TASKS[kind],
        "data": "",
        "leads_to_load": None,
        "leads_bucket": None,
        "bucket_selection": "uniform",
        "filter": False,
        # Theirs is another normalization than any of ours: data must come prepared.
        "normalize": False,
        "enable_padding": True,
        "enable_padding_leads": False,
        "perturbation_mode": ["random_leads_masking"] if kind == "pretraining" else None,
        "p": [1.0],
        "mask_leads_selection": "random",
        "mask_leads_prob": 0.5,
        "sample_rate": int(description["preprocess"]["sample_rate"]),
        "criterion_name": _CRITERIA[kind],
        **before,
    }


def _criterion(
    description: Mapping[str, Any], kind: Kind, before: Mapping[str, Any]
) -> dict[str, Any]:
    criterion: dict[str, Any] = {"_name": _CRITERIA[kind], **before}
    if kind == "pretraining":
        local = description["local"]
        weights = [local["diversity_weight"], local["penalty_weight"]]
        keys = ["prob_perplexity", "code_perplexity", "temp"]
        return {"infonce": True, "log_keys": keys, **criterion, "loss_weights": weights}
    if kind == "identification":
        scale, margin = description.get("scale", 192.0), description.get("margin", 1.0)
        return {**criterion, "scale": scale, "margin": margin}
    return criterion
