"""Who is who: the objective, the choice of sessions, the crops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from anylead.augment.keep_leads import KeepLeads
from anylead.errors import RecipeError
from anylead.loading.draws import drawn_batches
from anylead.models import build_encoder
from anylead.tasks import TASKS, Identification, IdentityConfig, Run, TaskParts, embed, two_sessions
from augment.ecg_batches import ecg_batch
from synthetic_store import open_store


def encoder():
    torch.manual_seed(0)
    size = {"conv_layers": ((16, 2, 2),) * 3, "dim": 16, "num_layers": 1, "num_heads": 2}
    return build_encoder({"kind": "transformer", **size, "ffn_dim": 32, "conv_pos_kernel": 8})


def test_the_loss_is_arcface_with_the_class_of_each_row():
    class_of_row = torch.tensor([2, 0, -1, 1])
    task = Identification(encoder(), class_of_row, lambda b: b, scale=10, margin=0.4).eval()
    batch = replace(ecg_batch(3, 1, 200), record=torch.tensor([3, 0, 1]))
    embedding = task.embeddings(batch)[:, 0]
    total = 0.0
    for vector, target in zip(embedding, (1, 2, 0), strict=True):
        cosines = [cosine_similarity(vector, centre, dim=0) for centre in task.head.weight]
        angle = math.acos(cosines[target].item())
        cosines[target] = torch.tensor(math.cos(angle + 0.4))
        total -= (10 * torch.stack(cosines)).log_softmax(dim=0)[target].item()
    step = task(batch)
    assert step.loss.item() == pytest.approx(total, rel=1e-4)
    assert step.terms == 3


def test_learns_to_tell_persons_apart():
    task = Identification(encoder(), torch.arange(6), lambda b: b, scale=16, margin=0.2)
    batch = ecg_batch(6, 1, 200)
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    for _ in range(40):
        step = task(batch)
        optimizer.zero_grad()
        (step.loss / step.terms).backward()
        optimizer.step()
    assert step.logs["accuracy"] == 1


def test_two_sessions_are_two_recordings_of_each_patient():
    patient = np.array([5, 5, 5, 7, 7, 8, 9, 9])
    rows = np.array([0, 1, 2, 3, 4, 5, 6])
    seen = set()
    for seed in range(20):
        gallery, probe = two_sessions(rows, patient, seed)
        assert patient[gallery].tolist() == patient[probe].tolist() == [5, 7]
        assert (gallery != probe).all()
        seen.add((gallery[0], probe[0]))
    assert len(seen) == 6  # any two of three, either way


@pytest.mark.parametrize(
    ("part", "low", "high"), [("first half", 0, 500), ("second half", 500, 1000)]
)
def test_halves_do_not_overlap(part, low, high):
    store = open_store()
    rows = np.arange(8)
    (read,) = drawn_batches(store, rows, 3.0, 8, seed=1, part=part)
    batch = read.to("cpu")
    assert batch.signal.shape == (8, 1, 12, 300)
    for row, signal in zip(rows, batch.signal[:, 0], strict=True):
        whole = store.read(np.array([row]), np.array([0]), 1000)[0] * store.scale[row][:, None]
        starts = [
            start
            for start in range(low, high - 299)
            if np.allclose(whole[:, start : start + 300], signal.numpy(), atol=1e-5)
        ]
        assert len(starts) == 1


def test_draws_differ_by_seed_only():
    store = open_store()
    first, again, other = (
        next(drawn_batches(store, np.arange(6), 3.0, 8, seed)).signal for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_embeddings_have_length_one_and_the_order_of_the_batches():
    store = open_store()
    task = Identification(encoder(), torch.arange(2), lambda b: b)
    rows = np.array([5, 2, 9])
    found, vectors = embed(task, drawn_batches(store, rows, 3.0, 2, 0), torch.device("cpu"))
    assert found.tolist() == [5, 2, 9]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def parts(**changes):
    store = open_store()
    splits = store.split_rows()
    made = TaskParts(
        store=store,
        train_rows=splits["train"],
        valid_rows=splits["valid"],
        encoder=encoder(),
        augment=lambda batch: batch,
        segment_seconds=3.0,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(("kind", "number"), [("patients", 16), ("records", 32)])
def test_classes_are_patients_or_recordings_of_the_training(kind, number):
    setup = TASKS["identification"].make(parts(identity=IdentityConfig(classes=kind)))
    assert setup.module.head.weight.shape == (number, 16)
    class_of_row = setup.module.class_of_row.numpy()
    rows = setup.parts.train_rows
    assert set(class_of_row[rows]) == set(range(number))
    assert (np.delete(class_of_row, rows) == -1).all()


def test_validation_compares_two_recordings_or_else_halves():
    run = Run(torch.device("cpu"), torch.float32, 8, KeepLeads("12"))
    with_sessions = TASKS["identification"].make(parts()).validate(run)
    assert with_sessions.facts["valid_sessions"] == "two recordings"
    assert 0 <= with_sessions.score <= 1
    one_each = np.array([32, 34])  # one recording of each patient
    alone = TASKS["identification"].make(parts(valid_rows=one_each)).validate(run)
    assert alone.facts["valid_sessions"] == "halves of one recording"


def test_too_few_persons_are_refused():
    with pytest.raises(RecipeError, match="valid split has 1 persons"):
        TASKS["identification"].make(parts(valid_rows=np.array([32])))
    with pytest.raises(RecipeError, match="train split has 1 persons"):
        TASKS["identification"].make(
            parts(train_rows=np.array([0, 1]), identity=IdentityConfig(classes="patients"))
        )
    with pytest.raises(RecipeError, match=r"identity\.classes 'names'"):
        TASKS["identification"].make(parts(identity=IdentityConfig(classes="names")))
