"""Views and losses of each method against loops."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cosine_similarity

from anylead.errors import RecipeError
from anylead.methods import METHODS, find_method
from anylead.methods.cmlc import leads_of_a_segment
from anylead.methods.cmsmlc import leads_of_adjacent_segments
from anylead.methods.pretraining import CONTRASTS, Method
from anylead.methods.views import one_segment_twice, segments
from anylead.models import mean_over_frames
from augment.ecg_batches import ecg_batch
from contracts.test_methods import objective


def kept_leads(batch):
    return [[row.nonzero()[:, 0].tolist() for row in record] for record in batch.has_lead]


def source_segment(batch, views, record, view):
    """Which loaded segment a single-lead view shows."""
    lead = views.batch.has_lead[record, view].nonzero()[0, 0]
    shown = views.batch.signal[record, view, lead]
    return [torch.equal(shown, segment[lead]) for segment in batch.signal[record]].index(True)


def test_cmlc_shows_two_leads_of_one_segment():
    batch = ecg_batch(40, time=64)
    views = leads_of_a_segment(batch)
    seen = set()
    for record, leads in enumerate(kept_leads(views.batch)):
        assert [len(view) for view in leads] == [1, 1]
        assert leads[0] != leads[1]
        places = [source_segment(batch, views, record, view) for view in (0, 1)]
        assert places[0] == places[1]
        seen.add((places[0], leads[0][0]))
    assert len(seen) > 15  # both segments, any lead


def test_cmsmlc_shows_different_leads_of_both_segments():
    batch = ecg_batch(40, time=64)
    views = leads_of_adjacent_segments(batch)
    for record, leads in enumerate(kept_leads(views.batch)):
        assert [len(view) for view in leads] == [1, 1]
        assert leads[0] != leads[1]
        assert [source_segment(batch, views, record, view) for view in (0, 1)] == [0, 1]


@pytest.mark.parametrize("views_of", [leads_of_a_segment, leads_of_adjacent_segments])
def test_single_leads_are_drawn_from_those_present(views_of):
    has_lead = torch.zeros(9, 2, 12, dtype=torch.bool)
    for record in range(9):
        has_lead[record, :, : record + 1] = True
    has_lead[8, 1, 2:] = False  # two leads in common
    views = views_of(ecg_batch(9, time=64, has_lead=has_lead))
    assert not (views.batch.has_lead & ~has_lead[:, :1]).any()
    assert views.is_valid.tolist() == [[False, False], *[[True, True]] * 8]
    assert not views.batch.signal[~views.batch.has_lead].any()


def test_simclr_shows_one_segment_twice_and_lead_masks_part_the_copies():
    batch = ecg_batch(30, time=64)
    views = one_segment_twice(batch).batch
    assert torch.equal(views.signal[:, 0], views.signal[:, 1])
    is_first = [torch.equal(views.signal[i, 0], batch.signal[i, 0]) for i in range(30)]
    assert 5 < sum(is_first) < 25
    module = objective("simclr")
    masked = module.augment(views).has_lead
    assert (masked[:, 0] != masked[:, 1]).any(dim=1).float().mean() > 0.9


def two_way_by_loops(pooled, temperature):
    """Each view finds its partner among the partner's view of all recordings."""
    total, number = 0.0, len(pooled)
    for i in range(number):
        for a, b in ((0, 1), (1, 0)):
            row = [cosine_similarity(pooled[i, a], pooled[j, b], dim=0) for j in range(number)]
            total -= (torch.stack(row) / temperature).log_softmax(dim=0)[i]
    return total / (2 * number)


def nt_xent_by_loops(pooled, temperature):
    """Each view finds its partner among all other views."""
    flat = pooled.flatten(0, 1)
    total = 0.0
    for i in range(len(flat)):
        others = [j for j in range(len(flat)) if j != i]
        row = torch.stack([cosine_similarity(flat[i], flat[j], dim=0) for j in others])
        total -= (row / temperature).log_softmax(dim=0)[others.index(i ^ 1)]
    return total / len(flat)


BY_LOOPS = {"two_way": two_way_by_loops, "nt_xent": nt_xent_by_loops}


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("name", ["cmsc", "cmlc", "cmsmlc", "simclr", "three_kg"])
def test_the_global_loss_equals_its_definition(name, contrast):
    module = objective(name, temperature=0.3).eval()
    module.method = replace(module.method, contrast=contrast)
    batch = ecg_batch(5, time=400)
    views = module.augment(module.method.views(batch).batch)
    encoded = module.encoder(views.signal.flatten(0, 1), None, views.has_lead.flatten(0, 1))
    pooled = mean_over_frames(encoded.context, None).view(5, 2, -1)
    step = module(batch)
    expected = BY_LOOPS[contrast](pooled, 0.3)
    assert (step.loss / step.terms).item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_joined_method_adds_both_losses():
    batch = ecg_batch(5, time=400)
    joined, local, contrast = (
        objective(name).eval() for name in ("wav2vec2+simclr", "wav2vec2", "simclr")
    )
    contrast.encoder.load_state_dict(joined.encoder.state_dict())
    local.load_state_dict(joined.state_dict())
    both, one, other = joined(batch), local(batch), contrast(batch)
    expected = one.loss / one.terms + other.loss / other.terms
    assert (both.loss / both.terms).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_local_part_of_a_joined_method_sees_all_leads():
    batch = ecg_batch(4, time=400)
    module = objective("wav2vec2+cmlc").eval()
    alone = objective("wav2vec2").eval()
    alone.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(batch).logs["local"], alone(batch).logs["local"])


def test_patient_positives_change_the_loss_only_where_patients_repeat():
    batch = ecg_batch(4, time=400)
    module = objective("cmsc").eval()
    plain = module(batch).loss
    module.method = replace(module.method, patient_positives=True)
    torch.testing.assert_close(module(batch).loss, plain)
    twice = replace(batch, patient=torch.tensor([0, 0, 1, 2]))
    assert not torch.allclose(module(twice).loss, plain)


@pytest.mark.parametrize("name", ["cmsc+simclr", "wav2vec2+wav2vec2", "wav2vec2_cmsc+simclr"])
def test_only_a_local_and_a_global_method_can_be_joined(name):
    with pytest.raises(RecipeError, match="local and a global"):
        find_method(name)


def test_an_unknown_method_or_contrast_is_named():
    with pytest.raises(RecipeError, match="'byol'; known are wav2vec2, cmsc"):
        find_method("wav2vec2+byol")
    with pytest.raises(RecipeError, match="'triplet'; known are two_way, nt_xent"):
        Method(views=segments, contrast="triplet")


def test_the_table_holds_the_systems_of_the_paper_and_of_clocs():
    systems = {"wav2vec2", "cmsc", "cmlc", "cmsmlc", "simclr", "three_kg", "wav2vec2_cmsc"}
    assert systems <= METHODS.keys()
