import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from anylead.errors import CheckpointError
from anylead.interop.unpickling import read_torch_file


class Bomb:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function",
    [os.system, os.makedirs, eval, exec, getattr, __import__, pickle.loads, Path.unlink],
    ids=lambda function: function.__name__,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_checkpoint_is_refused_and_nothing_runs(tmp_path, function, protocol):
    trap = tmp_path / "trap"
    arguments = {
        "system": (f"touch {trap}",),
        "makedirs": (str(trap),),
        "eval": (f"open({str(trap)!r}, 'w')",),
        "exec": (f"open({str(trap)!r}, 'w')",),
        "unlink": (tmp_path / "victim",),
    }.get(function.__name__, (b"",))
    (tmp_path / "victim").touch()
    content = {
        "cfg": {"model": {}},
        "model": {"w": torch.zeros(2)},
        "extra": Bomb(function, *arguments),
    }
    torch.save(content, tmp_path / "bomb.pt", pickle_protocol=protocol)
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        read_torch_file(tmp_path / "bomb.pt")
    assert not trap.exists()
    assert (tmp_path / "victim").exists()


def test_the_refusal_names_what_the_file_wanted(tmp_path):
    torch.save({"model": Bomb(os.system, "true")}, tmp_path / "bomb.pt")
    with pytest.raises(CheckpointError, match=r"wants to run posix\.system"):
        read_torch_file(tmp_path / "bomb.pt")


def test_a_bare_pickle_is_no_checkpoint(tmp_path):
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Bomb(os.system, f"touch {tmp_path / 'trap'}")))
    with pytest.raises(CheckpointError, match=r"bare\.pt"):
        read_torch_file(tmp_path / "bare.pt")
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off_says_so(tmp_path, share):
    path = tmp_path / "a.pt"
    torch.save({"cfg": {}, "model": {"w": torch.randn(1000)}}, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"a\.pt: (damaged|no checkpoint)"):
        read_torch_file(path)


def test_numbers_of_numpy_do_not_hinder(tmp_path):
    content = {
        "model": {"w": torch.arange(3.0)},
        "metrics": {"score": np.float64(0.5), "sums": np.ones((2, 3), np.float32)},
    }
    torch.save(content, tmp_path / "a.pt")
    assert torch.equal(read_torch_file(tmp_path / "a.pt")["model"]["w"], torch.arange(3.0))


def test_files_of_torch_before_the_zip_format_are_read(tmp_path):
    torch.save(
        {"model": {"w": torch.arange(4.0)}},
        tmp_path / "a.pt",
        _use_new_zipfile_serialization=False,
    )
    assert torch.equal(read_torch_file(tmp_path / "a.pt")["model"]["w"], torch.arange(4.0))


def test_settings_of_omegaconf_become_plain_data_without_omegaconf(tmp_path, monkeypatch):
    """The classes below have the names and the state of omegaconf 2; reading finds none of them."""
    modules = {
        name: types.ModuleType(name)
        for name in ("omegaconf", "omegaconf.dictconfig", "omegaconf.listconfig", "omegaconf.nodes")
    }
    made = {}
    for module, name in (
        ("dictconfig", "DictConfig"),
        ("listconfig", "ListConfig"),
        ("nodes", "AnyNode"),
    ):
        made[name] = type(name, (), {"__module__": f"omegaconf.{module}"})
        setattr(modules[f"omegaconf.{module}"], name, made[name])

    def build(kind, **state):
        self = made[kind]()
        self.__dict__.update(state)
        return self

    layers = build("AnyNode", _val=2, _metadata={"key": "encoder_layers"})
    listed = build("ListConfig", _content=[build("AnyNode", _val=0.1), build("AnyNode", _val=10)])
    inner = build("DictConfig", _content={"encoder_layers": layers, "loss_weights": listed})
    cfg = build("DictConfig", _content={"model": inner}, _parent=None)
    with monkeypatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        torch.save({"cfg": cfg}, tmp_path / "a.pt")
    found = read_torch_file(tmp_path / "a.pt")
    assert found["cfg"] == {"model": {"encoder_layers": 2, "loss_weights": [0.1, 10]}}
    assert not any(name.startswith("omegaconf") for name in sys.modules)


def test_a_zip_that_is_no_checkpoint_says_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("hello.txt", "hello")
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        read_torch_file(tmp_path / "a.pt")
