"""The cost of a recording: operations against a count layer by layer, and what is timed."""

from dataclasses import asdict

import pytest
import torch
from torch import nn

from anylead.checkpoint import Checkpoint
from anylead.metrics.bootstrap import Interval
from anylead.models.heads import build_head
from anylead.tables import cost, output
from anylead.tables.compare import Place, Result
from synthetic_store import open_store
from tiny_encoders import pretrained

LABELS = ["a", "b", "c"]


def checkpoint(kind, head=None):
    tensors, description, encoder = pretrained(kind)
    if head is not None:
        weights = build_head(head, encoder.dim, len(LABELS)).state_dict()
        tensors |= {f"head.{name}": tensor for name, tensor in weights.items()}
        description |= {"kind": "classification", "task": "x", "label_names": LABELS, "head": head}
    return Checkpoint(tensors, description), encoder


def operations(encoder, rows):
    """Two for each multiplication and addition, from the shapes that layers see."""
    total = 0

    def count(layer, _, output):
        nonlocal total
        _, per_group, kernel = layer.weight.shape
        total += 2 * output.numel() * per_group * kernel

    hooks = [m.register_forward_hook(count) for m in encoder.modules() if isinstance(m, nn.Conv1d)]
    with torch.no_grad():
        encoder.eval()(torch.zeros(rows, 12, 500))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("kind", ["resnet1d", "xresnet1d"])
def test_operations_are_those_of_the_layers_for_all_windows_of_a_recording(kind):
    made, encoder = checkpoint(kind, "linear")
    found = cost.measure(made, open_store(), "cpu")
    windows = 2  # of 5 s in the 10 s of a recording
    expected = operations(encoder, windows) + 2 * windows * encoder.dim * len(LABELS)
    assert round(found.gigaflops * 1e9) == expected
    numbers = [p.numel() for p in encoder.parameters()] + [encoder.dim * 3, 3]
    assert found.parameters == sum(numbers)
    assert found.megabytes == pytest.approx(4 * sum(numbers) / 1e6)


def test_the_time_is_that_of_the_fastest_run_and_its_device_is_told(monkeypatch):
    seconds = iter([9.0, 0.5, 0.3, 0.002, 0.4, 0.6])
    monkeypatch.setattr(cost, "_seconds", lambda model, windows: next(seconds))
    found = cost.measure(checkpoint("resnet1d")[0], open_store(), "cpu")
    assert found.milliseconds == pytest.approx(2.0)
    assert found.device == f"CPU, threads {torch.get_num_threads()}"
    assert cost.read_cost({"cost": asdict(found)}) == found
    assert cost.read_cost({}) is None


def result(row, made):
    place = Place("diagnosis", 1.0, "12", row, "padded")
    return Result(place, "auroc", True, Interval(0.9, 0.8, 0.95, 10), (0.9,), 5, cost=made)


def test_rows_whose_cells_tell_no_cost_stand_beside_those_that_do():
    about = output.About("title", "text", False, "", "command", {}, {}, ["12"], "marks")
    made = cost.Cost(1_500_000, 6.0, 0.25, 3.21, "CPU, threads 1")
    both = list(output.make_panels(about, [result("old", None), result("new", made)]))
    text = output.as_markdown(about, both)
    assert "| 12 | M parameters | MB | GFLOP | ms |" in text
    assert "| 1.5 | 6 | 0.25 | 3.21 |" in text and "| – | – | – | – |" in text
    assert "On: CPU, threads 1." in text
    old = list(output.make_panels(about, [result("old", None)]))
    assert "GFLOP" not in output.as_markdown(about, old)
    lines = output.as_csv(about, [result("old", None), result("new", made)]).splitlines()
    assert lines[0].endswith("parameters,megabytes,gigaflops,milliseconds,device")
    assert lines[1].endswith(",,,,,") and '1500000,6.0,0.25,3.21,"CPU, threads 1"' in lines[2]


def test_an_attentive_head_costs_more_than_a_linear_one():
    linear, attentive = (
        cost.measure(checkpoint("resnet1d", head)[0], open_store(), "cpu")
        for head in ("linear", "attentive")
    )
    assert attentive.parameters > linear.parameters
    assert attentive.gigaflops > linear.gigaflops
