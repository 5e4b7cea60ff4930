"""Beats and their classes: counted by AAMI's rules, beat by beat."""

import numpy as np
import pytest

from anylead.metrics.beats import confusion, true_false_missed
from anylead.records import UNMARKED, Mark
from anylead.signals.beat_rules import CLASSES, beats_of

RATE = 100.0


def beat(name, time):
    return Mark("", name, time, time)


def test_each_beat_is_matched_once_the_nearest_first():
    marked = [beat("N", 1.0), beat("V", 1.2), beat("N", 3.0)]
    found = [beat("V", 1.14), beat("N", 1.0), beat("S", 5.0)]
    table = confusion(marked, found)
    right = {(0, 0): 1, (2, 2): 1, (0, 5): 1, (5, 1): 1}
    assert {(i, j): n for (i, j), n in np.ndenumerate(table) if n} == right


def test_in_ventricular_flutter_nothing_counts():
    marked = [beat("N", 1.0), beat("N", 9.0), Mark("", UNMARKED, 2.0, 8.0)]
    found = [beat("N", 1.0), beat("V", 3.0), beat("V", 4.0), beat("N", 9.0)]
    assert confusion(marked, found).sum() == confusion(marked, found)[0, 0] == 2
    assert confusion(marked[:2], found)[5, 2] == 2


@pytest.mark.parametrize(
    ("marked", "found", "wrong", "missed"),
    [
        ("N", "V", "V", "N"), ("S", "V", "V", "S"), ("F", "V", "", "F"), ("Q", "V", "", "Q"),
        ("N", "S", "S", "N"), ("V", "S", "S", "V"), ("F", "S", "S", "F"), ("Q", "S", "", "Q"),
        ("V", "N", "N", "V"), ("V", "F", "F", "V"), ("V", "Q", "Q", "V"),
    ],
)  # fmt: skip
def test_a_beat_of_another_class_is_held_against_whom_the_standard_says(
    marked, found, wrong, missed
):
    counts = true_false_missed(confusion([beat(marked, 1.0)], [beat(found, 1.0)]))
    told = dict(zip((*CLASSES, "any"), counts.tolist(), strict=True))
    assert {name for name, (_, false, _) in told.items() if false} == set(wrong)
    assert {name for name, (_, _, lost) in told.items() if lost} == set(missed)
    assert told["any"] == [1, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_the_standard_beat_by_beat(seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 20, (6, 6))
    table[5, 5] = 0
    got = true_false_missed(table)
    for n, name in enumerate(CLASSES):
        right = wrong = missed = 0
        for i, marked in enumerate((*CLASSES, "nothing")):
            for j, found in enumerate((*CLASSES, "nothing")):
                if found == name and marked == name:
                    right += table[i, j]
                elif marked == name:
                    missed += table[i, j]
                elif found == name and not (
                    (name == "V" and marked in "FQ") or (name == "S" and marked == "Q")
                ):
                    wrong += table[i, j]
        assert got[n].tolist() == [right, wrong, missed]
    assert got[5].tolist() == [table[:5, :5].sum(), table[5, :5].sum(), table[:5, 5].sum()]


def test_beats_come_out_of_probabilities_where_they_went_in():
    probability = np.zeros((3, 500, 6))
    probability[..., 0] = 1
    for time, number in ((0.5, 1), (1.4, 3), (2.2, 1)):
        place = slice(round((time - 0.05) * RATE), round((time + 0.05) * RATE) + 1)
        probability[:, place, 0], probability[:, place, number] = 0.1, 0.9
    probability[1] = np.nan  # a lead that is not there
    probability[0, 400, :] = (0, 1, 0, 0, 0, 0)  # too short
    found = beats_of(probability, CLASSES, RATE, start=10.0)
    assert [(mark.lead, mark.name) for mark in found] == [("", "N"), ("", "V"), ("", "N")]
    np.testing.assert_allclose([m.onset for m in found], [10.5, 11.4, 12.2], atol=1e-6)
