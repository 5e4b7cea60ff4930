"""`train.compile`, with a backend that compiles nothing: what torch traces is what runs.

The code that its own backend generates is not run here, since making it takes a minute.
"""

from dataclasses import replace
from functools import partial

import pytest
import torch

from training.tiny_run import QUIET, GeneratedLoader, objective, run


@pytest.mark.parametrize("recomputes", [False, True])
def test_a_step_is_one_graph_with_the_loss_and_gradients_of_the_module(recomputes):
    torch.compiler.reset()
    batch = GeneratedLoader(4).batch(0)
    eager, traced = objective(dropout=0.0).train(), objective(dropout=0.0).train()
    for layer in traced.encoder.layers:
        layer.recomputes = recomputes
    expected = eager(batch)
    found = torch.compile(traced, backend="eager", fullgraph=True)(batch)
    torch.testing.assert_close(found.loss, expected.loss)
    assert torch.equal(found.terms, expected.terms)
    for step in (expected, found):
        torch.autograd.backward(step.loss)
    for one, other in zip(eager.parameters(), traced.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_compiled_run_that_is_resumed_ends_with_the_very_same_weights(tmp_path, monkeypatch):
    torch.compiler.reset()
    calls = []
    traced = partial(torch.compile, backend="eager", fullgraph=True)

    def compiled(module):
        calls.append(module)
        return traced(module)

    monkeypatch.setattr(torch, "compile", compiled)
    config = replace(QUIET, compile=True, steps=4)
    whole = run(tmp_path / "whole", config).state_dict()
    run(tmp_path / "parts", replace(config, steps=2))
    resumed = run(tmp_path / "parts", replace(config, resume=True)).state_dict()
    assert len(calls) == 3
    start = objective().state_dict()
    assert any(not torch.equal(whole[name], start[name]) for name in whole)
    for name in whole:
        assert torch.equal(whole[name], resumed[name])
