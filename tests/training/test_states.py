"""States of a run that someone damaged: one line, before any of it is used."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from anylead.errors import CheckpointError
from anylead.training.resume import load_state

FACTS = ["[1, 2]", "{}", '{"step": "4"}', '{"step": -1}', '{"step": 1e99}', "[" * 10**5, "{no JSON"]


def saved(folder, facts, weight=1.0):
    """A state of one linear layer, and the layer with its optimizer."""
    module = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    tensors = {f"module.{name}": value.detach().clone() * weight
               for name, value in module.state_dict().items()}  # fmt: skip
    save_file(tensors, folder / "resume-00000004.safetensors", {"facts": facts})
    return module, optimizer


@pytest.mark.parametrize("facts", FACTS)
def test_facts_that_cannot_be_meant_are_refused(facts, tmp_path):
    parts = saved(tmp_path, facts)
    with pytest.raises(CheckpointError, match=r"resume-00000004\.safetensors: damaged") as caught:
        load_state(tmp_path, *parts)
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    parts = saved(tmp_path, json.dumps({"step": 4}), weight=float("nan"))
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        load_state(tmp_path, *parts)


def test_a_whole_state_comes_back(tmp_path):
    parts = saved(tmp_path, json.dumps({"step": 4}))
    assert load_state(tmp_path, *parts) == {"step": 4}
