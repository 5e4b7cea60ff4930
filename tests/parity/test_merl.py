"""MERL against the numbers of the authors' code."""

import pytest
import torch
from torch.nn.functional import linear, normalize

from anylead.interop import merl
from anylead.models.merl_resnet18 import merl_window
from parity.stand_in import assert_golden, encoder_of, facts, shapes, state, watched


@pytest.fixture(scope="module")
def golden_merl(golden_encoders):
    return facts(golden_encoders, "merl")


def uni_modal(theirs, pooled):
    return [linear(pooled, theirs[f"linear{i}.weight"]) for i in (1, 2)]


@torch.no_grad()
def test_resnet18(golden_merl):
    told, z = golden_merl
    theirs = state(shapes(told["state_dict_resnet18"]), told["gains"])
    found = merl.read_resnet18(theirs, "file")
    encoder = encoder_of(found, scales=False)
    stages = {f"layer{i}": encoder.stages[i - 1] for i in (1, 2)}
    with watched(conv1=encoder.stem, **stages) as seen:
        context = encoder(z["input"]).context
    for name, channels in (("conv1", 2), ("layer1", 2), ("layer2", 4)):
        wanted = z[f"resnet18.{name}_b0_c0to{channels - 1}"]
        assert_golden(seen[name][:1, :channels], wanted, name)
    assert_golden(context.transpose(1, 2)[:1, :64], z["resnet18.encoder_b0_c0to63"])
    pooled = encoder.pool(context)
    assert_golden(pooled, z["resnet18.encoder_mean"])
    head = theirs["ecg_encoder.linear.weight"], theirs["ecg_encoder.linear.bias"]
    assert_golden(linear(pooled, *head), z["resnet18.linear_probe_logits10"])

    ecg, text = merl.read_projections(theirs, "file")
    frames = ecg.projection(context)
    assert_golden(frames.transpose(1, 2)[:1, :16], z["resnet18.downconv_b0_c0to15"])
    for value, number in zip(uni_modal(theirs, frames.mean(dim=1)), (1, 2), strict=True):
        assert_golden(value, z[f"resnet18.uni{number}"])
    projected, looked_at = ecg(context)
    assert_golden(projected, z["resnet18.proj"])
    assert_golden(looked_at[:, None], z["resnet18.attention_map"])
    assert_golden(text(z["text_pooled"]), z["resnet18.text_proj_unit"])
    cosine = normalize(projected, dim=1) @ text(z["text_pooled"]).T
    assert_golden(cosine, z["resnet18.cosine"])


@torch.no_grad()
def test_vit_tiny(golden_merl):
    told, z = golden_merl
    theirs = state(shapes(told["state_dict_vit_tiny"]), told["gains"])
    encoder = encoder_of(merl.read_vit_tiny(theirs, "file"), scales=False)
    layers = {"block0": encoder.layers[0], "block11": encoder.layers[11]}
    with watched(patch=encoder.patch_projection, **layers) as seen:
        pooled = encoder.pool(encoder(z["input"]).context)
    seen["patch"] = seen["patch"].transpose(1, 2)
    for name, value in seen.items():
        assert_golden(value[0, :8], z[f"vit_tiny.{name}_b0_t0to7"], name)
    assert_golden(pooled, z["vit_tiny.encoder"])
    for value, number in zip(uni_modal(theirs, pooled), (1, 2), strict=True):
        assert_golden(value, z[f"vit_tiny.uni{number}"])
    ecg, text = merl.read_projections(theirs, "file")
    assert_golden(ecg(pooled), z["vit_tiny.proj"])
    assert_golden(text(z["text_pooled"]), z["vit_tiny.text_proj_unit"])
    cosine = normalize(ecg(pooled), dim=1) @ text(z["text_pooled"]).T
    assert_golden(cosine, z["vit_tiny.cosine"])


def test_windows_are_scaled_filled_up_and_reordered_as_by_the_authors(golden_merl):
    _, z = golden_merl
    raw = z["raw_uv"].float() / 1000
    assert_golden(merl_window(raw, 5000), z["input"])
    assert_golden(merl_window(raw[:1, :, :2500], 5000)[0, [0, 4]], z["cpsc_input_b0_rows_0_4"])
    # Their store for pre-training: thousandths, cut toward zero, in the order of MIMIC-IV-ECG.
    stored = (1000 * merl_window(raw[:1].double(), 5000)[0, [0, 4]]).to(torch.int16)
    assert (stored - z["pretrain_int16_b0_rows_0_4_mimic_order"]).abs().max() <= 1
