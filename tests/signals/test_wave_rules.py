"""Waves out of probabilities: the order of a heartbeat, and boundaries finer than a sample."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.leads import LEADS
from anylead.records import Mark
from anylead.signals import wave_rules
from anylead.tasks.wave_targets import targets

SLOW = 10.0  # Hz; at it every part may be one sample long


def drawn(num_leads, num_samples, seed, sharpness=2.0):
    rng = np.random.default_rng(seed)
    score = np.exp(sharpness * rng.standard_normal((num_leads, num_samples, 4)))
    return score / score.sum(axis=2, keepdims=True)


def by_trying_all(probability):
    """The likeliest classes over all sequences of parts that may follow each other."""
    parts, best, found = wave_rules.PARTS, -np.inf, None
    log = np.log(probability)
    for names in product(parts, repeat=len(probability)):
        score = sum(log[t, parts[name].kind] for t, name in enumerate(names))
        for before, after in pairwise(names):
            if before != after:
                score -= parts[after].after.get(before, np.inf)
        if score > best:
            best, found = score, [parts[name].kind for name in names]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_is_the_best_of_all_orders_that_the_rules_allow(seed):
    probability = drawn(1, 5, seed)
    assert wave_rules.best_path(probability, SLOW)[0].tolist() == by_trying_all(probability[0])


def state_by_state(probability, rate):
    """The same search over states, one for each sample of the shortest length of a part."""
    states = [
        (name, n)
        for name, part in wave_rules.PARTS.items()
        for n in range(max(1, round(part.shortest * rate)))
    ]
    last = {name: n for n, (name, _) in enumerate(states)}
    before = []
    for n, (name, place) in enumerate(states):
        after = wave_rules.PARTS[name].after
        moves = {last[b]: cost for b, cost in after.items()} if place == 0 else {n - 1: 0.0}
        before.append(moves | ({n: 0.0} if n == last[name] else {}))
    log = np.log(np.maximum(probability, 1e-6))
    kinds = [wave_rules.PARTS[name].kind for name, _ in states]
    ends = set(last.values())
    score = [log[0, kinds[n]] if n in ends else -np.inf for n in range(len(states))]
    came = []
    for t in range(1, len(log)):
        chosen = [max(moves, key=lambda b, m=moves: score[b] - m[b]) for moves in before]
        score = [score[b] - before[n][b] + log[t, kinds[n]] for n, b in enumerate(chosen)]
        came.append(chosen)
    path = [int(np.argmax(score))]
    for chosen in reversed(came):
        path.append(chosen[path[-1]])
    return [kinds[n] for n in reversed(path)]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([10.0, 50.0, 100.0, 128.0]),
    num_samples=st.integers(1, 60),
    smooth=st.sampled_from([1, 4]),
)
def test_is_the_search_over_states_sample_by_sample(seed, rate, num_samples, smooth):
    # Averages of neighbours: of samples that are the same, several orders would be the best.
    ragged = drawn(2, num_samples + smooth - 1, seed)
    probability = sum(ragged[:, n : n + num_samples] for n in range(smooth)) / smooth
    paths = wave_rules.best_path(probability, rate)
    for path, of_lead in zip(paths.tolist(), probability, strict=True):
        assert path == state_by_state(of_lead, rate)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([50.0, 100.0, 250.0]))
def test_waves_never_overlap_and_no_t_is_without_its_qrs(seed, rate):
    probability = np.repeat(drawn(3, 60, seed), 3, axis=1)
    found = wave_rules.marks_of(probability, ["I", "II", "V1"], rate)
    for lead in ("I", "II", "V1"):
        own = [mark for mark in found if mark.lead == lead]
        assert all(mark.onset < mark.offset for mark in own)  # or no table could be read again
        for before, after in pairwise(own):
            assert before.offset <= after.onset
            assert (before.name, after.name) not in {("P", "T"), ("T", "T")}


@settings(max_examples=30, deadline=None)
@given(
    shift=st.floats(0, 0.01),
    rate=st.sampled_from([100.0, 128.0, 250.0]),
    pr=st.floats(0.12, 0.3),
    width=st.floats(0.06, 0.2),
)
def test_boundaries_come_back_from_their_targets_to_a_tenth_of_a_sample(shift, rate, pr, width):
    start = 0.3 + shift
    marks = [
        Mark("II", "P", start, start + 0.1),
        Mark("II", "QRS", start + pr, start + pr + width),
        Mark("II", "T", start + pr + width + 0.08, start + pr + width + 0.25),
    ]
    share, is_known = targets(marks, 0, round(1.5 * rate), rate)
    row = LEADS.index("II")
    found = wave_rules.marks_of(share[row].T[None], ["II"], rate)
    assert [mark.name for mark in found] == ["P", "QRS", "T"]
    for got, want in zip(found, marks, strict=True):
        np.testing.assert_allclose(got[2:], want[2:], atol=0.1 / rate)
    assert is_known[row].sum() == pytest.approx((pr + width + 0.25 + 0.06) * rate, abs=2)
    assert not is_known[0].any()


def beats(gaps, has_p=lambda n: True, pr=lambda n: 0.16):
    marks = []
    for n, time in enumerate(np.cumsum(gaps)):
        marks += [Mark("II", "P", time - pr(n), time - 0.06)] if has_p(n) else []
        marks += [Mark("II", "QRS", time, time + 0.1)]
    return marks


@pytest.mark.parametrize(
    ("gaps", "kept"),
    [
        ([0.8] * 10, {}),
        ([0.8] * 10, {"has_p": lambda n: n % 2}),  # conducted now and then, but in time
        ([0.6, 1.0] * 5, {}),  # bigeminy of the atria: irregular, each with its P
    ],
)
def test_p_waves_of_a_rhythm_that_has_them_stay(gaps, kept):
    marks = beats(gaps, **kept)
    assert wave_rules.steady(marks) == marks


@pytest.mark.parametrize(
    "shaky", [{"has_p": lambda n: n % 2}, {"pr": lambda n: 0.12 + 0.08 * (n % 2)}]
)
def test_p_waves_that_come_and_go_in_an_irregular_rhythm_do_not(shaky):
    found = wave_rules.steady(beats([0.6, 1.0, 0.7, 0.5, 1.1, 0.8, 0.6, 1.0], **shaky))
    assert [mark.name for mark in found] == ["QRS"] * 8


def test_a_lead_that_is_not_there_has_no_waves():
    probability = drawn(2, 50, 0)
    probability[0] = np.nan
    assert {m.lead for m in wave_rules.marks_of(probability, ["I", "II"], 100.0)} <= {"II"}


def test_what_the_recording_cuts_has_no_boundary():
    share, _ = targets([Mark("I", "QRS", -0.05, 0.08), Mark("I", "T", 0.9, 1.4)], 0, 100, 100.0)
    assert wave_rules.marks_of(share[:1].transpose(0, 2, 1), ["I"], 100.0) == []


@pytest.mark.parametrize(
    ("name", "begin", "end", "is_kept"),
    [
        ("P", 0.01, 0.11, False),
        ("P", 0.05, 0.15, True),
        ("QRS", 0.83, 0.93, False),
        ("QRS", 0.8, 0.9, True),
    ],
)
def test_what_the_recording_nearly_cuts_is_not_told(name, begin, end, is_kept):
    share, _ = targets([Mark("I", name, begin, end)], 0, 100, 100.0)
    found = wave_rules.marks_of(share[:1].transpose(0, 2, 1), ["I"], 100.0)
    assert [mark.name for mark in found] == [name] * is_kept


@settings(max_examples=200, deadline=None)
@given(
    waves=st.lists(st.tuples(st.integers(-8, 8), st.integers(1, 40)), min_size=1, max_size=6),
)
def test_no_wave_vanishes_between_neighbours_that_cross_it(waves):
    """Gaps (below 0: they cross) and lengths of 2 ms; each begins and ends after the last."""
    onsets, offsets, now = [], [], 0.0
    for gap, length in waves:
        onsets.append(max(now + 0.002 * gap, onsets[-1] + 0.002 if onsets else 0.0))
        offsets.append(max(onsets[-1] + 0.002 * length, now + 0.002))
        now = offsets[-1]
    wave_rules._set_apart(onsets, offsets, [0] * len(onsets))
    told = [(round(first, 4), round(last, 4)) for first, last in zip(onsets, offsets, strict=True)]
    assert all(first < last for first, last in told)
    assert all(before[1] <= after[0] for before, after in pairwise(told))
