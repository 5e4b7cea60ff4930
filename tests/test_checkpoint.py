import json
import os

import pytest
import torch

from anylead.checkpoint import load_checkpoint, save_checkpoint
from anylead.errors import CheckpointError

TENSORS = {"encoder.a": torch.arange(6.0).view(2, 3), "head.weight": torch.ones(2)}


def test_what_is_saved_comes_back(tmp_path):
    save_checkpoint(tmp_path, TENSORS, {"kind": "classification", "label_names": ["AF"]})
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
    from safetensors.torch import save_file

    save_file(TENSORS, str(tmp_path / "model.safetensors"))
    with pytest.raises(CheckpointError, match="anylead convert"):
        load_checkpoint(tmp_path)


def test_another_format_number_is_refused(tmp_path):
    save_checkpoint(tmp_path, TENSORS, {"format": 99})
    with pytest.raises(CheckpointError, match="format 99"):
        load_checkpoint(tmp_path)


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, TENSORS, {"kind": "first"})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*kept"):
        save_checkpoint(tmp_path, TENSORS, {"kind": "second"})
    monkeypatch.undo()
    assert load_checkpoint(tmp_path).description["kind"] == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
