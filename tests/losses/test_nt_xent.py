import math

import pytest
import torch

from anylead.losses.cmsc import view_pair_loss
from anylead.losses.nt_xent import nt_xent
from anylead.losses.view_pairs import ViewPairs, compare, log_sum_negatives, mean_contrast


def embeddings(batch=5, views=2, dim=4, seed=0):
    return torch.randn(batch, views, dim, generator=torch.Generator().manual_seed(seed))


def simclr(views, temperature):
    """The paper's algorithm 1: 2N rows, cross-entropy of the partner among all others."""
    rows = torch.nn.functional.normalize(torch.cat([views[:, 0], views[:, 1]]), dim=1)
    logits = rows @ rows.T / temperature
    logits.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(rows)).roll(len(views))
    return torch.nn.functional.cross_entropy(logits, partner)


def by_definition(views, record, patient, temperature, is_valid, patient_positives):
    rows = [(i, v) for i in range(len(views)) for v in range(views.shape[1]) if is_valid[i][v]]

    def energy(x, y):
        cosine = torch.nn.functional.cosine_similarity(views[x], views[y], dim=0)
        return math.exp(cosine / temperature)

    of_anchor = []
    for x in rows:
        noise = sum(energy(x, y) for y in rows if patient[x[0]] != patient[y[0]])
        friends = [
            y
            for y in rows
            if y[1] != x[1]
            and (
                record[x[0]] == record[y[0]]
                or (patient_positives and patient[x[0]] == patient[y[0]])
            )
        ]
        losses = [-math.log(energy(x, y) / (energy(x, y) + noise)) for y in friends]
        if losses:
            of_anchor.append(sum(losses) / len(losses))
    return sum(of_anchor) / len(of_anchor)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_two_views_of_different_patients_are_simclrs_loss(temperature):
    views, number = embeddings(), torch.arange(5)
    loss = nt_xent(views, number, number, temperature)
    torch.testing.assert_close(loss, simclr(views, temperature))


@pytest.mark.parametrize("num_views", [2, 3])
@pytest.mark.parametrize("patient_positives", [False, True])
def test_equals_its_definition_with_patients_and_missing_views(num_views, patient_positives):
    views, record, patient = embeddings(views=num_views), [0, 1, 2, 3, 3], [0, 0, 1, 2, 2]
    is_valid = torch.rand(5, num_views, generator=torch.Generator().manual_seed(3)) < 0.8
    loss = nt_xent(
        views,
        torch.tensor(record),
        torch.tensor(patient),
        0.5,
        is_valid=is_valid,
        patient_positives=patient_positives,
    )
    expected = by_definition(views, record, patient, 0.5, is_valid.tolist(), patient_positives)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_has_more_negatives_than_the_two_way_form():
    views, number = embeddings(), torch.arange(5)
    assert nt_xent(views, number, number) > view_pair_loss(views, number, number)


def test_a_patient_repeated_in_the_batch_is_no_negative():
    views, record = embeddings(), torch.arange(5)
    patient = torch.tensor([0, 0, 1, 2, 3])
    copied = views.clone()
    copied[1] = views[0]  # as near to the first recording as can be
    apart = views.clone()
    apart[1] = -views[0]
    without = views[[0, 2, 3, 4]]
    for each in (copied, apart):
        (gradient,) = torch.autograd.grad(_of_first(each.requires_grad_(), record, patient), each)
        assert not gradient[1].any()
    torch.testing.assert_close(
        _of_first(copied, record, patient), _of_first(without, record[:4], torch.arange(4))
    )


def _of_first(views, record, patient):
    """The part of the loss whose anchors are views of the first recording."""
    pairs = compare(views, record, patient, 0.5)
    first = ViewPairs(pairs.logits[:1], pairs.is_positive[:1], pairs.is_negative[:1])
    return mean_contrast(first, log_sum_negatives(first, (2, 3)), (2, 3))


def test_takes_half_precision_and_computes_in_single():
    views, number = embeddings().bfloat16(), torch.arange(5)
    loss = nt_xent(views, number, number)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, nt_xent(views.float(), number, number))


@pytest.mark.parametrize("loss", [nt_xent, view_pair_loss])
def test_compiles_without_a_graph_break(loss):
    torch.compiler.reset()
    views, number = embeddings(), torch.arange(5)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(views, number, number), loss(views, number, number))
