import time

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from anylead.metrics.identification import cosine_similarity, identification_scores


def pairs(num_people=40, spread=1.0, draws=1, dim=8, seed=0):
    """One gallery and one probe recording of each person, apart by noise."""
    generator = np.random.default_rng(seed)
    centre = generator.normal(size=(num_people, dim))
    gallery, probe = centre + spread * generator.normal(size=(2, draws, num_people, dim))
    return gallery, np.arange(num_people), probe, np.arange(num_people)


def rank_by_definition(gallery, gallery_patient, probe, own):
    """Place of the own person by the nearest recording of each, one probe at a time."""
    nearest = {}
    for vector, patient in zip(gallery, gallery_patient, strict=True):
        cosine = vector @ probe / np.linalg.norm(vector) / np.linalg.norm(probe)
        nearest[patient] = max(cosine, nearest.get(patient, -2.0))
    return 1 + sum(nearest[other] > nearest[own] for other in nearest if other != own)


def test_rank_accuracy_equals_its_definition_with_several_recordings_of_a_person():
    generator = np.random.default_rng(1)
    names = np.array(["d", "b", "a", "c", "e", "f", "g"])
    gallery_patient = generator.choice(names, size=30)
    probe_patient = generator.choice(np.unique(gallery_patient), size=50)
    gallery, probe = generator.normal(size=(3, 30, 4)), generator.normal(size=(3, 50, 4))
    scores = identification_scores(gallery, gallery_patient, probe, probe_patient)
    rank = np.array(
        [
            [
                rank_by_definition(gallery[d], gallery_patient, vector, own)
                for vector, own in zip(probe[d], probe_patient, strict=True)
            ]
            for d in range(3)
        ]
    )
    assert scores.rank_1.value == pytest.approx((rank <= 1).mean())
    assert scores.rank_5.value == pytest.approx((rank <= 5).mean())
    assert scores.rank_1_by_draw == pytest.approx((rank <= 1).mean(1))
    assert scores.is_first == pytest.approx((rank <= 1).mean(0))


def test_equal_error_rate_equals_scikit_learns_curve():
    gallery, people, probe, _ = pairs(200)
    scores = identification_scores(gallery, people, probe, people)
    cosine = cosine_similarity(probe[0], gallery[0])
    accept, true_accept, _ = roc_curve(np.eye(200, dtype=bool).ravel(), cosine.ravel())
    crossing = np.argmin(np.abs(accept - (1 - true_accept)))
    expected = (accept[crossing] + 1 - true_accept[crossing]) / 2
    assert scores.eer.value == pytest.approx(expected, abs=0.004)
    at = np.searchsorted(accept, 0.1, side="right") - 1
    threshold = scores.roc.threshold_for(0.1)
    is_other = ~np.eye(200, dtype=bool)
    assert (cosine[is_other] >= threshold).mean() <= 0.1
    assert (np.diag(cosine) < threshold).mean() == pytest.approx(1 - true_accept[at], abs=0.02)


def test_equal_embeddings_are_identified_without_error():
    gallery, people, _, _ = pairs(30)
    scores = identification_scores(gallery, people, gallery * 3, people)
    assert (scores.rank_1.value, scores.rank_1.low, scores.rank_5.value) == (1, 1, 1)
    assert scores.eer.value == pytest.approx(0, abs=1e-9)


def test_unrelated_embeddings_are_identified_by_chance():
    generator = np.random.default_rng(0)
    people = np.arange(50)
    gallery, probe = generator.normal(size=(2, 20, 50, 16))
    scores = identification_scores(gallery, people, probe, people)
    assert scores.rank_1.value == pytest.approx(1 / 50, abs=0.015)
    assert scores.rank_5.value == pytest.approx(5 / 50, abs=0.03)
    assert scores.eer.value == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_encoder_that_says_the_same_of_everyone_identifies_nobody(value):
    constant = np.full((1, 20, 4), value)
    people = np.arange(20)
    scores = identification_scores(constant, people, constant, people)
    assert scores.rank_1.value == 0
    assert scores.rank_5.value == 0


def test_intervals_are_over_patients_and_hold_the_value():
    gallery, people, probe, _ = pairs(60)
    scores = identification_scores(gallery, people, probe, people)
    for interval in (scores.rank_1, scores.rank_5, scores.eer):
        assert interval.low < interval.value < interval.high
    again = identification_scores(
        gallery, people, np.repeat(probe, 5, axis=1), np.repeat(people, 5)
    )
    assert again.rank_1.low == pytest.approx(scores.rank_1.low, abs=1e-6)
    assert again.rank_1.high == pytest.approx(scores.rank_1.high, abs=1e-6)


def test_probes_unknown_to_the_gallery_are_counted_and_are_impostors_only():
    gallery, people, probe, _ = pairs(30)
    known = identification_scores(gallery[:, :20], people[:20], probe[:, :20], people[:20])
    scores = identification_scores(gallery[:, :20], people[:20], probe, people)
    assert scores.num_unknown == 10
    assert scores.num_probes == 30
    assert scores.rank_1 == known.rank_1
    assert scores.probe_patient.tolist() == list(range(20))


def test_the_order_of_the_gallery_does_not_matter():
    gallery, people, probe, _ = pairs(30)
    order = np.random.default_rng(0).permutation(30)
    first = identification_scores(gallery, people, probe, people)
    other = identification_scores(gallery[:, order], people[order], probe, people)
    assert other.rank_1 == first.rank_1
    assert other.eer.value == pytest.approx(first.eer.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g, p: (g[0], np.arange(5), p, np.arange(5)), "want \\(draw, record, dim\\)"),
        (lambda g, p: (g, np.arange(5), p * np.nan, np.arange(5)), "not finite"),
        (lambda g, p: (g, np.arange(5), p[..., :2], np.arange(5)), "differ in draws or dim"),
        (lambda g, p: (g, np.arange(5), p, np.arange(5) + 9), "0 of 5 probes"),
        (lambda g, p: (g, np.zeros(5), p, np.zeros(5)), "at least two patients"),
    ],
)
def test_says_what_does_not_fit(change, said):
    gallery, _, probe, _ = pairs(5)
    with pytest.raises(ValueError, match=said):
        identification_scores(*change(gallery, probe))


def test_the_2127_pairs_of_the_paper_take_seconds():
    gallery, people, probe, _ = pairs(2127)
    start = time.process_time()
    identification_scores(gallery, people, probe, people, num_resamples=200)
    assert time.process_time() - start < 30
