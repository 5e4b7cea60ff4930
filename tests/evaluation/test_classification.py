"""Decisions by the thresholds of a lead set, and the score of the challenge at three of them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from anylead.evaluation import EVALUATIONS, Settings
from anylead.evaluation.classification import ClassificationRun, score_names, statistics
from anylead.evaluation.heads import Head
from anylead.loading import Labels
from anylead.metrics.cinc_score import SINUS_RHYTHM, cinc_score, classes
from anylead.tasks import Predictions

NAMES = classes()


def opened(label, logits):
    """A run that answered, whose thresholds differ by lead set, class and purpose."""
    rng = np.random.default_rng(1)
    thresholds = {
        fact: {
            leads: dict(zip(NAMES, rng.uniform(0.1, 0.9, len(NAMES)), strict=True))
            for leads in ("12", "1")
        }
        for fact in ("thresholds", "cinc_thresholds")
    }
    number = len(label)
    return ClassificationRun(
        folder=Path("run"),
        task="cinc2021",
        columns=slice(0, len(NAMES)),
        head=Head(
            task="cinc2021",
            names=list(NAMES),
            split="test",
            store=SimpleNamespace(patient=np.arange(number)),
            rows=np.arange(number),
            module=None,
            how=["mean"] * len(NAMES),
            segment_seconds=5.0,
            settings=Settings(num_resamples=20),
        ),
        labels=Labels(label, tuple(NAMES)),
        thresholds=thresholds,
        predictions={name: Predictions(np.arange(number), logits) for name in ("12", "1")},
    )


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    label = (rng.random((60, len(NAMES))) < 0.2).astype(np.uint8)
    return opened(label, rng.normal(2.0 * label - 1, 1.0).astype(np.float32))


@pytest.mark.parametrize("leads", ["12", "1"])
def test_the_challenge_score_is_told_at_a_half_at_best_f1_and_at_its_own_best(run, leads):
    probability = run.predictions[leads].probability
    label = run.labels.label

    def limits(fact):
        return np.array([run.thresholds[fact][leads][name] for name in NAMES])

    told = run.score(leads).macro
    expected = {
        "cinc": 0.5,
        "cinc_f1": limits("thresholds"),
        "cinc_best": limits("cinc_thresholds"),
    }
    for name, limit in expected.items():
        assert told[name].value == pytest.approx(cinc_score(label, probability >= limit, NAMES))
    assert list(told) == score_names(NAMES) == EVALUATIONS["classification"].score_names(NAMES)
    assert len({round(told[name].value, 6) for name in expected}) == 3


def test_the_challenge_score_of_sinus_rhythm_alone_is_zero_as_the_official_code_says(run):
    """It is never missing, whatever the recordings are of."""
    label = np.zeros((60, len(NAMES)), dtype=np.uint8)
    label[:, NAMES.index(SINUS_RHYTHM)] = 1
    one = np.ones((60, 1), dtype=np.float32)
    for changes, is_zero in (({}, True), ({0: 1}, False)):
        for row, column in changes.items():
            label[row] = 0
            label[row, (NAMES.index(SINUS_RHYTHM) + column) % len(NAMES)] = 1
        scores = statistics(opened(label, run.predictions["12"].logits).evidence("12"))
        told = np.array([scores[name](one)[0] for name in ("cinc", "cinc_f1", "cinc_best")])
        assert np.isfinite(told).all() and (told == 0).all() == is_zero
