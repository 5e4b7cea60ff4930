"""What goes into published encoders, against the authors' own preprocessing."""

import numpy as np
import pytest
import torch

from anylead.interop.published import PUBLISHED
from anylead.leads import LEADS
from anylead.models.hubert_ecg import decimate
from anylead.models.st_mem import filter_matrix
from anylead.models.window import standardize
from anylead.records import Record
from anylead.signals import preprocess, published
from anylead.signals.resample import linear
from parity.stand_in import assert_golden, facts


@pytest.fixture(scope="module")
def arrays(golden_encoders):
    return lambda name: facts(golden_encoders, name)[1]


def prepared(name, signal, sample_rate=500.0, leads=LEADS):
    """(12, time) of one recording behind the preset of an encoder."""
    record = Record(np.asarray(signal, np.float32), tuple(leads), float(sample_rate), "record")
    return torch.from_numpy(preprocess(record, PUBLISHED[name].preprocess).signal)


def millivolts(z):
    return z["raw_uv"].numpy() / 1000 if "raw_uv" in z else z["raw_500hz_mv"].numpy()


def present(signal):
    return torch.ones(len(signal), signal.shape[1], dtype=torch.bool)


def test_ecgfounder(arrays):
    z = arrays("ecgfounder")
    found = torch.stack([prepared("ecgfounder", mv) for mv in millivolts(z)])
    assert_golden(found[0, [0, 7]], z["filtered_mv_b0_leads_I_V2"])
    assert_golden(standardize(found, present(found)), z["input12"])
    alone = torch.stack(
        [prepared("ecgfounder_1lead", mv[:1], leads=["I"])[:1] for mv in millivolts(z)]
    )
    assert_golden(standardize(alone, present(alone)), z["input1"])
    raw = torch.from_numpy(millivolts(z))[:1]
    assert_golden(standardize(raw, present(raw)), z["input12_unfiltered_b0"])
    halved = raw[:, :, ::2]
    halved = standardize(halved, present(halved))[0].numpy()
    stretched = torch.from_numpy(linear(halved, 250.0, 500.0))
    assert_golden(stretched[[0, 7]], z["resampled_from_250hz_b0_leads_I_V2"])


def test_ecg_jepa(arrays):
    z = arrays("ecg_jepa")
    rows = [0, 1, *range(6, 12)]
    for mv, wanted in zip(millivolts(z), z["input"], strict=True):
        assert_golden(prepared("ecg_jepa", mv)[rows], wanted)
    found = prepared("ecg_jepa", z["raw257hz_mv_b1_leads_I_V1"], 257, ["I", "V1"])
    assert_golden(found[[0, 6]], z["input_from257hz_b1_leads_I_V1"])


def test_st_mem(arrays):
    z = arrays("st_mem")
    resampled = torch.stack([prepared("st_mem", mv) for mv in millivolts(z)])
    assert_golden(resampled[0, :3], z["pre_resampled_0"])
    crops = torch.stack([resampled[:, :, s : s + 2250] for s in z["crops_start"].tolist()], dim=1)
    filtered = (crops.flatten(0, 1) @ filter_matrix(2250)).unflatten(0, (2, 3))
    scaled = standardize(filtered.flatten(0, 1), present(crops.flatten(0, 1)), eps=0)
    scaled = scaled.unflatten(0, (2, 3))
    assert_golden(scaled[:, 1], z["input"])
    assert_golden(scaled[..., ::25], z["crop_slices"])
    for name, leads in (("6", range(6)), ("2", [0, 1]), ("1", [0]), ("II", [1]), ("IIV2", [1, 7])):
        few = filtered[:, 1, list(leads)]
        assert_golden(standardize(few, present(few), eps=0)[..., ::10], z[f"pre_x{name}_every10"])


def test_hubert_ecg(arrays):
    z = arrays("hubert_ecg")
    filtered = [published.hubert_ecg(mv.astype(np.float32), 500.0) for mv in millivolts(z)]
    assert_golden(torch.from_numpy(np.stack(filtered))[..., ::10], z["fir_500hz_every10"])
    found = torch.stack([prepared("hubert_ecg", mv) for mv in millivolts(z)])
    assert_golden(found[..., ::10], z["scaled_every10"])
    assert_golden(decimate(found[:, :, :2500].flatten(1)), z["input"])
    assert_golden(decimate(found[:, 1, :2500]), z["single_lead_input"])
    lost = found[0, :, :2500].clone()
    lost[3, 100:120] = torch.nan
    lost = torch.where(lost.isnan(), lost.nanmean(), lost)  # their way of filling a gap
    assert_golden(decimate(lost.flatten()[None])[0, ::5], z["nan_case_input_every5"])
    slow = prepared("hubert_ecg", millivolts(z)[0][:, ::2], 250)
    assert_golden(decimate(slow[:, :2500].flatten()[None])[0, ::5], z["from_250hz_input"])


def test_merl(arrays):
    z = arrays("merl")
    for mv in millivolts(z):
        assert_golden(prepared("merl_resnet18", mv), torch.from_numpy(mv))


def test_ked(arrays):
    z = arrays("ked")
    for mv, wanted in zip(millivolts(z), z["input"], strict=True):
        assert_golden(prepared("ked", mv), wanted)
    short = prepared("ked", millivolts(z)[0][:, :3200])[[0, 7]]
    absent = 1000 - short.shape[1]
    centred = torch.nn.functional.pad(short, (absent // 2, absent - absent // 2))
    assert_golden(centred, z["short_input_b0_from_3200_samples_leads_I_V2"])


def test_ecg_cpc(arrays):
    z = arrays("ecg_cpc")
    for mv, wanted in zip(millivolts(z), z["input"], strict=True):
        assert_golden(prepared("ecg_cpc", mv), wanted)
