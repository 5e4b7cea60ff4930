import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylead.errors import LeadError
from anylead.leads import (
    EINTHOVEN,
    LEAD_SETS,
    LEADS,
    LIMB_LEADS,
    complete_limb_leads,
    find_lead,
    limb_completion,
    limb_completion_table,
    parse_leads,
    to_canonical,
)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("AVR", "aVR"),
        ("avl", "aVL"),
        ("MLII", "II"),
        ("V1-REF", "V1"),
        ("v6", "V6"),
        ("ECG I", "I"),
        ("Lead II", "II"),
        ("DIII", "III"),
        ("D1", "I"),
        ("MDC_ECG_LEAD_aVF", "aVF"),
        ("MCL3", "V3"),
        (" aVR ", "aVR"),
        ("V4r", "V4R"),
    ],
)
def test_knows_the_usual_spellings(spelling, name):
    assert find_lead(spelling) == name


@pytest.mark.parametrize("spelling", ["RESP", "-aVR", "", "V10", "ABP", "pleth"])
def test_does_not_guess(spelling):
    assert find_lead(spelling) is None


@given(st.sampled_from(LEADS), st.sampled_from([str.upper, str.lower, str.title]))
def test_case_never_matters(name, change):
    assert find_lead(change(name)) == name


def test_named_sets_are_those_of_the_challenge():
    assert {name: len(leads) for name, leads in LEAD_SETS.items()} == {
        "12": 12, "6": 6, "4": 4, "3": 3, "2": 2, "1": 1,
    }  # fmt: skip
    assert parse_leads("3") == ("I", "II", "V2")
    assert parse_leads("v2, ii; I") == ("I", "II", "V2")


@pytest.mark.parametrize("leads", ["", "I,I", "I,V7", "I,what"])
def test_refuses_a_set_no_model_can_take(leads):
    with pytest.raises(LeadError):
        parse_leads(leads)


@given(st.permutations(LEADS), st.integers(1, 12))
def test_rows_find_their_place_in_any_order(order, num):
    signal = np.stack([np.full(3, LEADS.index(name) + 1, np.float32) for name in order[:num]])
    canonical, has_lead = to_canonical(signal, order[:num])
    for row, name in enumerate(LEADS):
        assert has_lead[row] == (name in order[:num])
        assert (canonical[row] == (row + 1 if name in order[:num] else 0)).all()


def test_leads_outside_the_twelve_are_kept_aside():
    canonical, has_lead = to_canonical(np.ones((2, 4), np.float32), ("V4R", "V4"))
    assert has_lead.sum() == 1
    assert canonical.sum() == 4
    with pytest.raises(LeadError, match="none of the 12"):
        to_canonical(np.ones((1, 4), np.float32), ("V4R",))


@given(st.lists(st.booleans(), min_size=6, max_size=6), st.integers(0, 9))
def test_two_limb_leads_give_all_six_exactly(has_limb, seed):
    electrodes = np.random.default_rng(seed).normal(size=(3, 20))  # RA, LA, LL
    right, left, leg = electrodes
    limbs = np.stack(
        [
            left - right,
            leg - right,
            leg - left,
            right - (left + leg) / 2,
            left - (right + leg) / 2,
            leg - (right + left) / 2,
        ]
    )
    present = limbs * np.array(has_limb)[:, None]
    completed = limb_completion(has_limb) @ present
    if sum(has_limb) >= 2:
        np.testing.assert_allclose(completed, limbs, atol=1e-12)
    else:
        np.testing.assert_array_equal(completed, present)
    np.testing.assert_allclose(EINTHOVEN @ limbs[:2], limbs, atol=1e-12)


def test_the_table_is_indexed_by_bits():
    table = limb_completion_table()
    assert table.shape == (64, 6, 6)
    for index in (0, 3, 5, 18, 63):
        bits = [bool(index >> i & 1) for i in range(6)]
        np.testing.assert_allclose(table[index], limb_completion(bits))


def test_completion_marks_what_it_derived_and_leaves_chest_leads_alone():
    signal = np.zeros((12, 5), np.float32)
    signal[0], signal[1], signal[7] = 0.3, 0.7, 1.5
    has_lead = np.isin(LEADS, ["I", "II", "V2"])
    completed, has_completed = complete_limb_leads(signal, has_lead)
    assert list(np.array(LEADS)[has_completed & ~has_lead]) == list(LIMB_LEADS[2:])
    np.testing.assert_allclose(completed[2], 0.4, rtol=1e-6)
    np.testing.assert_array_equal(completed[6:], signal[6:])
