"""Scores of wave boundaries: equal to those of the script that LUDB is scored with."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.formats import wave_marks
from anylead.leads import LEADS
from anylead.metrics.waves import as_table, between, by_lead, match, score_waves
from anylead.records import UNMARKED, Mark

RATE = 500.0
SHAPE = (("P", -0.2, -0.1), ("QRS", -0.04, 0.05), ("T", 0.15, 0.33))
# What that script printed for `pairs()`: sensitivity, predictive value, F1, mean and standard
# deviation of the error in ms, and the number of marked waves.
GOLDEN = {
    "P onset": [0.891667, 0.91453, 0.902954, 0.116963, 28.33227, 120],
    "P offset": [0.891667, 0.90678, 0.89916, -0.121776, 28.419153, 120],
    "QRS onset": [0.888889, 0.895105, 0.891986, 2.627234, 28.19506, 144],
    "QRS offset": [0.902778, 0.896552, 0.899654, -1.550438, 31.912086, 144],
    "T onset": [0.893443, 0.893443, 0.893443, 0.680064, 27.939162, 122],
    "T offset": [0.893443, 0.893443, 0.893443, -0.990119, 30.072941, 122],
}


def pairs():
    """record -> marked and found waves, made at random: shifted, left out, invented."""
    rng = np.random.default_rng(7)
    made = {}
    for record in ("1", "3", "5"):
        marked, found = [], []
        for lead in LEADS[:4]:
            for beat in np.arange(0.4, 9.5, 0.8) + rng.uniform(-0.05, 0.05):
                for name, begin, end in (
                    ("P", -0.2, -0.1),
                    ("QRS", -0.04, 0.05),
                    ("T", 0.15, 0.33),
                ):
                    onset, offset = (round((beat + t) * RATE) / RATE for t in (begin, end))
                    if onset < 0 or (name != "QRS" and rng.random() < 0.1):
                        continue
                    marked.append(Mark(lead, name, onset, offset))
                    if rng.random() < 0.9:
                        shift = rng.normal(0, 0.03, 2)
                        low = max(0.0, onset + shift[0])
                        found.append(Mark(lead, name, low, max(low + 0.01, offset + shift[1])))
                    if rng.random() < 0.1:
                        low = float(rng.uniform(0, 9))
                        found.append(Mark(lead, name, low, low + 0.1))
        made[record] = (marked, found)
    return made


def as_the_script_counts(marked, found):
    """That script for one lead, told again: hits in the order of their distance, missed, extra."""
    complexes = [mark for mark in marked if mark.name == "QRS"]
    if len(complexes) < 2:
        return {}
    start, end = complexes[0].onset - 1e-9, complexes[-1].offset + 1e-9
    told = {}
    for name in ("P", "QRS", "T"):
        for side in ("onset", "offset"):
            want = [getattr(m, side) for m in marked if m.name == name]
            want = [time for time in want if start <= time <= end]
            got = [getattr(m, side) for m in found if m.name == name]
            got = [time for time in got if start <= time <= end]
            by_distance = sorted(
                (abs(g - w), i, j) for i, w in enumerate(want) for j, g in enumerate(got)
            )
            hits = {}
            for distance, i, j in by_distance:
                if distance <= 0.150 and i not in hits and j not in hits.values():
                    hits[i] = j
            errors = [got[j] - want[i] for i, j in hits.items()]
            told[name, side] = (errors, len(want) - len(hits), len(got) - len(hits))
    return told


@st.composite
def leads(draw):
    """Marked waves on the samples of 500 Hz, found ones on those of 100 Hz: ties and edges."""
    beats = draw(st.lists(st.integers(50, 450), min_size=0, max_size=6, unique=True))
    marked = [
        Mark("I", name, round((n / 50 + begin) * 500) / 500, round((n / 50 + end) * 500) / 500)
        for n in sorted(beats)
        for name, begin, end in SHAPE
        if name == "QRS" or draw(st.booleans())
    ]
    found = []
    for mark in marked:
        for shift in draw(st.lists(st.integers(-16, 16), max_size=2)):
            onset = round(mark.onset * 100 + shift) / 100
            found.append(mark._replace(onset=onset, offset=onset + draw(st.integers(1, 20)) / 100))
    return marked, found


@settings(max_examples=300, deadline=None)
@given(leads())
def test_every_count_is_that_of_the_script_told_again(pair):
    tallies = score_waves([pair])
    for boundary, (errors, missed, extra) in as_the_script_counts(*pair).items():
        tally = tallies[boundary]
        assert (len(tally.errors), tally.missed, tally.extra) == (len(errors), missed, extra)
        # Of two that are equally near either may be taken.
        assert sorted(map(abs, tally.errors)) == sorted(map(abs, errors))


def ours(made, **options):
    every = [pair for marked, found in made.values() for pair in by_lead(marked, found, LEADS)]
    return as_table(score_waves(every, **options))


def test_equal_the_numbers_of_the_published_way():
    table = ours(pairs())
    assert table.keys() == GOLDEN.keys()
    for name, row in GOLDEN.items():
        assert list(table[name].values()) == pytest.approx(row, abs=1e-3)


def test_equal_the_script_itself(shared_data, tmp_path):
    script = shared_data / "ludb" / "score.py"
    if not script.is_file():
        pytest.skip("no ../shared/data/ludb")
    made = pairs()
    (tmp_path / "data").mkdir()
    for record, (marked, _) in made.items():
        lines = [f"{record} 1 {RATE:g} 5000", f"{record}.dat 16 1000(0)/mV 16 0 0 0 0 i"]
        (tmp_path / "data" / f"{record}.hea").write_text("\n".join(lines) + "\n")
        for lead in LEADS:
            own = [mark for mark in marked if mark.lead == lead]
            path = tmp_path / "data" / f"{record}.{lead.lower()}"
            wave_marks.write_wfdb(own or [Mark(lead, "P", 0.1, 0.2)], path, RATE)
    # Both are given the same boundaries, to a tenth of a millisecond as `delineate` tells them.
    made = {name: (marked, list(map(to_tenths, found))) for name, (marked, found) in made.items()}
    wave_marks.write_table(tmp_path / "w.csv", {name: found for name, (_, found) in made.items()})
    told = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(tmp_path / "w.csv"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    table = ours(made)
    for name, row in json.loads(told.stdout).items():
        assert table[name] == pytest.approx(row, rel=1e-9, abs=1e-9, nan_ok=True)


def to_tenths(mark):
    return mark._replace(onset=round(mark.onset, 4), offset=round(mark.offset, 4))


def test_nothing_counts_where_nobody_looked():
    beats = [Mark("I", "QRS", t, t + 0.1) for t in (1.0, 2.0, 8.0, 9.0)]
    gap = Mark("I", UNMARKED, 2.5, 7.5)
    found = [Mark("I", "QRS", t + 0.01, t + 0.1) for t in (1.0, 2.0, 3.0, 4.0, 8.0, 9.0)]
    with_gap, without = (score_waves([(m, found)])["QRS", "onset"] for m in ([*beats, gap], beats))
    assert (len(with_gap.errors), with_gap.missed, with_gap.extra) == (4, 0, 0)
    assert (len(without.errors), without.missed, without.extra) == (4, 0, 2)


def test_an_end_that_was_not_marked_is_no_boundary():
    marks = [Mark("I", "QRS", 1.0, 1.1), Mark("I", UNMARKED, 1.13, 1.3), Mark("I", "T", 1.3, 1.4),
             Mark("I", "QRS", 2.0, 2.1)]  # fmt: skip
    found = [Mark("I", "QRS", 1.0, 1.1), Mark("I", "T", 1.2, 1.41), Mark("I", "QRS", 2.0, 2.1)]
    tallies = score_waves([(marks, found)])
    onset, offset = tallies["T", "onset"], tallies["T", "offset"]
    assert (onset.errors, onset.missed, onset.extra) == ([], 0, 0)
    assert offset.errors == pytest.approx([0.01])
    assert [len(tallies["QRS", side].errors) for side in ("onset", "offset")] == [2, 2]


def test_marks_of_no_lead_are_of_all_and_a_lead_without_found_waves_counts():
    marked = [Mark("", "QRS", t, t + 0.1) for t in (1.0, 2.0)]
    found = [mark._replace(lead="I") for mark in marked]
    tally = score_waves(by_lead(marked, found, ["I", "V1"]))["QRS", "onset"]
    assert (len(tally.errors), tally.missed) == (2, 2)


def test_a_stretch_takes_what_begins_in_it_and_where_nobody_looked_in_it():
    marks = [Mark("", "QRS", 0.9, 1.1), Mark("", "QRS", 1.9, 2.1), Mark("", UNMARKED, 0.0, 1.5),
             Mark("", UNMARKED, 0.0, 1.0)]  # fmt: skip
    assert between(marks, 1.0, 2.0) == [marks[1], marks[2]]


def test_a_first_boundary_that_is_found_early_is_not_missed_beyond_the_ends():
    marked = [Mark("I", "QRS", t, t + 0.1) for t in (1.0, 2.0, 3.0)]
    found = [mark._replace(onset=mark.onset - 0.004, offset=mark.offset + 0.004) for mark in marked]
    usual, wide = (score_waves([(marked, found)], beyond_ends=way) for way in (False, True))
    assert usual["QRS", "onset"].missed == usual["QRS", "offset"].missed == 1
    assert wide["QRS", "onset"].missed == wide["QRS", "offset"].missed == 0
    assert wide["QRS", "onset"].extra == 0


def test_each_is_matched_once_the_nearest_first():
    assert match(np.array([1.0, 1.1]), np.array([1.06, 1.0])) == [(0, 1), (1, 0)]
    assert match(np.array([1.0]), np.array([1.16])) == []


def test_a_lead_without_two_complexes_is_left_out():
    marks = [Mark("I", "QRS", 1.0, 1.1)]
    assert score_waves([(marks, marks)])["QRS", "onset"].errors == []
