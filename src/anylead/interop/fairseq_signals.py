"""Read checkpoints of fairseq-signals (github.com/Jwoo5/fairseq-signals), and so of ECG-FM.

Pre-trained (`wav2vec2_cmsc`, `wav2vec2`), fine-tuned classifiers and ArcFace models. All
settings come from inside the file. Every tensor is accounted for; nothing is left at random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anylead.checkpoint import Checkpoint
from anylead.errors import CheckpointError
from anylead.interop.fairseq_names import (
    MASK_VECTOR,
    Kind,
    encoder_part,
    has_old_weight_norm,
    kind_of,
    to_ours,
    to_theirs,
)
from anylead.interop.fairseq_settings import (
    encoder_config,
    masked_prediction_config,
    read_shape,
)
from anylead.interop.presets import find_preset, preset_for_file
from anylead.interop.unpickling import read_torch_file
from anylead.models import (
    Encoder,
    EncoderConfig,
    MaskedPrediction,
    MaskedPredictionConfig,
    describe_encoder,
)
from anylead.models.weightless import weightless
from anylead.signals import PreprocessConfig

_DROPOUTS = (
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "dropout_input",
    "feature_grad_mult",
)
_WANT = "want a file of fairseq-signals, or the public encoder it is of as the preset"
_SECTIONS = ("model", "task", "criterion", "optimizer", "lr_scheduler", "optimization")


@dataclass(frozen=True)
class Hints:
    """What a user says about a file because the file does not.

    Attributes:
        num_heads: attention heads, where the settings in the file are not those of its tensors.
        conv_strides: strides of the convolutions, likewise.
        norm_first: whether layers normalize before their parts, where the settings are not its own.
        pretrained: the file it was fine-tuned from, which has the right settings.
        preset: a name in `presets.PRESETS`: preprocessing and labels of published weights.
        preprocess: what the training data went through; overrules the preset.
        label_names: classes in the order of the outputs; overrules the preset.
    """

    num_heads: int | None = None
    conv_strides: tuple[int, ...] | None = None
    norm_first: bool | None = None
    pretrained: Path | None = None
    preset: str | None = None
    preprocess: PreprocessConfig | None = None
    label_names: tuple[str, ...] | None = None


def read_fairseq_signals(path: Path, hints: Hints | None = None) -> Checkpoint:
    """Read a checkpoint of theirs as one of ours.

    Args:
        path: the `.pt` file.
        hints: what the file does not say.

    Raises:
        CheckpointError: no such file, unsafe, damaged, unknown, or in doubt; with the remedy.
    """
    hints = hints or Hints()
    content = read_torch_file(path)
    theirs = _state_dict(content, path)
    settings = settings_of(content, str(path))
    kind = kind_of(theirs)
    model = settings["model"]
    if hints.pretrained is not None:
        pretrained = read_torch_file(hints.pretrained)
        # Dropouts of a fine-tuned model are its own, also where the rest is the pre-trained file's.
        own = {name: model[name] for name in _DROPOUTS if name in model}
        model = {**settings_of(pretrained, str(hints.pretrained))["model"], **own}
    shape = read_shape(encoder_part(theirs), f"{path} ({model.get('_name', 'unnamed model')})")
    if hints.norm_first is not None:
        model = {**model, "layer_norm_first": hints.norm_first}
    config = encoder_config(shape, model, str(path), hints.num_heads, hints.conv_strides)
    local = None
    if kind == "pretraining":
        local = masked_prediction_config(
            theirs, settings["model"], settings["criterion"], str(path)
        )
    absent = _check_tensors(theirs, kind, config, local, str(path))
    named = to_ours(theirs, local.num_groups if local else 2)
    # Off the mapped file, which somebody may overwrite; joined projections are copies already.
    tensors = {n: t if ".in_projection." in n else t.clone() for n, t in named.items()}
    if absent:
        tensors[MASK_VECTOR] = torch.zeros(config.dim)
    description = _describe(path, kind, config, local, settings, theirs, hints)
    description["provenance"]["absent"] = absent
    return Checkpoint(tensors, description)


def settings_of(content: Mapping[str, Any], source: str) -> dict[str, dict[str, Any]]:
    """The sections of `cfg`; a flat old `args` stands for all of them.

    Raises:
        CheckpointError: the file has neither.
    """
    cfg, args = content.get("cfg"), content.get("args")
    if isinstance(cfg, dict) and isinstance(cfg.get("model"), dict):
        return {name: _section(cfg.get(name)) for name in _SECTIONS}
    if isinstance(args, dict):
        return {name: dict(args) for name in _SECTIONS}
    raise CheckpointError(f"{source}: no settings inside (neither cfg nor args); {_WANT}")


def _section(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _state_dict(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    model = content.get("model")
    if not isinstance(model, dict) or not model:
        keys = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise CheckpointError(f"{path}: no model inside ({keys}); {_WANT}")
    odd = [name for name, tensor in model.items() if not isinstance(tensor, Tensor)]
    if odd:
        raise CheckpointError(f"{path}: {odd[0]} is no tensor")
    return dict(model)


def _check_tensors(
    theirs: Mapping[str, Tensor],
    kind: Kind,
    config: EncoderConfig,
    local: MaskedPredictionConfig | None,
    source: str,
) -> list[str]:
    """Compare with the tensors that the architecture has; names of what may be absent."""
    wanted = expected_shapes(kind, config, local, _num_classes(theirs), has_old_weight_norm(theirs))
    found = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
    mask = "mask_emb" if kind == "pretraining" else "encoder.mask_emb"
    absent = []
    if kind != "pretraining" and mask not in found:  # fine-tuning threw it away
        del wanted[mask]
        absent = [MASK_VECTOR]
    problems = [f"missing {name}" for name in wanted if name not in found]
    problems += [f"extra {name}" for name in found if name not in wanted]
    problems += [
        f"{name} is {found[name]}, want {wanted[name]}"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    if problems:
        shown = "; ".join(problems[:5])
        raise CheckpointError(f"{source}: {len(problems)} tensors do not fit: {shown}")
    return absent


def expected_shapes(
    kind: Kind,
    config: EncoderConfig,
    local: MaskedPredictionConfig | None,
    num_classes: int,
    old_weight_norm: bool = False,
) -> dict[str, tuple[int, ...]]:
    """Their names and shapes for an architecture; no memory is taken for the weights."""
    with weightless():
        parts: dict[str, nn.Module] = {"encoder": Encoder(config)}
        if local is not None:
            parts["local"] = MaskedPrediction(config.conv_layers[-1][0], config.dim, local)
        if kind != "pretraining":
            parts["head"] = nn.Linear(config.dim, num_classes, bias=kind == "classification")
    ours = {
        f"{part}.{name}": tensor
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }
    theirs = to_theirs(ours, kind, old_weight_norm)
    return {name: tuple(tensor.shape) for name, tensor in theirs.items()}


def _num_classes(theirs: Mapping[str, Tensor]) -> int:
    head = theirs.get("kernel", theirs.get("proj.weight"))
    return 0 if head is None else head.shape[0]


def _describe(
    path: Path,
    kind: Kind,
    config: EncoderConfig,
    local: MaskedPredictionConfig | None,
    settings: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Tensor],
    hints: Hints,
) -> dict[str, Any]:
    with weightless():
        encoder = describe_encoder(Encoder(config))
    preset = find_preset(hints.preset) if hints.preset else None
    preprocess, assumed = _preprocess(path, settings["task"], hints)
    description: dict[str, Any] = {
        "kind": kind,
        "encoder": encoder,
        "preprocess": asdict(preprocess),
        "segment_seconds": preset.segment_seconds if preset else 5.0,
        "tail": preset.tail if preset else "overlap",
        "unit": "mV" if preprocess.normalize == "none" else "NU",
        "provenance": {
            "source": path.name,
            "method": str(settings["model"].get("_name") or settings["model"].get("arch")),
            "assumed": assumed,
            "fairseq_signals": {
                "old_weight_norm": has_old_weight_norm(theirs),
                "cfg": {name: _without_paths(section) for name, section in settings.items()},
            },
        },
    }
    if local is not None:
        description["local"] = asdict(local)
    if kind == "classification":
        description["task"] = hints.preset or "labels"
        description["label_names"] = list(_label_names(theirs, hints, path))
        if preset and preset.join:
            description["join"] = dict(preset.join)
    if kind == "identification":
        criterion = settings["criterion"]
        description["scale"] = float(criterion.get("scale", 192.0))
        description["margin"] = float(criterion.get("margin", 1.0))
    return description


def _preprocess(
    path: Path, task: Mapping[str, Any], hints: Hints
) -> tuple[PreprocessConfig, list[str]]:
    """What the training data went through, and what of it no one stated."""
    if hints.preprocess is not None:
        return hints.preprocess, []
    if hints.preset is not None:
        return find_preset(hints.preset).preprocess, []
    if (known := preset_for_file(path.name)) is not None:
        raise CheckpointError(
            f"{path}: these published weights expect more than the file says; say"
            f" preset={known!r} (--preset {known}), or give the preprocessing yourself"
        )
    for name in ("normalize", "filter"):
        if task.get(name):
            raise CheckpointError(
                f"{path}: its data went through {name!r} of fairseq-signals, which has no equal"
                " here; give the preprocessing yourself (--preprocess.normalize record is nearest)"
            )
    assumed = [
        "signals in mV, neither filtered nor normalized (what was done to the files before"
        " training is not in a checkpoint)"
    ]
    rate = task.get("sample_rate")
    assumed.append("segments of 5 s")
    if not rate:
        rate, assumed = 500.0, ["500 Hz: the file states no sample rate", *assumed]
    return PreprocessConfig(sample_rate=float(rate)), assumed


def _label_names(theirs: Mapping[str, Tensor], hints: Hints, path: Path) -> Sequence[str]:
    num_classes = _num_classes(theirs)
    names = hints.label_names
    if names is None and hints.preset is not None:
        names = find_preset(hints.preset).label_names.get(num_classes)
    if names is None:
        # The format has none. Numbers say so; a guess would be dangerous.
        return [f"output {i}" for i in range(num_classes)]
    if len(names) != num_classes or len(set(names)) != num_classes:
        raise CheckpointError(
            f"{path}: {num_classes} outputs and {len(set(names))} different label names; want one"
            " name for each output, in order"
        )
    return names


def _without_paths(section: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the folders of somebody's machine; their programs want text there."""
    return {
        name: "" if isinstance(value, str) and ("/" in value or "\\" in value) else value
        for name, value in section.items()
        if isinstance(value, str | int | float | bool | list | None)
    }
