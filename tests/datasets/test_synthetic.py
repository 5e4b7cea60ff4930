import pickle
import time

import numpy as np
import pytest
from scipy.signal import find_peaks

from anylead.datasets import synthetic
from anylead.errors import DatasetError
from anylead.leads import LEADS
from anylead.signals.filters import bandpass


@pytest.fixture(scope="module")
def records():
    return list(synthetic.records(num_patients=120, records_per_patient=2))


def r_peaks(record):
    """R times: peaks of the power between 5 and 25 Hz in the chest leads."""
    power = np.square(bandpass(record.signal[6:], record.sample_rate, 5.0, 25.0)).sum(axis=0)
    power = np.convolve(power, np.ones(40) / 40, mode="same")
    height = 0.25 * np.quantile(power, 0.97)
    return find_peaks(power, height=height, distance=130)[0] / record.sample_rate


def with_label(records, name, without=("PVC",)):
    return [
        r
        for r in records
        if name in r.labels["rhythm"] and not set(without) & set(r.labels["rhythm"])
    ]


def test_every_class_occurs_and_labels_may_overlap(records):
    counts = {c: sum(c in r.labels["rhythm"] for r in records) for c in synthetic.CLASSES}
    assert min(counts.values()) >= 10
    assert max(len(r.labels["rhythm"]) for r in records) >= 3


def test_rates_are_those_of_the_rhythm(records):
    for name, low, high in (("SBRAD", 35, 60), ("SR", 58, 102), ("STACH", 98, 155)):
        for record in with_label(records, name)[:10]:
            assert low < 60 / np.median(np.diff(r_peaks(record))) < high, record.record_id


def test_fibrillation_is_irregular_and_sinus_rhythm_is_not(records):
    def spread(chosen):
        return np.median([np.std(np.diff(p)) / np.mean(np.diff(p)) for p in map(r_peaks, chosen)])

    assert spread(with_label(records, "AFIB")) > 0.12
    assert spread(with_label(records, "SR", without=("PVC", "LBBB", "RBBB"))) < 0.06


def test_recordings_of_a_person_share_a_beat_shape_and_those_of_others_do_not(records):
    plain = with_label(records, "SR", without=("PVC", "STE", "1AVB"))
    beats = {}
    for record in plain:
        peaks = (r_peaks(record)[1:-1] * 500).astype(int)
        cut = [record.signal[6:, p - 40 : p + 90] for p in peaks]
        if len(cut) < 3:
            continue
        beat = np.median(cut, axis=0)
        beat = beat - beat.mean(axis=1, keepdims=True)
        beats.setdefault(record.patient_id, []).append((beat / np.linalg.norm(beat)).ravel())
    twice = [b for b in beats.values() if len(b) == 2]
    own = [float(a @ b) for a, b in twice]
    other = [float(a[0] @ b[1]) for a in twice for b in twice if a is not b]
    assert len(own) >= 5
    assert np.median(own) > 0.95
    assert np.median(own) > np.quantile(other, 0.9)


def test_the_law_of_einthoven_holds_and_voltages_are_those_of_people(records):
    for record in records:
        assert record.leads == LEADS
        assert record.signal.dtype == np.float32
        i, ii, iii = record.signal[:3]
        assert np.abs(iii - (ii - i)).max() < 1e-6
        assert 0.2 < np.ptp(record.signal, axis=1).max() < 12


def test_patients_are_split_eight_to_one_to_one(records):
    parts = {
        name: {r.patient_id for r in records if r.split == name}
        for name in ("train", "valid", "test")
    }
    assert [len(p) for p in parts.values()] == [96, 12, 12]
    assert not parts["train"] & parts["valid"] | parts["train"] & parts["test"]
    assert {r.fold for r in records if r.split == "test"} == {10}


def test_the_same_seed_gives_the_same_recording_also_in_another_process():
    corpus = pickle.loads(pickle.dumps(synthetic.corpus(num_patients=3, seed=7)))
    once = [r.signal for r in corpus.records()]
    again = [r.signal for r in synthetic.records(num_patients=5, seed=7)][:6]
    other = [r.signal for r in synthetic.records(num_patients=3, seed=8)]
    for a, b, c in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_length_and_rate_are_as_asked():
    record = next(synthetic.records(num_patients=1, seconds=3, sample_rate=257))
    assert record.signal.shape == (12, 771)
    assert record.sample_rate == 257


def test_makes_hundreds_of_recordings_a_second():
    begin = time.process_time()
    num = sum(1 for _ in synthetic.records(num_patients=100, records_per_patient=1))
    assert num / (time.process_time() - begin) > 100  # 550 on an idle core


def test_numbers_that_give_no_recording_are_refused():
    with pytest.raises(DatasetError, match="0 patients"):
        synthetic.corpus(num_patients=0)
