import json
import os
import time
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import anylead
import fitted_model
from anylead.checkpoint import load_checkpoint, save_checkpoint, write_atomically
from anylead.errors import CheckpointError
from anylead.inference import named
from anylead.models import ENCODERS, build_encoder, describe_encoder
from killed_writers import left_by_others

KIND = {"kind": "x", "encoder": {"kind": "transformer"}}
TENSORS = {"encoder.a": torch.arange(6.0).view(2, 3), "head.weight": torch.ones(2)}


def test_what_is_saved_comes_back(tmp_path):
    save_checkpoint(tmp_path, TENSORS, {**KIND, "kind": "classification", "label_names": ["AF"]})
    loaded = load_checkpoint(tmp_path)
    assert loaded.description["label_names"] == ["AF"]
    assert torch.equal(loaded.part("encoder")["a"], TENSORS["encoder.a"])
    assert json.loads((tmp_path / "model.json").read_text()) == loaded.description


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        load_checkpoint(tmp_path)


def test_a_cut_file_is_an_error(tmp_path):
    path = save_checkpoint(tmp_path, TENSORS, {"kind": "x"})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path)


def test_weights_of_another_program_are_refused(tmp_path):
    save_file(TENSORS, str(tmp_path / "model.safetensors"))
    with pytest.raises(CheckpointError, match="anylead convert"):
        load_checkpoint(tmp_path)


def test_another_format_number_is_refused(tmp_path):
    save_checkpoint(tmp_path, TENSORS, {"format": 99})
    with pytest.raises(CheckpointError, match="format 99"):
        load_checkpoint(tmp_path)


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, TENSORS, {**KIND, "kind": "first"})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*kept"):
        save_checkpoint(tmp_path, TENSORS, {"kind": "second"})
    monkeypatch.undo()
    assert load_checkpoint(tmp_path).description["kind"] == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_a_write_that_is_stopped_leaves_nothing_and_a_later_one_clears_up(tmp_path, monkeypatch):
    path = tmp_path / "model.json"

    def stopped(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stopped)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, b"new")
    assert not list(tmp_path.iterdir())
    _, alive, elsewhere = left_by_others(path, "half")
    write_atomically(path, b"new")
    assert set(tmp_path.iterdir()) == {path, alive, elsewhere}


@cache
def whole():
    """A small model that works, as text and tensors."""
    saved = fitted_model.checkpoint()
    return {"format": 1, **saved.description}, saved.tensors


def write(folder, text, tensors=None):
    save_file(whole()[1] if tensors is None else tensors, folder / "model.safetensors",
              {"anylead": text})  # fmt: skip


def changed(part=None, **values):
    described = whole()[0]
    if part is not None:
        values = {part: {**described[part], **values}}
    return json.dumps({**described, **values})


def without(name):
    return json.dumps({key: value for key, value in whole()[0].items() if key != name})


BAD = {
    "10^6 layers": lambda: changed("encoder", num_layers=10**6),
    "no layer": lambda: changed("encoder", num_layers=0),
    "10^9 channels": lambda: changed("encoder", dim=10**9),
    "more channels than weights": lambda: changed("encoder", dim=2**15, num_heads=1),
    "text for a number": lambda: changed("encoder", num_layers="4"),
    "a number for a flag": lambda: changed("encoder", norm_first=1),
    "half a layer": lambda: changed("encoder", num_layers=1.5),
    "heads that do not divide": lambda: changed("encoder", num_heads=7),
    "a stride of 0": lambda: changed("encoder", conv_layers=[[48, 4, 0]] * 3),
    "10^5 convolutions": lambda: changed("encoder", conv_layers=[[48, 4, 2]] * 10**5),
    "dropout of 7": lambda: changed("encoder", dropout=7.0),
    "NaN dropout": lambda: changed("encoder", dropout=float("nan")),
    "unknown setting": lambda: changed("encoder", numlayers=2),
    "unknown kind": lambda: changed("encoder", kind=["transformer"]),
    "no JSON": lambda: "{not json",
    "a list": lambda: "[1, 2]",
    "nested 10^5 deep": lambda: "[" * 10**5 + "]" * 10**5,
    "encoder nested deep": lambda: without("encoder")[:-1] + ', "encoder": ' + "[" * 10**5 + "}",
    "no encoder": lambda: without("encoder"),
    "no preprocessing": lambda: without("preprocess"),
    "labels are lists": lambda: changed(label_names=[[["x"] * 300] * 300] * 20),
    "labels are numbers": lambda: changed(label_names=[1, 2]),
    "more labels than outputs": lambda: changed(label_names=["a"] * 9),
    "thresholds are words": lambda: changed(thresholds=["a"] * 7),
    "too few thresholds": lambda: changed(thresholds=[0.5]),
    "negative segment": lambda: changed(segment_seconds=-5),
    "endless segment": lambda: changed(segment_seconds=float("inf")),
    "no rate": lambda: changed("preprocess", sample_rate=0),
    "rate of 1e300": lambda: changed("preprocess", sample_rate=1e300),
    "provenance is a list": lambda: changed(provenance=[1]),
    "another version": lambda: changed(format=2),
}


@pytest.mark.parametrize("name", BAD)
def test_a_description_that_cannot_be_meant_is_refused_in_one_line_at_once(name, tmp_path):
    write(tmp_path, BAD[name]())
    anylead.load  # noqa: B018 (imports are not what is timed)
    begin = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        anylead.load(tmp_path, device="cpu")
    assert time.process_time() - begin < 2  # .6 s on a quiet core
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value, tmp_path):
    described, tensors = whole()
    broken = {name: tensor.clone() for name, tensor in tensors.items()}
    broken["head.weight"][0, 0] = value
    write(tmp_path, json.dumps(described), broken)
    with pytest.raises(CheckpointError, match=r"head\.weight holds NaN or infinite"):
        load_checkpoint(tmp_path)


def test_what_was_changed_in_these_tests_is_read_as_it_was(tmp_path):
    write(tmp_path, changed())
    assert anylead.load(tmp_path, device="cpu").label_names == fitted_model.LABELS


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_of_every_kind_is_built_without_room_for_weights(kind):
    for config in ENCODERS[kind].sizes.values():
        with torch.device("meta"):
            encoder = build_encoder({"kind": kind, **asdict(config)})
        assert describe_encoder(encoder) == {"kind": kind, **asdict(config)}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_widened(dtype, tmp_path):
    whole = load_checkpoint(named.FOLDER / "synthetic-tiny")
    half = {name: tensor.to(dtype) for name, tensor in whole.tensors.items()}
    save_checkpoint(tmp_path, half, whole.description)
    signal = np.zeros((12, 5000), dtype=np.float32)
    signal[:, ::500] = 1
    answers = [anylead.load(folder, device="cpu").predict(signal, sample_rate=500, leads="12")
               for folder in (named.FOLDER / "synthetic-tiny", tmp_path)]  # fmt: skip
    assert answers[0] == pytest.approx(answers[1], abs=0.05)


def test_weights_of_whole_numbers_are_named(tmp_path):
    whole = load_checkpoint(named.FOLDER / "synthetic-tiny")
    ints = {name: tensor.int() for name, tensor in whole.tensors.items()}
    save_checkpoint(tmp_path, ints, whole.description)
    with pytest.raises(CheckpointError, match=r"tensors do not fit: .* holds torch\.int32"):
        anylead.load(tmp_path, device="cpu")
