import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylead.leads import LEADS
from anylead.metrics.thresholds import NEVER, by_label, nearest_set, thresholds_for

SETS = ["12", "6", "4", "3", "2", "1"]
STORED = {name: {"a": 0.1 * n, "b": 0.5} for n, name in enumerate(SETS, start=1)}


@pytest.mark.parametrize("name", SETS)
def test_each_lead_set_has_its_own(name):
    assert thresholds_for(STORED, ["a", "b"], name)[0] == STORED[name]["a"]


@pytest.mark.parametrize(
    ("leads", "expected"),
    [("I", "1"), ("II,I", "2"), ("I,V2", "3"), ("V1,V2,V3,V4,V5,V6", "12"), ("III,aVF", "6")],
)
def test_leads_without_their_own_take_those_of_the_most_similar_set(leads, expected):
    assert nearest_set(SETS, leads) == expected


@given(st.sets(st.sampled_from(LEADS), min_size=1))
def test_the_choice_does_not_depend_on_the_order_of_the_sets(leads):
    assert nearest_set(SETS, list(leads)) == nearest_set(SETS[::-1], list(leads))


def test_without_any_it_is_a_half_and_an_older_list_holds_for_all():
    np.testing.assert_array_equal(thresholds_for(None, ["a", "b"], "1"), [0.5, 0.5])
    np.testing.assert_array_equal(thresholds_for([0.2, 0.3], ["a", "b"], "1"), [0.2, 0.3])
    np.testing.assert_array_equal(thresholds_for({"1": {"a": 0.2}}, ["a", "b"], "2"), [0.2, 0.5])


def test_never_is_a_plain_number():
    assert by_label([float("inf"), 0.3], ["a", "b"]) == {"a": NEVER, "b": 0.3}
