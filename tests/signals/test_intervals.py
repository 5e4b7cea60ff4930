"""Heartbeats and intervals from waves."""

import numpy as np
import pytest

from anylead.leads import LEADS
from anylead.records import Mark
from anylead.signals import intervals
from anylead.signals.intervals import NOT_MEASURABLE, Beat, Measure
from heart_records import make

WIDTH = {"PR_ms": 160, "QRS_ms": 100, "QT_ms": 390}


def lead(rr=0.8, num=10, has_p=True, has_t=True, name="II"):
    marks = []
    for beat in 0.5 + rr * np.arange(num):
        marks += [Mark(name, "P", beat - 0.16, beat - 0.06)] if has_p else []
        marks += [Mark(name, "QRS", beat, beat + 0.1)]
        marks += [Mark(name, "T", beat + 0.2, beat + 0.39)] if has_t else []
    return marks


def test_are_the_medians_over_beats_with_the_rate():
    found = intervals.measure(intervals.beats_of(lead()))
    for name, width in WIDTH.items():
        assert found[name].value == pytest.approx(width) and found[name].quality == "good"
    assert found["ECG_Rate"].value == pytest.approx(75) and found["RR_ms"].value == pytest.approx(
        800
    )


def test_qt_is_corrected_as_published():
    """390 ms at 75 a minute; the formulas by hand."""
    found = intervals.measure(intervals.beats_of(lead()))
    want = {"Bazett": 390 / 0.8**0.5, "Fridericia": 390 / 0.8 ** (1 / 3),
            "Framingham": 390 + 154 * 0.2, "Hodges": 390 + 1.75 * 15}  # fmt: skip
    for name, value in want.items():
        assert found[f"QTc_{name}_ms"].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("missing", "names"),
    [({"has_p": False}, ["PR_ms"]), ({"has_t": False}, ["QT_ms", "QTc_Bazett_ms"])],
)
def test_what_is_not_there_is_not_measurable(missing, names):
    found = intervals.measure(intervals.beats_of(lead(**missing)))
    for name, each in found.items():
        assert (each.value is None) == (
            name in names or (name.startswith("QTc") and "QT_ms" in names)
        )
        assert (each.quality == NOT_MEASURABLE) == (each.value is None)


def test_a_p_in_few_beats_makes_no_interval():
    """Atrial fibrillation in which three of ten complexes seem to have a P."""
    marks = lead(has_p=False) + [mark for mark in lead() if mark.name == "P"][:3]
    assert intervals.measure(intervals.beats_of(marks))["PR_ms"].value is None


def test_nothing_and_one_beat():
    assert all(each.value is None for each in intervals.measure([]).values())
    one = intervals.measure(intervals.beats_of(lead(num=1)))
    assert one["PR_ms"].value == pytest.approx(160) and one["ECG_Rate"].value is None
    assert one["QTc_Hodges_ms"] == Measure(None, NOT_MEASURABLE, 0)


def test_a_blocked_p_belongs_to_no_complex():
    marks = [Mark("II", "P", 0.1, 0.2), *lead(has_p=False)]
    marks = [mark for mark in marks if mark.onset < 0.15 or mark.onset > 1.0]
    assert np.isnan(intervals.beats_of(marks)[0].p_onset)


def test_a_doubtful_signal_gives_poor_numbers():
    found = intervals.measure(intervals.beats_of(lead()), is_doubtful=True)
    assert {each.quality for each in found.values()} == {"poor"}


def test_global_boundaries_are_the_outermost_that_a_second_lead_confirms():
    def shifted(by):
        return [Beat(*(np.array(beat) + by)) for beat in intervals.beats_of(lead())]

    by_lead = {"I": shifted(0.0), "II": shifted(-0.01), "V1": shifted(0.012), "V2": shifted(-0.06)}
    joined = intervals.global_beats(by_lead)
    assert len(joined) == 10
    assert joined[0].qrs_onset == pytest.approx(0.49)
    assert joined[0].qrs_offset == pytest.approx(0.612)


def test_a_beat_that_one_of_four_leads_shows_is_none():
    beats = intervals.beats_of(lead())
    by_lead = {"I": beats, "II": beats, "V1": beats, "V2": [*beats, Beat(*[8.9] * 6)]}
    assert len(intervals.global_beats(by_lead)) == 10


@pytest.mark.parametrize("degrees", [-60, 0, 45, 100, 170])
def test_the_axis_is_that_of_the_dipole(degrees):
    rate, signal = 500.0, np.zeros((12, 5000), dtype=np.float32)
    beats = intervals.beats_of(lead())
    angle = np.radians(degrees)
    for beat in beats:
        begin, end = (round(t * rate) for t in (beat.qrs_onset, beat.qrs_offset))
        bump = np.hanning(end - begin + 1)
        signal[LEADS.index("I"), begin : end + 1] = np.cos(angle) * bump
        signal[LEADS.index("aVF"), begin : end + 1] = np.sin(angle) * np.sqrt(3) / 2 * bump
    found = intervals.axis(signal, np.ones(12, dtype=bool), rate, beats)
    assert found.value == pytest.approx(degrees, abs=1)
    without = np.array([name != "aVF" for name in LEADS])
    assert intervals.axis(signal, without, rate, beats).quality == NOT_MEASURABLE


def test_generated_marks_are_what_they_say():
    record, times = make()
    found = intervals.measure(intervals.beats_of(m for m in record.marks if m.lead == "II"))
    assert found["QRS_ms"].value == pytest.approx(100) and len(times) == found["QRS_ms"].beats
