import argparse
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import anylead
from anylead import datasets
from anylead.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from anylead.errors import CheckpointError
from anylead.interop.fairseq_signals import Hints, read_fairseq_signals
from anylead.interop.fairseq_writing import write_fairseq_signals
from anylead.models import (
    MaskedPrediction,
    MaskedPredictionConfig,
    build_encoder,
    describe_encoder,
    load_weights,
)
from anylead.signals import PreprocessConfig
from interop import synthetic_peer as peer

KINDS = ["pretraining", "classification", "identification"]


def bits_equal(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("old_weight_norm", [False, True])
def test_theirs_to_ours_to_theirs_keeps_every_bit_and_every_name(tmp_path, kind, old_weight_norm):
    theirs = peer.content(kind)
    theirs["model"] = peer.state_dict(kind, old_weight_norm)
    torch.save(theirs, tmp_path / "a.pt")
    ours = read_fairseq_signals(tmp_path / "a.pt")
    save_checkpoint(tmp_path / "ours", ours.tensors, ours.description)
    write_fairseq_signals(load_checkpoint(tmp_path / "ours"), tmp_path / "b.pt")
    back = torch.load(tmp_path / "b.pt", weights_only=True)
    assert bits_equal(back["model"], theirs["model"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm_first", [False, True])
def test_ours_to_theirs_to_ours_keeps_every_bit_and_the_architecture(tmp_path, kind, norm_first):
    torch.manual_seed(1)
    encoder = build_encoder({"kind": "transformer", **vars(peer.ENCODER), "norm_first": norm_first})
    tensors = {f"encoder.{name}": t for name, t in encoder.state_dict().items()}
    description = {
        "kind": kind,
        "encoder": describe_encoder(encoder),
        "preprocess": vars(PreprocessConfig(sample_rate=250.0)),
        "segment_seconds": 5.0,
    }
    if kind == "pretraining":
        config = MaskedPredictionConfig(dim=8, num_codes=7, start_prob=0.05, span=8)
        local = MaskedPrediction(16, 32, config)
        tensors |= {f"local.{name}": t for name, t in local.state_dict().items()}
        description["local"] = vars(config)
    else:
        head = torch.nn.Linear(32, 3, bias=kind == "classification")
        tensors |= {f"head.{name}": t for name, t in head.state_dict().items()}
    write_fairseq_signals(Checkpoint(tensors, description), tmp_path / "x.pt")
    back = read_fairseq_signals(tmp_path / "x.pt")
    assert bits_equal(back.tensors, tensors)
    assert back.description["encoder"] == description["encoder"]
    assert back.description["kind"] == kind
    assert back.description["preprocess"]["sample_rate"] == 250.0
    if kind == "pretraining":
        assert back.description["local"]["start_prob"] == pytest.approx(0.05)
        same = {"start_prob": 0.05}
        assert {**back.description["local"], **same} == {**description["local"], **same}


def converted(tmp_path, kind, origin):
    """What is written of a model trained here, or of a file of theirs with odd settings."""
    if origin == "theirs":
        task = {"data": "/home/somebody/ecg", "mean_path": None, "p": None, "sample_rate": 500}
        model = {"data": None, "model_path": "/home/somebody/a.pt", "final_dropout": None}
        ours = read_fairseq_signals(peer.write(tmp_path / "a.pt", kind, model=model, task=task))
    else:
        ours = read_fairseq_signals(peer.write(tmp_path / "a.pt", kind))
        del ours.description["provenance"]
    write_fairseq_signals(ours, tmp_path / "b.pt")
    return torch.load(tmp_path / "b.pt", weights_only=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", ["ours", "theirs"])
def test_the_settings_are_what_their_typed_configs_accept(tmp_path, kind, origin):
    content = converted(tmp_path, kind, origin)
    cfg = content["cfg"]
    assert type(cfg) is dict and content.get("args") is None
    # None where the field of their dataclass is not Optional is refused; text is text.
    may_be_none = {
        "model": {"args", "model_path"},
        "task": {"leads_to_load", "leads_bucket", "perturbation_mode", "sample_rate", "mean_path",
                 "std_path", "label_file", "max_sample_size", "min_sample_size"},
    }  # fmt: skip
    for section, optional in may_be_none.items():
        nones = {name for name, value in cfg[section].items() if value is None}
        assert nones <= optional, section
        assert isinstance(cfg[section]["data"], str)
        assert "somebody" not in str(cfg[section])
    # `from_pretrained` sets both to None in a closed structure.
    assert {"criterion", "lr_scheduler"} <= cfg.keys()
    assert cfg["model"]["apply_mask"] == any("mask_emb" in name for name in content["model"])
    numbers = ("encoder_layers", "encoder_embed_dim", "encoder_attention_heads", "conv_pos")
    assert all(type(cfg["model"][name]) is int for name in numbers)
    assert type(cfg["model"]["conv_feature_layers"]) is str
    if kind == "pretraining":
        wanted = {"quantize_targets", "latent_vars", "latent_groups", "latent_dim", "final_dim"}
        assert wanted <= cfg["model"].keys()
    else:
        assert type(cfg["model"]["num_labels"]) is int and cfg["model"]["no_pretrained_weights"]
    assert {"normalize", "filter", "_name"} <= cfg["task"].keys()
    last = content["optimizer_history"][-1]
    assert "lr_scheduler_state" in last and "num_updates" in last
    assert "train_iterator" in content["extra_state"]


@pytest.mark.parametrize("name", ["tiny_pretrain", "tiny_classifier", "tiny_arcface"])
def test_golden_files_come_back_with_every_bit(golden, tmp_path, name):
    hints = Hints(pretrained=golden / "tiny_pretrain.pt")
    ours = read_fairseq_signals(golden / f"{name}.pt", hints)
    write_fairseq_signals(ours, tmp_path / "b.pt")
    theirs = torch.load(golden / f"{name}.pt", weights_only=False)["model"]
    back = torch.load(tmp_path / "b.pt", weights_only=True)
    assert bits_equal(back["model"], theirs)
    again = read_fairseq_signals(tmp_path / "b.pt")
    assert bits_equal(again.tensors, ours.tensors)
    assert again.description["encoder"] == ours.description["encoder"]


def test_every_tensor_reaches_the_module_it_belongs_to(tmp_path):
    ours = read_fairseq_signals(peer.write(tmp_path / "a.pt"))
    encoder = build_encoder(ours.description["encoder"])
    load_weights(encoder, ours.part("encoder"), "test")
    config = MaskedPredictionConfig(**ours.description["local"])
    load_weights(MaskedPrediction(16, 32, config), ours.part("local"), "test")
    theirs = peer.state_dict()
    query = theirs["encoder.layers.1.self_attn.q_proj.weight"]
    assert torch.equal(encoder.layers[1].in_projection.weight[:32], query)


def without(theirs, name):
    theirs["model"].pop(name)


def reshaped(theirs, name):
    theirs["model"][name] = torch.zeros(3, 3)


def extra(theirs, name):
    theirs["model"][name + ".more"] = torch.zeros(3)


@pytest.mark.parametrize("change", [without, reshaped, extra])
@pytest.mark.parametrize(
    "name",
    [
        "encoder.layers.1.fc2.weight",
        "encoder.layers.0.self_attn.k_proj.bias",
        "feature_extractor.conv_layers.2.0.weight",
        "conv_pos.pos_conv.0.bias",
        "project_q.bias",
        "mask_emb",
    ],
)
def test_a_missing_misshaped_or_extra_tensor_is_named(tmp_path, change, name):
    theirs = peer.content()
    change(theirs, name)
    torch.save(theirs, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=name.split(".weight")[0]):
        read_fairseq_signals(tmp_path / "a.pt")


def test_a_layer_that_is_gone_as_a_whole_contradicts_the_settings(tmp_path):
    theirs = peer.content()
    theirs["model"] = {k: v for k, v in theirs["model"].items() if "layers.1.f" not in k}
    theirs["model"] = {k: v for k, v in theirs["model"].items() if "encoder.layers.1." not in k}
    torch.save(theirs, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="encoder_layers: settings 2, tensors 1"):
        read_fairseq_signals(tmp_path / "a.pt")


def test_heads_are_never_guessed(golden):
    path = golden / "tiny_classifier.pt"
    with pytest.raises(CheckpointError, match=r"--pretrained FILE\) or say --num_heads"):
        read_fairseq_signals(path)
    said = read_fairseq_signals(path, Hints(num_heads=4))
    from_file = read_fairseq_signals(path, Hints(pretrained=golden / "tiny_pretrain.pt"))
    assert said.description["encoder"] == from_file.description["encoder"]
    with pytest.raises(CheckpointError, match="5 heads do not divide 32"):
        read_fairseq_signals(path, Hints(num_heads=5))


def test_strides_are_taken_from_settings_only_where_the_kernels_fit(tmp_path):
    stale = {"conv_feature_layers": "[(256, 3, 2)] * 4"}
    path = peer.write(tmp_path / "a.pt", model=stale)
    with pytest.raises(CheckpointError, match="strides"):
        read_fairseq_signals(path, Hints(num_heads=4))
    said = read_fairseq_signals(path, Hints(num_heads=4, conv_strides=(2, 1, 2, 1)))
    assert said.description["encoder"]["conv_layers"][1] == (16, 2, 1)


def test_old_flat_arguments_are_read_as_settings(tmp_path):
    theirs = peer.content()
    flat = {**theirs["cfg"]["model"], "arch": "wav2vec2_cmsc", "loss_weights": [0.2, 5.0]}
    theirs |= {"cfg": None, "args": argparse.Namespace(**flat)}
    torch.save(theirs, tmp_path / "a.pt")
    ours = read_fairseq_signals(tmp_path / "a.pt")
    assert ours.description["local"]["penalty_weight"] == 5.0
    assert ours.description["encoder"]["num_heads"] == 4


def test_folders_of_somebodys_machine_do_not_travel(tmp_path):
    path = peer.write(tmp_path / "a.pt", task={"data": "/home/somebody/ecg", "sample_rate": 500})
    text = str(read_fairseq_signals(path).description)
    assert "somebody" not in text


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"extractor_mode": "layer_norm"}, "extractor_mode"),
        ({"conv_bias": True}, "conv_bias"),
        ({"target_glu": True}, "target_glu"),
        ({"quantize_input": True}, "quantize_input"),
        ({"conv_feature_layers": "__import__('os').abort()"}, "conv_feature_layers"),
        ({"conv_feature_layers": "[(16, 2, 2)] * 10**9"}, "conv_feature_layers"),
    ],
)
def test_variants_that_are_not_supported_are_refused_by_name(tmp_path, model, says):
    with pytest.raises(CheckpointError, match=says):
        read_fairseq_signals(peer.write(tmp_path / "a.pt", model=model))


