from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.leads import LEADS
from anylead.pictures.ecg_layout import arrange, view
from anylead.records import Record


def random_record(num_leads, num_samples, scale, seed):
    random = np.random.default_rng(seed)
    signal = random.uniform(-scale, scale, (num_leads, num_samples)).astype(np.float32)
    return Record(signal, LEADS[:num_leads], 100.0)


layouts = st.builds("{}x{}+{}".format, st.integers(1, 12), st.integers(1, 12), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(
    num_leads=st.integers(1, 12),
    num_samples=st.integers(1, 700),
    scale=st.sampled_from([0.0, 0.1, 1.0, 20.0]),
    seed=st.integers(0, 99),
    layout=st.one_of(st.none(), layouts),
)
def test_every_lead_has_one_place_and_rows_never_touch(num_leads, num_samples, scale, seed, layout):
    shown = view(random_record(num_leads, num_samples, scale, seed))
    if layout is not None:
        rows, columns = (int(part) for part in layout.split("+")[0].split("x"))
        if rows * columns < num_leads:
            return
    places = arrange(shown, layout)
    leads = [trace for trace in places.traces if not trace.is_strip]
    assert [trace.lead for trace in leads] == list(range(num_leads))
    assert len({(trace.row, trace.column) for trace in leads}) == num_leads
    # At every sample the rows keep their order from top to bottom.
    depth = np.full((len(places.baselines), num_samples), np.nan)
    for trace in places.traces:
        part = slice(trace.first, trace.last)
        depth[trace.row, part] = places.baselines[trace.row] - shown.millimetres[trace.lead, part]
    for above, below in pairwise(depth):
        both = np.isfinite(above) & np.isfinite(below)
        assert (above[both] < below[both]).all()
    assert np.nanmin(depth) > 0
    assert np.nanmax(depth) < places.height
    assert all(baseline % 5 == 0 for baseline in (*places.baselines, places.height))


@pytest.mark.parametrize(("leads", "rows"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 4), (12, 4)])
def test_the_usual_layout_is_the_clinics(leads, rows):
    places = arrange(view(random_record(leads, 1000, 0.1, 0)))
    assert len(places.baselines) == rows


def test_the_rhythm_strip_is_lead_two_or_else_v1():
    record = random_record(12, 1000, 0.1, 0)
    strip = arrange(view(record)).traces[-1]
    assert (LEADS[strip.lead], strip.is_strip, strip.first, strip.last) == ("II", True, 0, 1000)
    chest = view(record, leads="V1,V2,V3,V4,V5,V6")
    assert chest.leads[arrange(chest).traces[-1].lead] == "V1"


def test_the_signal_of_the_record_is_left_alone():
    record = random_record(3, 500, 1.0, 0)
    before = record.signal.copy()
    view(record, leads="6")
    np.testing.assert_array_equal(record.signal, before)


def test_rows_do_not_move_apart_for_an_artefact_but_it_stays_on_the_grid():
    usual = random_record(12, 1000, 0.5, 0)
    disturbed = random_record(12, 1000, 0.5, 0)
    disturbed.signal[[0, 5, 11], 990] = 5.0, -5.0, 5.0
    disturbed.signal[[1, 2, 9], 30] = -5.0
    shown = view(disturbed)
    places = arrange(shown)
    # 20 mm are allowed before anything counts as an artefact
    assert np.diff(places.baselines).max() <= 45
    assert np.diff(arrange(view(usual)).baselines).max() == 30
    for trace in places.traces:
        part = shown.millimetres[trace.lead, trace.first : trace.last]
        assert places.baselines[trace.row] - part.max() > 0
        assert places.baselines[trace.row] - part.min() < places.height
