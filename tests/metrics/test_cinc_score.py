import csv

import numpy as np
import pytest

from anylead.metrics.cinc_score import (
    CODES,
    SINUS_RHYTHM,
    choose_thresholds,
    cinc_score,
    classes,
    record_credits,
    weights,
)


@pytest.fixture(scope="module")
def official(golden):
    """Trials scored by the challenge's own program."""
    with np.load(golden / "cinc_score.npz") as file:
        return dict(file)


def random_trial(num_records=300, num_classes=26, seed=0):
    generator = np.random.default_rng(seed)
    label = generator.random((num_records, num_classes)) < 0.08
    probability = 1 / (1 + np.exp(-generator.normal(3 * label - 3, 1.5)))
    return label, probability


def by_definition(label, is_predicted, table, sinus):
    """The challenge's rule, pair by pair."""

    def credit(predicted):
        total = 0.0
        for true, outcome in zip(label, predicted, strict=True):
            num_named = max(sum(bool(a or b) for a, b in zip(true, outcome, strict=True)), 1)
            for j in np.flatnonzero(true):
                for k in np.flatnonzero(outcome):
                    total += table[j, k] / num_named
        return total

    inactive = np.zeros_like(label)
    inactive[:, sinus] = True
    low = credit(inactive)
    return (credit(is_predicted) - low) / (credit(label) - low)


def test_the_table_is_the_official_one(official):
    np.testing.assert_array_equal(weights(), official["weights"])
    assert [set(name.split("|")) for name in classes()] == [
        set(name.split("|")) for name in official["classes"]
    ]
    assert classes()[int(official["sinus_rhythm_index"])] == SINUS_RHYTHM


@pytest.mark.parametrize("trial", ["t0", "t1", "t2"])
def test_equals_the_official_score(official, trial):
    label, is_predicted = official[f"{trial}_label"], official[f"{trial}_logit"] > 0
    expected = official[f"{trial}_official_score"]
    assert cinc_score(label, is_predicted) == pytest.approx(float(expected), rel=1e-12)
    sums = record_credits(label, is_predicted).sum(0)
    parts = [float(official[f"{trial}_{part}"]) for part in ("observed", "correct", "inactive")]
    assert sums == pytest.approx(parts, rel=1e-12)


def test_equals_its_definition():
    label, probability = random_trial(60)
    is_predicted = probability > 0.3
    expected = by_definition(label, is_predicted, weights(), classes().index(SINUS_RHYTHM))
    assert cinc_score(label, is_predicted) == pytest.approx(expected, rel=1e-9)


def test_the_labels_score_1_and_sinus_rhythm_for_everyone_0():
    label, _ = random_trial()
    sinus = np.zeros_like(label)
    sinus[:, classes().index(SINUS_RHYTHM)] = True
    assert cinc_score(label, label) == pytest.approx(1)
    assert cinc_score(label, sinus) == pytest.approx(0, abs=1e-12)


def test_nothing_but_sinus_rhythm_has_no_score():
    sinus = np.zeros((3, 26), dtype=bool)
    sinus[:, classes().index(SINUS_RHYTHM)] = True
    assert cinc_score(sinus, sinus) == 0  # as the official code


def test_classes_may_come_in_any_order_and_leave_some_out():
    label, probability = random_trial()
    is_predicted = probability > 0.5
    keep = np.random.default_rng(3).permutation(26)[:20]
    keep = np.unique(np.append(keep, classes().index(SINUS_RHYTHM)))[::-1]
    unused = np.setdiff1d(np.arange(26), keep)
    label[:, unused] = is_predicted[:, unused] = False
    names = [classes()[index] for index in keep]
    assert cinc_score(label[:, keep], is_predicted[:, keep], names) == pytest.approx(
        cinc_score(label, is_predicted), rel=1e-12
    )


def test_joined_codes_may_stand_in_any_order_alone_or_abbreviated():
    names = ["17338001|427172004", SINUS_RHYTHM, "713427006|59118001", "164909002"]
    same = ["VPB", "NSR", "CRBBB|RBBB", "733534002"]
    np.testing.assert_array_equal(weights(names), weights(same))


def test_every_code_of_the_challenge_has_its_abbreviation(shared_data):
    with (shared_data / "metadata" / "dx_mapping_scored.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["Abbreviation"]: row["SNOMEDCTCode"] for row in rows} == CODES


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["NSR", "0"], "0: not among the 26"),
        (["NSR", "AF|SB"], "not among the 26"),
        (["NSR", "RBBB", "CRBBB"], "stands twice"),
        (["AF"], "sinus rhythm"),
    ],
)
def test_says_which_class_is_wrong(names, said):
    with pytest.raises(ValueError, match=said):
        weights(names)


def test_refuses_arrays_that_do_not_fit():
    with pytest.raises(ValueError, match="want"):
        cinc_score(np.zeros((3, 25)), np.zeros((3, 25)))


@pytest.mark.parametrize("seed", [0, 1])
def test_chosen_thresholds_beat_every_common_one_and_each_single_change(seed):
    label, probability = random_trial(seed=seed)
    threshold = choose_thresholds(label, probability, num_rounds=50)
    best = cinc_score(label, probability >= threshold)
    grid = np.linspace(0, 1, 201)
    assert best > max(cinc_score(label, probability >= common) for common in grid)
    for index in range(26):
        for value in [*np.quantile(probability[:, index], np.linspace(0, 1, 25)), 2.0]:
            changed = threshold.copy()
            changed[index] = value
            assert cinc_score(label, probability >= changed) <= best + 1e-9


def test_equal_probabilities_are_never_told_apart_by_a_threshold():
    label, probability = random_trial()
    probability = probability.round(1)
    threshold = choose_thresholds(label, probability)
    reached = cinc_score(label, probability >= threshold)
    assert reached >= max(cinc_score(label, probability >= t) for t in np.linspace(0, 1, 11))


def test_a_threshold_parts_probabilities_that_are_neighbours_among_floats():
    label = np.zeros((4, 2), dtype=bool)
    label[:2, 0] = label[2:, 1] = True
    low = 0.5
    high = np.nextafter(low, 1)
    probability = np.array([[high, low], [high, low], [low, high], [low, high]])
    threshold = choose_thresholds(label, probability, ["AF", "NSR"])
    np.testing.assert_array_equal(probability >= threshold, label)
