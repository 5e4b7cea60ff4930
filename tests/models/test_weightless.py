"""Modules built for weights from elsewhere: the same shapes and tables, and nothing drawn."""

import subprocess
import sys
from dataclasses import asdict

import pytest
import torch

from anylead.inference.weights import filled_encoder
from anylead.models import ENCODERS, build_encoder, describe_encoder
from anylead.models.weightless import nothing_drawn, weightless

every_kind = pytest.mark.parametrize("kind", ENCODERS)


def tiny(kind):
    return build_encoder({"kind": kind, **asdict(ENCODERS[kind].sizes["tiny"])})


@every_kind
def test_shapes_and_tables_are_those_of_a_module_that_was_drawn(kind):
    whole = tiny(kind)
    with weightless():
        bare = tiny(kind)
    assert {k: v.shape for k, v in bare.state_dict().items()} == {
        k: v.shape for k, v in whole.state_dict().items()
    }
    with nothing_drawn():
        unfilled = tiny(kind)
    tables = dict(whole.named_buffers()).keys() - whole.state_dict().keys()
    for name in tables:
        assert torch.equal(unfilled.get_buffer(name), whole.get_buffer(name))


@every_kind
def test_a_filled_encoder_is_the_one_that_was_saved_and_draws_nothing(kind):
    saved = tiny(kind).eval()
    before = torch.get_rng_state()
    loaded = filled_encoder(describe_encoder(saved), saved.state_dict()).eval()
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    signal = torch.randn(1, 12, saved.window_samples or 1000)
    assert torch.equal(loaded(signal).context, saved(signal).context)


LOADED = """
import sys
from dataclasses import asdict

import anylead
from anylead.models import ENCODERS, build_encoder
from anylead.models.weightless import weightless

def wants_compiler():
    return bool({"torch._dynamo", "sympy"} & sys.modules.keys())

anylead.load("ptbxl-small", device="cpu")
found = ["ptbxl-small"] if wants_compiler() else []
for kind in ENCODERS:
    with weightless():
        build_encoder({"kind": kind, **asdict(ENCODERS[kind].sizes["tiny"])})
    found += [kind] if wants_compiler() and not found else []
sys.exit(", ".join(found) or 0)
"""


def test_loading_a_model_does_not_import_the_compiler():
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