def test_another_number_of_leads_is_refused(tmp_path):
    one_lead = {"feature_extractor.conv_layers.0.0.weight": torch.zeros(16, 1, 2)}
    with pytest.raises(CheckpointError, match="a model of 1 leads; want one of 12"):
        read_fairseq_signals(peer.write(tmp_path / "a.pt", **one_lead))


def test_a_checkpoint_of_another_kind_is_refused_with_what_was_found(tmp_path):
    torch.save(
        {"cfg": {"model": {"_name": "resnet"}}, "model": {"conv1.weight": torch.zeros(1)}},
        tmp_path / "a.pt",
    )
    with pytest.raises(CheckpointError, match=r"resnet.*missing feature_extractor"):
        read_fairseq_signals(tmp_path / "a.pt")
    torch.save({"state_dict": {}}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"no settings|no model inside \(state_dict\)"):
        read_fairseq_signals(tmp_path / "b.pt")


def test_normalization_of_theirs_without_an_equal_here_must_be_said(tmp_path):
    path = peer.write(tmp_path / "a.pt", task={"normalize": True})
    with pytest.raises(CheckpointError, match="normalize"):
        read_fairseq_signals(path)
    said = read_fairseq_signals(path, Hints(preprocess=PreprocessConfig(normalize="record")))
    assert said.description["preprocess"]["normalize"] == "record"


