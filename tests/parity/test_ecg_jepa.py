"""ECG-JEPA against the numbers of the authors' code."""

import pytest
import torch

from anylead.interop import ecg_jepa
from anylead.leads import LEADS, lead_mask
from anylead.models.ecg_jepa import JEPA_LEADS, position_table, same_lead_or_moment
from parity.stand_in import assert_golden, encoder_of, facts, shapes, state, watched

SUBSETS = ["I", "I,II", "I,II,V2"]


@pytest.fixture(scope="module")
def case(golden_encoders):
    told, z = facts(golden_encoders, "ecg_jepa")
    names = shapes(told["state_dict"])
    del names["pos_embed"]
    theirs = {**state(names, told["gains"]), "pos_embed": position_table(50, 768)}
    return encoder_of(ecg_jepa.read({"encoder": theirs, "epoch": 99}, "file")), z


def whole(signal):
    rows = torch.zeros(len(signal), 12, signal.shape[2])
    rows[:, [LEADS.index(name) for name in JEPA_LEADS]] = signal
    return rows


@torch.no_grad()
def test_every_intermediate_is_the_original_one(case):
    encoder, z = case
    rows = [0, 1, 57, 399]
    assert_golden(encoder.position[[0, 1, 50, 399]], z["pos_embed_rows_0_1_50_399"], "positions")
    allowed = same_lead_or_moment(8, 50, torch.device("cpu"))
    assert torch.equal(allowed[57].float(), z["attention_allowed_row_57"])
    blocks = {f"block{i}": encoder.layers[i] for i in (0, 5, 11)}
    with watched(patch=encoder.patch_projection, tokens=encoder.norm, **blocks) as seen:
        encoded = encoder(whole(z["input"]))
    for name, value in seen.items():
        tokens = value.flatten(1, 2) if name == "patch" else value
        assert_golden(tokens[0, rows], z[f"{name}_b0_rows_0_1_57_399"], name)
    assert_golden(seen["tokens"][1, :, :4], z["tokens_b1_all_dims0to3"], "tokens")
    assert encoded.context.shape == (2, 50, 768)
    assert_golden(encoder.pool(encoded.context), z["representation"], "representation")


@torch.no_grad()
def test_fewer_leads_are_tokens_left_out(case):
    encoder, z = case
    has_lead = torch.stack([torch.from_numpy(lead_mask(leads)) for leads in SUBSETS])
    signal = whole(z["input"])[:1] * has_lead[:, :, None]
    found = encoder.pool(encoder(signal, None, has_lead).context)
    for row, leads in zip(found, SUBSETS, strict=True):
        assert_golden(row, z[f"representation_leads_{leads.replace(',', '_')}"][0], leads)


@torch.no_grad()
def test_masked_patches_are_seen_by_none(case):
    encoder, z = case
    is_kept = ~z["mask_patches"].repeat(8)[None]
    patches = encoder.patches(whole(z["input"])[:1])
    tokens = encoder.contextualize(patches, torch.ones(1, 8, dtype=torch.bool), is_kept)
    visible = (~z["mask_patches"]).nonzero()[:, 0]
    ends = tokens[0].unflatten(0, (8, 50))[:, [visible[0], visible[-1]], :64]
    wanted = z["visible_tokens_b0_first_and_last_of_each_lead_dims0to63"]
    assert_golden(ends, wanted, "visible tokens")
