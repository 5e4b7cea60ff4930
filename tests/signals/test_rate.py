import numpy as np
import pytest

from anylead import formats
from anylead.leads import LEADS
from anylead.records import Record
from anylead.signals.rate import heart_rate


def ecg(per_minute, seconds=10.0, sample_rate=250.0, leads=LEADS):
    """Narrow and broad bumps at an even rate."""
    phase = (np.arange(round(seconds * sample_rate)) / sample_rate * per_minute / 60) % 1.0
    seconds_in = phase * 60 / per_minute
    beat = np.exp(-(((seconds_in - 0.2) / 0.012) ** 2)) + 0.2 * np.exp(
        -(((seconds_in - 0.42) / 0.05) ** 2)
    )
    noise = np.random.default_rng(0).normal(0, 0.01, (len(leads), len(phase)))
    return Record((beat + noise).astype(np.float32), tuple(leads), sample_rate)


@pytest.mark.parametrize("per_minute", [45, 72, 110, 150])
def test_an_even_rhythm_has_its_rate(per_minute):
    assert heart_rate(ecg(per_minute)) == pytest.approx(per_minute, rel=0.03)


def test_another_lead_is_asked_where_the_first_has_no_beats():
    record = ecg(80, leads=("II", "V5"))
    record.signal[0] = 0
    assert heart_rate(record) == pytest.approx(80, rel=0.03)


def test_what_has_no_beats_has_no_rate():
    record = ecg(60)
    record.signal[:] = 0
    assert heart_rate(record) is None
    record.signal[:] = np.nan
    assert heart_rate(record) is None
    short = Record(record.signal[:, :50], record.leads, record.sample_rate)
    assert heart_rate(short) is None


def test_it_is_close_to_what_cardiologists_marked(shared_data):
    import wfdb

    errors = []
    for header in sorted((shared_data / "ludb" / "data").glob("*.hea"))[:12]:
        marks = wfdb.rdann(str(header.with_suffix("")), "ii")
        beats = marks.sample[[symbol == "N" for symbol in marks.symbol]]
        marked = 60 * (len(beats) - 1) * 500 / (beats[-1] - beats[0])
        errors.append(abs(heart_rate(formats.read(header)) - marked))
    assert errors
    assert np.median(errors) < 1 and max(errors) < 5