def test_published_names_want_their_preset(tmp_path):
    path = peer.write(tmp_path / "mimic_iv_ecg_physionet_pretrained.pt")
    with pytest.raises(CheckpointError, match="--preset ecg-fm"):
        read_fairseq_signals(path)
    ours = read_fairseq_signals(path, Hints(preset="ecg-fm"))
    assert ours.description["preprocess"]["normalize"] == "lead"
    assert ours.description["unit"] == "NU"


def test_windows_of_ecg_fm_leave_out_the_tail_as_its_authors_do(tmp_path):
    record = next(datasets.records("synthetic", num_patients=1, seconds=12.0))
    path = peer.write(tmp_path / "mimic_iv_ecg_physionet_pretrained.pt")
    theirs = anylead.load(path, preset="ecg-fm")
    ours = anylead.load(path, preset="ecg-fm", tail="overlap")
    assert theirs.windows([record])[0].start.tolist() == [0, 2500]
    assert ours.windows([record])[0].start.tolist() == [0, 1750, 3500]
    seven = replace(record, signal=record.signal[:, :3500])
    assert theirs.windows([seven])[0].start.tolist() == [0]
    assert theirs.fingerprint() != ours.fingerprint()


def test_a_classifier_of_17_outputs_gets_the_names_of_ecg_fm(tmp_path):
    head = {"proj.weight": torch.zeros(17, 32), "proj.bias": torch.zeros(17)}
    path = peer.write(tmp_path / "mimic_iv_ecg_finetuned.pt", "classification", **head)
    ours = read_fairseq_signals(path, Hints(preset="ecg-fm"))
    assert ours.description["label_names"][6] == "Atrial fibrillation"
    assert ours.description["join"]["Poor data quality"] == "max"
    with pytest.raises(CheckpointError, match="17 outputs and 2 different label names"):
        read_fairseq_signals(path, Hints(preset="ecg-fm", label_names=("a", "b")))


def test_what_theirs_cannot_hold_is_refused(tmp_path):
    ours = read_fairseq_signals(peer.write(tmp_path / "a.pt"))
    encoder = {**ours.description["encoder"], "completes_limb_leads": True}
    odd = Checkpoint(ours.tensors, {**ours.description, "encoder": encoder})
    with pytest.raises(CheckpointError, match="completes_limb_leads"):
        write_fairseq_signals(odd, tmp_path / "b.pt")
    assert not (tmp_path / "b.pt").exists()


def test_the_optimizer_state_is_never_held_in_memory(tmp_path):
    theirs = peer.content()
    theirs["last_optimizer_state"] = {"exp_avg": torch.zeros(30_000_000)}  # 120 MB
    torch.save(theirs, tmp_path / "big.pt")
    code = (
        "import resource, sys; from pathlib import Path;"
        "from anylead.interop.fairseq_signals import read_fairseq_signals as read;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024;"
        "read(Path(sys.argv[1])); before = peak();"
        "kept = read(Path(sys.argv[2])); print(peak() - before)"
    )
    small = peer.write(tmp_path / "small.pt")
    command = [sys.executable, "-c", code, str(small), str(tmp_path / "big.pt")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert float(result.stdout) < 60
