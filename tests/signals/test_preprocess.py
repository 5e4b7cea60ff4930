from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from anylead.errors import RecipeError
from anylead.leads import EINTHOVEN, LEADS
from anylead.preprocessing import PublishedFilter, Resampler
from anylead.records import Record
from anylead.signals import PreprocessConfig, Quality, preprocess


@pytest.mark.parametrize("name", get_args(Resampler))
@pytest.mark.parametrize("step", get_args(PublishedFilter))
def test_whatever_the_settings_name_is_done(name, step):
    config = PreprocessConfig(sample_rate=250, resampler=name, published_filter=step)
    prepared = preprocess(record(), config)
    assert prepared.signal.shape == (12, 500)
    steps_alone = preprocess(record(), replace(config, published_filter="none")).signal
    assert (prepared.signal != steps_alone).any() == (step != "none")


def record(leads=LEADS, num_samples=1000, rate=500.0, seed=0, **values):
    signal = np.random.default_rng(seed).standard_normal((len(leads), num_samples))
    if leads == LEADS:
        signal[:6] = EINTHOVEN @ signal[:2]
    return Record(signal.astype(np.float32), tuple(leads), rate, record_id="x", **values)


def test_without_options_the_samples_pass_unchanged_in_canonical_order():
    source = record(leads=("V3", "aVL", "I"))
    prepared = preprocess(source, PreprocessConfig())
    assert prepared.has_lead.tolist() == [name in source.leads for name in LEADS]
    for name in source.leads:
        np.testing.assert_array_equal(
            prepared.signal[LEADS.index(name)], source.signal[source.leads.index(name)]
        )
    assert not prepared.signal[~prepared.has_lead].any()
    assert not prepared.quality.any()


def test_a_constant_lead_counts_as_missing_and_is_flagged():
    source = record()
    source.signal[4] = 0.7
    prepared = preprocess(source, PreprocessConfig())
    assert prepared.has_lead.sum() == 11
    assert not prepared.has_lead[4]
    assert not prepared.signal[4].any()
    assert prepared.quality.tolist() == [0] * 4 + [Quality.FLAT] + [0] * 7


def test_short_gaps_become_a_line_between_their_neighbours():
    source = record(leads=("I", "II"))
    source.signal[0, 10:13] = np.nan
    before, after = source.signal[0, 9], source.signal[0, 13]
    prepared = preprocess(source, PreprocessConfig())
    np.testing.assert_allclose(
        prepared.signal[0, 10:13], np.linspace(before, after, 5)[1:4], rtol=1e-5
    )
    assert prepared.quality[:2].tolist() == [Quality.MISSING_SAMPLES, 0]
    assert np.isnan(source.signal[0, 10:13]).all()  # the input is not changed


def test_a_long_gap_is_flagged_and_a_lead_mostly_missing_is_lost():
    source = record(leads=("I", "II", "V1"))
    source.signal[0, 100:300] = np.inf
    source.signal[1, :501] = np.nan
    prepared = preprocess(source, PreprocessConfig(highpass_hz=0.5))
    assert np.isfinite(prepared.signal).all()
    assert prepared.quality[0] == Quality.MISSING_SAMPLES | Quality.LONG_GAP
    assert prepared.quality[1] == Quality.MISSING_SAMPLES | Quality.LONG_GAP | Quality.LOST
    assert prepared.has_lead[[0, 1, 6]].tolist() == [True, False, True]


def test_bandpass_and_notch_take_out_what_they_name_and_keep_the_rest():
    time = np.arange(10_000) / 500
    parts = {0.1: 1.0, 10.0: 1.0, 50.0: 1.0, 180.0: 1.0}
    signal = sum(np.sin(2 * np.pi * f * time) * a for f, a in parts.items())
    source = Record(signal[None].astype(np.float32), ("I",), 500.0)
    config = PreprocessConfig(highpass_hz=0.5, lowpass_hz=90.0, notch_hz=50.0)
    left = preprocess(source, config).signal[0, 3000:-3000]
    wanted = np.sin(2 * np.pi * 10 * time)[3000:-3000]
    assert np.abs(left - wanted).max() < 0.01


def test_normalize_record_keeps_the_relation_between_leads_and_normalize_lead_does_not():
    source = record(leads=("I", "II"))
    source.signal[1] *= 3
    by_record = preprocess(source, PreprocessConfig(normalize="record")).signal[:2]
    by_lead = preprocess(source, PreprocessConfig(normalize="lead")).signal[:2]
    ratio = source.signal.std(axis=1)
    np.testing.assert_allclose(by_record.std(axis=1) / by_record[0].std(), ratio / ratio[0], 1e-4)
    np.testing.assert_allclose(np.square(by_record).mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(by_lead.std(axis=1), 1, rtol=1e-4)


def test_completion_adds_the_limb_leads_that_follow_and_marks_them():
    source = record(leads=("I", "II", "V2"))
    prepared = preprocess(source, PreprocessConfig(complete_limb_leads=True))
    assert prepared.has_lead.tolist() == [True] * 6 + [False, True] + [False] * 4
    np.testing.assert_allclose(prepared.signal[2], source.signal[1] - source.signal[0], atol=1e-5)
    assert prepared.quality[2:6].tolist() == [Quality.DERIVED] * 4
    assert not prepared.quality[[0, 1, 7]].any()


def test_the_steps_of_the_source_are_known_only_while_samples_are_whole_steps():
    source = record(leads=("I", "II", "V2"))
    source = replace(source, resolution=(0.001, 0.002, 0.005))
    kept = preprocess(source, PreprocessConfig()).resolution
    assert kept[[0, 1, 7]].tolist() == [0.001, 0.002, 0.005]
    assert np.isnan(kept[[2, 3, 6]]).all()
    completed = preprocess(source, PreprocessConfig(complete_limb_leads=True)).resolution
    assert completed[[0, 1, 7]].tolist() == [0.001, 0.002, 0.005]
    assert np.isnan(completed[2:6]).all()
    for changes in ({"sample_rate": 250.0}, {"lowpass_hz": 40.0}, {"normalize": "record"}):
        assert np.isnan(preprocess(source, PreprocessConfig(**changes)).resolution).all()


@pytest.mark.parametrize("num_samples", [1, 2, 7])
def test_very_short_recordings_pass_every_step(num_samples):
    source = record(leads=("I", "II"), num_samples=num_samples, rate=250.0)
    config = PreprocessConfig(
        highpass_hz=0.5, lowpass_hz=40, notch_hz=50, normalize="record", complete_limb_leads=True
    )
    prepared = preprocess(source, config)
    assert prepared.signal.shape == (12, 2 * num_samples)
    assert np.isfinite(prepared.signal).all()


@pytest.mark.parametrize(
    "values",
    [
        {"sample_rate": 0},
        {"lowpass_hz": 250.0},
        {"highpass_hz": -1.0},
        {"highpass_hz": 40.0, "lowpass_hz": 30.0},
        {"normalize": "minmax"},
    ],
)
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(RecipeError, match=next(iter(values))):
        PreprocessConfig(**values)
