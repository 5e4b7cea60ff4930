"""Views and losses of each method against loops."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.nn.functional import cosine_similarity

from anylead.errors import RecipeError
from anylead.losses.view_pairs import compare
from anylead.methods import METHODS, find_method
from anylead.methods.cmlc import leads_of_a_segment
from anylead.methods.cmsmlc import leads_of_adjacent_segments
from anylead.methods.pretraining import CONTRASTS, Method
from anylead.methods.views import one_segment_twice, segments
from anylead.models import mean_over_frames
from augment.ecg_batches import ecg_batch
from contracts.test_methods import objective

LEADS_OF_CLOCS = [1, 7, 4, 3]  # II, V2, aVL, aVR among the canonical twelve


def shown(batch, views):
    """(record, view) -> (segment, lead) that the view shows, found by comparing samples."""
    places = []
    for record, view in product(range(len(batch.signal)), range(views.batch.signal.shape[1])):
        (lead,) = views.batch.has_lead[record, view].nonzero()[:, 0].tolist()
        samples = views.batch.signal[record, view]
        assert not samples[torch.arange(12) != lead].any()
        same = [torch.equal(samples[lead], segment[lead]) for segment in batch.signal[record]]
        places.append((same.index(True), lead))
    number = views.batch.signal.shape[1]
    return [places[i : i + number] for i in range(0, len(places), number)]


def test_cmlc_shows_four_leads_of_one_segment():
    batch = ecg_batch(20, time=64)
    views = shown(batch, leads_of_a_segment(batch))
    assert {tuple(lead for _, lead in record) for record in views} == {tuple(LEADS_OF_CLOCS)}
    segments_shown = [{segment for segment, _ in record} for record in views]
    assert all(len(each) == 1 for each in segments_shown)
    assert len({min(each) for each in segments_shown}) == 2  # either segment


def test_cmsmlc_shows_four_leads_of_both_segments():
    batch = ecg_batch(5, time=64)
    for record in shown(batch, leads_of_adjacent_segments(batch)):
        assert record == [(segment, lead) for segment in (0, 1) for lead in LEADS_OF_CLOCS]


@pytest.mark.parametrize(
    ("views_of", "num_pairs"), [(leads_of_a_segment, 6), (leads_of_adjacent_segments, 28)]
)
def test_clocs_has_all_pairs_and_negatives_that_share_the_pair_of_leads(views_of, num_pairs):
    batch = ecg_batch(5, time=64)
    views = views_of(batch)
    embedding = torch.randn(*views.batch.signal.shape[:2], 8)
    one_person = replace(batch, patient=torch.tensor([0, 0, 1, 2, 3]))
    pairs = compare(
        embedding, batch.record, one_person.patient, 0.1,
        is_pair=views.is_pair, is_valid=views.is_valid, patient_positives=True,
    )  # fmt: skip
    own = sum(int(pairs.is_positive[i, :, i].sum()) for i in range(5)) // 2
    assert own == 5 * num_pairs
    assert int(pairs.is_positive.sum()) // 2 == (5 + 2) * num_pairs  # two recordings of one patient
    # The loss takes negatives along one pair of views, and view v of all recordings is one lead.
    leads = [[lead for _, lead in record] for record in shown(batch, views)]
    assert all(record == leads[0] for record in leads)


@pytest.mark.parametrize("views_of", [leads_of_a_segment, leads_of_adjacent_segments])
def test_views_of_leads_that_are_missing_do_not_count(views_of):
    has_lead = torch.ones(3, 2, 12, dtype=torch.bool)
    has_lead[1, :, 7] = False  # V2
    has_lead[2] = False
    views = views_of(ecg_batch(3, time=64, has_lead=has_lead))
    number = views.is_valid.shape[1]
    assert views.is_valid.sum(1).tolist() == [number, number * 3 // 4, 0]
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
    """Each view finds each other view of its recording among that view of all recordings."""
    losses, (number, num_views, _) = [], pooled.shape
    for i, a, b in product(range(number), range(num_views), range(num_views)):
        if a != b:
            row = [cosine_similarity(pooled[i, a], pooled[j, b], dim=0) for j in range(number)]
            losses.append(-(torch.stack(row) / temperature).log_softmax(dim=0)[i])
    return sum(losses) / len(losses)


def nt_xent_by_loops(pooled, temperature):
    """Each view finds each other view of its recording among all views of other recordings."""
    losses, (number, num_views, _) = [], pooled.shape
    for i, a, b in product(range(number), range(num_views), range(num_views)):
        if a != b:
            others = [pooled[j, c] for j in range(number) for c in range(num_views) if j != i]
            row = [cosine_similarity(pooled[i, a], x, dim=0) for x in [pooled[i, b], *others]]
            losses.append(-(torch.stack(row) / temperature).log_softmax(dim=0)[0])
    return sum(losses) / len(losses)


BY_LOOPS = {"two_way": two_way_by_loops, "nt_xent": nt_xent_by_loops}


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("name", ["cmsc", "cmlc", "cmsmlc", "simclr", "three_kg"])
def test_the_global_loss_equals_its_definition(name, contrast):
    module = objective(name, temperature=0.3).eval()
    module.method = replace(module.method, contrast=contrast)
    batch = ecg_batch(5, time=400)
    views = module.augment(module.method.views(batch).batch)
    encoded = module.encoder(views.signal.flatten(0, 1), None, views.has_lead.flatten(0, 1))
    pooled = mean_over_frames(encoded.context, None).view(5, views.signal.shape[1], -1)
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
    with pytest.raises(RecipeError, match="'byol'; known are wav2vec2, "):
        find_method("wav2vec2+byol")
    with pytest.raises(RecipeError, match="'triplet'; known are two_way, nt_xent"):
        Method(views=segments, contrast="triplet")


def test_the_table_holds_the_systems_of_the_paper_and_of_clocs():
    systems = {"wav2vec2", "cmsc", "cmlc", "cmsmlc", "simclr", "three_kg", "wav2vec2_cmsc"}
    assert systems <= METHODS.keys()
