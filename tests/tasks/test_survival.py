"""Time to an event: the partial likelihood and the concordance by hand, and a model that learns."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import anylead
import fitted_model
from anylead.commands import evaluate
from anylead.errors import RecipeError
from anylead.evaluation.scores import Evidence
from anylead.evaluation.survival import statistics
from anylead.formats import csv as ecg_csv
from anylead.metrics.survival import concordance
from anylead.tasks.survival import cox_loss, follow_up


def by_hand(hazard, time, is_event):
    """Each event's own hazard against all who were followed at least as long (Breslow)."""
    losses = []
    for i in range(len(hazard)):
        at_risk = [math.exp(h) for h, t in zip(hazard, time, strict=True) if t >= time[i] and t > 0]
        losses.append(math.log(sum(at_risk)) - hazard[i] if is_event[i] else 0.0)
    return losses


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_the_partial_likelihood_with_ties(seed):
    rng = np.random.default_rng(seed)
    hazard, time = rng.normal(size=12), rng.integers(1, 6, 12).astype(float)
    is_event = rng.random(12) < 0.6
    target = np.where(is_event, time, -time)
    target[3] = 0  # unknown
    expected = by_hand(hazard, np.abs(target), is_event & (target != 0))
    output = torch.tensor(hazard, requires_grad=True)
    loss = cox_loss(output.view(6, 2, 1), torch.tensor(target).view(6, 2, 1))
    np.testing.assert_allclose(loss.detach().flatten(), expected, rtol=1e-6, atol=1e-9)
    loss.sum().backward()
    assert torch.isfinite(output.grad).all()


def test_a_batch_without_events_teaches_nothing_and_is_no_accident():
    output = torch.zeros(3, 1, 1, requires_grad=True)
    loss = cox_loss(output, -torch.tensor([1.0, 2.0, 0.0]).view(3, 1, 1))
    loss.sum().backward()
    assert loss.sum() == 0 and (output.grad == 0).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999))
def test_concordance_is_a_count_of_pairs_in_both_places(seed):
    rng = np.random.default_rng(seed)
    time, hazard = rng.integers(1, 8, 15).astype(float), rng.integers(0, 5, 15).astype(float)
    is_event = rng.random(15) < 0.5
    right = pairs = 0.0
    for i in range(15):
        for j in range(15):
            if is_event[i] and (time[i] < time[j] or (time[i] == time[j] and not is_event[j])):
                pairs += 1
                right += 1.0 if hazard[i] > hazard[j] else 0.5 if hazard[i] == hazard[j] else 0.0
    expected = right / pairs if pairs else float("nan")
    evidence = Evidence(
        np.arange(15), {"time": time, "event": is_event, "predicted": hazard}, ["h"]
    )
    weighted = statistics(evidence)["concordance"](np.ones((15, 2), np.float32))
    once = concordance(time, is_event, hazard)(np.ones((15, 1), np.float32))
    np.testing.assert_allclose([*once, *weighted], [expected] * 3)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The larger the voltage, the sooner the event; a third is censored, a ninth unknown."""
    rng = np.random.default_rng(0)
    made = []
    for number, record in enumerate(fitted_model.recordings()):
        factor = rng.uniform(0.3, 3.0)
        years = 10 * np.exp(-factor) * rng.uniform(0.9, 1.1)
        known = {"years": years, "died": float(number % 3 > 0)} if number % 9 else {}
        made.append(replace(record, signal=record.signal * np.float32(factor), labels={},
                            resolution=None, measurements=known))  # fmt: skip
    out = tmp_path_factory.mktemp("survival") / "store"
    return anylead.prepare(records=made, out=out, preprocess={"sample_rate": 100})


def test_a_model_learns_who_comes_first_and_is_scored(store, tmp_path):
    model = anylead.finetune(
        store,
        task="survival",
        labels={"task": "years+died"},
        model={"train": "full", "encoder": {
            "kind": "resnet1d", "overrides": {"stem_dim": 16, "dims": [16, 24, 32]}}},
        train={"epochs": 8, "batch_size": 32, "is_quiet": True, "precision": "fp32"},
        optimizer={"learning_rate": 3e-3},
        out=tmp_path / "run",
    )  # fmt: skip
    (score,) = evaluate.run(evaluate.Recipe(str(tmp_path / "run"), split="all", lead_sets="12",
                                            num_resamples=20, device="cpu"))  # fmt: skip
    assert score.macro["concordance"].value > 0.75
    said = model.predict(fitted_model.recordings()[0])
    assert list(said) == ["log_hazard"] and math.isfinite(said["log_hazard"])


@pytest.mark.parametrize(
    ("task", "told"),
    [(None, "name follow-up and event"), ("years", "name follow-up and event"),
     ("years+years", "want 1 for an event")],
)  # fmt: skip
def test_what_is_no_follow_up_is_told(store, tmp_path, task, told):
    with pytest.raises(RecipeError, match=told):
        anylead.finetune(store, task="survival", labels={"task": task}, out=tmp_path / "run")


@pytest.mark.parametrize("died", ["1 0", "yes no", "TRUE FALSE"])
def test_an_event_is_a_column_of_yes_and_no_too(died, tmp_path):
    """An empty cell leaves the recording out, as in any other column of these."""
    yes, no = died.split()
    rows = [f"r{n},{n + 1},{yes if n % 2 else no if n else ''}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["record,years,died", *rows]))
    (tmp_path / "in").mkdir()
    for number, record in enumerate(fitted_model.recordings()[:12]):
        ecg_csv.write(record, tmp_path / "in" / f"r{number}.csv")
    options = {"labels": str(tmp_path / "t.csv"), "label_columns": ["years", "died"]}
    store = anylead.prepare(tmp_path / "in", out=tmp_path / "store", num_workers=1, options=options)
    order = [int(name[1:]) for name in store.record_id]
    time, is_event = follow_up(store, "years+died")
    want = [n + 1.0 if n else np.nan for n in order]
    np.testing.assert_array_equal(time, want)
    np.testing.assert_array_equal(is_event, [n % 2 == 1 for n in order])
    assert store.split_rows("years+died", "all")["train"].tolist() == list(range(12))
