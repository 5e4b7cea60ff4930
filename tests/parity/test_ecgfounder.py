"""ECGFounder against the numbers of the authors' code."""

import pytest
import torch
from torch.nn.functional import linear, silu

from anylead.interop import ecgfounder
from parity.stand_in import assert_golden, encoder_of, facts, shapes, state


@pytest.fixture(scope="module", params=["12", "1"])
def case(golden_encoders, request):
    told, z = facts(golden_encoders, "ecgfounder")
    names = shapes(told["state_dict"])
    if request.param == "1":
        names |= shapes(told["state_dict_1_lead_differs"])
    found = ecgfounder.read({"state_dict": state(names)}, "file")
    encoder = encoder_of(found, standardizes=False)
    return encoder, found.tensors, z, request.param


def whole(signal):
    """(rows, lead, time) of some leads in the twelve rows."""
    rows = torch.zeros(len(signal), 12, signal.shape[2])
    rows[:, : signal.shape[1]] = signal
    return rows


@torch.no_grad()
def test_every_intermediate_is_the_original_one(case):
    encoder, tensors, z, leads = case
    signal = z[f"input{leads}"]
    x = encoder.stem(signal)
    assert_golden(x[:1, :4], z[f"first_conv{leads}_b0_c0to3"], "stem")
    x = silu(x)
    assert_golden(encoder.stages[0][0](x)[:1, :4], z[f"stage0_block0{leads}_b0_c0to3"], "block")
    channels = {2: "c0to15", 4: "c0to15", 6: "c0to63"}
    for number, stage in enumerate(encoder.stages):
        x = stage(x)
        if number in channels:
            wanted = z[f"stage{number}{leads}_b0_{channels[number]}"]
            assert_golden(x[:1, : wanted.shape[1]], wanted, f"stage {number}")
    features = encoder.pool(encoder(whole(signal)).context)
    assert_golden(features, z[f"features{leads}"])
    head = tensors["head.weight"], tensors["head.bias"]
    assert_golden(linear(features, *head), z[f"logits{leads}"])
    part = encoder.pool(encoder(whole(signal[:, :, 100:2445])).context)
    assert_golden(linear(part, *head), z[f"logits{leads}_samples100to2445"], "odd lengths")
    if leads == "12":
        unfiltered = encoder.pool(encoder(z["input12_unfiltered_b0"]).context)
        assert_golden(linear(unfiltered, *head), z["logits12_unfiltered_b0"], "no filter")


def test_the_published_number_of_weights_and_what_of_it_is_used(case, golden_encoders):
    encoder, tensors, _, leads = case
    told, _ = facts(golden_encoders, "ecgfounder")
    used = sum(p.numel() for p in encoder.parameters()) + sum(
        tensors[name].numel() for name in ("head.weight", "head.bias")
    )
    norms = [s for name, s, _ in told["state_dict"] if "bn" in name and name.endswith("t")]
    unused = 2 * sum(shape[0] for shape in norms)
    assert used + unused == told["parameters"][f"{leads}_lead"]
