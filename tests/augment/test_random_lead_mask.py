import pytest
import torch

from anylead.augment.random_lead_mask import RandomLeadMask, keep_one
from anylead.errors import LeadError, RecipeError
from anylead.leads import LEAD_SETS, lead_mask
from augment.ecg_batches import ecg_batch


def batch_of(has_lead):
    """(batch, segment, 12) flags -> a batch of short segments."""
    return ecg_batch(*has_lead.shape[:2], time=8, has_lead=has_lead)


def all_leads(rows, segments=2):
    return torch.ones(rows, segments, 12, dtype=torch.bool)


MODES = ["independent", "lead_sets", "limb_chest"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prob", [0.5, 1.0])
def test_one_present_lead_survives_and_none_is_revived(mode, prob):
    generator = torch.Generator().manual_seed(1)
    has_lead = torch.rand(400, 2, 12, generator=generator) < 0.25
    masked = RandomLeadMask(prob=prob, mode=mode)(batch_of(has_lead))
    assert not (masked.has_lead & ~has_lead).any()
    torch.testing.assert_close(masked.has_lead.any(-1), has_lead.any(-1))


@pytest.mark.parametrize("mode", MODES)
def test_signal_and_flags_agree_and_kept_leads_are_unchanged(mode):
    batch = batch_of(all_leads(64))
    masked = RandomLeadMask(mode=mode)(batch)
    expected = torch.zeros_like(batch.signal)
    for index in masked.has_lead.nonzero():
        expected[tuple(index)] = batch.signal[tuple(index)]
    assert torch.equal(masked.signal, expected)


def test_each_lead_falls_with_its_chance_independently():
    kept = RandomLeadMask(prob=0.3)(batch_of(all_leads(8000))).has_lead.flatten(0, 1).double()
    # 16000 segments: standard error 0.0036
    torch.testing.assert_close(
        kept.mean(0), torch.full((12,), 0.7, dtype=torch.double), rtol=0, atol=0.018
    )
    correlation = torch.corrcoef(kept.T) - torch.eye(12)
    assert correlation.abs().max() < 0.04


def test_where_all_would_fall_the_survivor_is_any_of_the_present_leads_equally_likely():
    has_lead = all_leads(6000, segments=1)
    has_lead[..., 3:] = False
    kept = RandomLeadMask(prob=1.0)(batch_of(has_lead)).has_lead
    assert (kept.sum(-1) == 1).all()
    share = kept[:, 0].double().mean(0)
    torch.testing.assert_close(
        share[:3], torch.full((3,), 1 / 3, dtype=torch.double), rtol=0, atol=0.03
    )


def test_segments_of_a_recording_are_masked_on_their_own():
    kept = RandomLeadMask()(batch_of(all_leads(200))).has_lead
    assert (kept[:, 0] != kept[:, 1]).any(-1).double().mean() > 0.95


def test_lead_sets_keeps_exactly_a_named_set_each_as_often():
    kept = RandomLeadMask(prob=1.0, mode="lead_sets")(batch_of(all_leads(3000))).has_lead
    kept = kept.flatten(0, 1)
    shares = [
        (kept == torch.from_numpy(lead_mask(name))).all(-1).double().mean() for name in LEAD_SETS
    ]
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx([1 / 6] * 6, abs=0.025)


def test_limb_chest_keeps_the_asked_number_of_those_present():
    has_lead = all_leads(100)
    has_lead[:, :, [0, 6, 7, 8, 9]] = False  # 5 limb and 2 chest leads are left
    mask = RandomLeadMask(prob=1.0, mode="limb_chest", num_limb=4, num_chest=3)
    kept = mask(batch_of(has_lead)).has_lead
    assert (kept[..., :6].sum(-1) == 4).all()
    assert (kept[..., 6:].sum(-1) == 2).all()


def test_limb_chest_draws_every_number_of_leads():
    kept = RandomLeadMask(prob=1.0, mode="limb_chest")(batch_of(all_leads(3000))).has_lead
    pairs = {
        (int(a), int(b))
        for a, b in zip(
            kept[..., :6].sum(-1).flatten(), kept[..., 6:].sum(-1).flatten(), strict=True
        )
    }
    assert pairs == {(k, m) for k in range(7) for m in range(7)} - {(0, 0)}


def test_a_segment_without_any_lead_stays_so():
    nothing = torch.zeros(2, 12, dtype=torch.bool)
    assert not keep_one(~nothing, nothing, torch.rand(2, 12)).any()


@pytest.mark.parametrize(
    "fields", [{"prob": 1.5}, {"prob": -0.1}, {"mode": "some"}, {"num_limb": 7}]
)
def test_a_value_out_of_range_is_refused_with_its_name(fields):
    with pytest.raises(RecipeError, match=next(iter(fields))):
        RandomLeadMask(**fields)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_compiles_without_a_graph_break(mode):
    torch.compiler.reset()
    batch, mask = batch_of(all_leads(4)), RandomLeadMask(mode=mode)
    compiled = torch.compile(mask, fullgraph=True, backend="eager")
    assert torch.equal(compiled(batch).has_lead, mask(batch).has_lead)


def test_only_the_sets_asked_for_are_kept_one_that_stands_twice_twice_as_often():
    sets = ["II", "2", "2", "V1,V2,V3,V4,V5,V6"]
    mask = RandomLeadMask(prob=1.0, mode="lead_sets", sets=sets)
    kept = mask(batch_of(all_leads(4000))).has_lead.flatten(0, 1)
    share = {name: (kept == torch.from_numpy(lead_mask(name))).all(-1).double().mean().item()
             for name in set(sets)}  # fmt: skip
    assert share == pytest.approx({"II": 0.25, "2": 0.5, "V1,V2,V3,V4,V5,V6": 0.25}, abs=0.03)


def test_random_sets_have_any_number_of_leads_and_any_leads():
    mask = RandomLeadMask(prob=1.0, mode="lead_sets", sets=["random"])
    kept = mask(batch_of(all_leads(6000))).has_lead.flatten(0, 1)
    number = torch.bincount(kept.sum(-1), minlength=13).double() / len(kept)
    torch.testing.assert_close(number[1:], torch.full((12,), 1 / 12).double(), rtol=0, atol=0.012)
    assert (kept.double().mean(0) - 6.5 / 12).abs().max() < 0.02


def test_sets_that_do_not_exist_are_refused():
    with pytest.raises(RecipeError, match="at least one"):
        RandomLeadMask(mode="lead_sets", sets=[])
    with pytest.raises(LeadError, match="V9x"):
        RandomLeadMask(mode="lead_sets", sets=["V9x"])
