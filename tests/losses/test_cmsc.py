import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from anylead.losses.cmsc import cmsc_loss, view_pair_loss
from anylead.losses.view_pairs import compare, log_sum_negatives, mean_contrast


def embeddings(batch=6, views=2, dim=5, seed=0):
    return torch.randn(batch, views, dim, generator=torch.Generator().manual_seed(seed))


def by_definition(views, record, patient, temperature, is_pair, is_valid, patient_positives):
    """Anchor by anchor, partner view by partner view, with no tensor tricks."""
    cosine = torch.nn.functional.cosine_similarity
    of_anchor = []
    rows, num_views = range(len(views)), range(views.shape[1])
    for a in num_views:
        for b in num_views:
            for i in rows:
                if not is_pair[a][b] or not is_valid[i][a]:
                    continue

                def energy(j, a=a, b=b, i=i):
                    return math.exp(cosine(views[i, a], views[j, b], dim=0) / temperature)

                others = [j for j in rows if is_valid[j][b]]
                strangers = [
                    j for j in others if patient[i] != patient[j] and record[i] != record[j]
                ]
                friends = [
                    j
                    for j in others
                    if record[i] == record[j] or (patient_positives and patient[i] == patient[j])
                ]
                noise = sum(energy(j) for j in strangers)
                losses = [-math.log(energy(j) / (energy(j) + noise)) for j in friends]
                if losses:
                    of_anchor.append(sum(losses) / len(losses))
    return sum(of_anchor) / len(of_anchor)


CASES = [
    ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
    ([0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 2, 2]),
    ([0, 0, 1, 2, 3, 4], [7, 7, 7, 8, 9, 9]),
    ([0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]),
]


@pytest.mark.parametrize("patient_positives", [False, True])
@pytest.mark.parametrize(("record", "patient"), CASES)
def test_equals_its_definition(record, patient, patient_positives):
    views = embeddings()
    loss = cmsc_loss(
        views[:, 0],
        views[:, 1],
        torch.tensor(record),
        torch.tensor(patient),
        0.5,
        patient_positives,
    )
    is_pair, is_valid = [[False, True], [True, False]], [[True] * 2] * 6
    expected = by_definition(views, record, patient, 0.5, is_pair, is_valid, patient_positives)
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("patient_positives", [False, True])
def test_many_views_equal_the_definition_also_where_some_are_missing(patient_positives):
    views, record, patient = embeddings(views=4), [0, 1, 2, 3, 3, 4], [0, 0, 1, 2, 2, 3]
    is_pair = torch.rand(4, 4, generator=torch.Generator().manual_seed(1)) < 0.5
    is_valid = torch.rand(6, 4, generator=torch.Generator().manual_seed(2)) < 0.7
    loss = view_pair_loss(
        views,
        torch.tensor(record),
        torch.tensor(patient),
        0.3,
        is_pair=is_pair,
        is_valid=is_valid,
        patient_positives=patient_positives,
    )
    expected = by_definition(
        views, record, patient, 0.3, is_pair.tolist(), is_valid.tolist(), patient_positives
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", ["ecg_2500", "padded_2500", "zeroleads_2500"])
def test_equals_the_reference(golden, case):
    with np.load(golden / f"tiny_{case}.npz") as file:
        pooled = torch.as_tensor(file["cmsc_pooled"])
        expected = float(file["loss_3_cmsc"]) / float(file["sample_size"])
    first, second = pooled.unflatten(0, (-1, 2)).unbind(1)
    number = torch.arange(len(first))
    assert cmsc_loss(first, second, number, number).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("patient_positives", [False, True])
def test_recordings_of_one_patient_never_repel_and_strangers_never_attract(patient_positives):
    record, patient = torch.arange(4), torch.tensor([0, 0, 1, 2])
    found = compare(embeddings(4), record, patient, 0.5, patient_positives=patient_positives)
    logits = found.logits.requires_grad_()
    pairs = replace(found, logits=logits)
    mean_contrast(pairs, log_sum_negatives(pairs, dim=2), dim=2).backward()
    same_person = (patient[:, None] == patient)[:, None, :, None].expand_as(logits)
    assert (logits.grad[same_person] <= 0).all()
    assert (logits.grad[~same_person] >= 0).all()
    assert (logits.grad[~same_person] > 0).any()
    other_recording = logits.grad[0, 0, 1, 1]
    assert (other_recording < 0) if patient_positives else (other_recording == 0)


def test_the_gradient_is_finite_without_negatives_and_for_zero_embeddings():
    same = torch.zeros(4, dtype=torch.int64)
    for views in (embeddings(batch=4), torch.zeros(4, 2, 5)):
        views.requires_grad_()
        loss = view_pair_loss(views, torch.arange(4), same, 0.1)
        loss.backward()
        assert loss.item() == 0
        assert not views.grad.any()
    views = torch.zeros(4, 2, 5, requires_grad=True)
    view_pair_loss(views, torch.arange(4), torch.arange(4), 0.1).backward()
    assert views.grad.isfinite().all()


def test_no_valid_pair_at_all_gives_a_loss_of_zero():
    views = embeddings().requires_grad_()
    nothing = torch.zeros(6, 2, dtype=torch.bool)
    loss = view_pair_loss(views, torch.arange(6), torch.arange(6), is_valid=nothing)
    loss.backward()
    assert loss.item() == 0
    assert not views.grad.any()


def test_ignores_the_length_of_embeddings_and_the_order_of_the_batch():
    views, record, patient = embeddings(), torch.arange(6), torch.tensor([0, 0, 1, 2, 3, 3])
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    torch.testing.assert_close(
        view_pair_loss(views[order] * 50, record[order], patient[order]),
        view_pair_loss(views, record, patient),
    )
