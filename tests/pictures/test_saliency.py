import numpy as np
import pytest

from anylead.leads import LEADS
from anylead.pictures import deletion_curve, ecg_page, saliency_by_lead
from anylead.pictures.saliency import onto_record, smooth, to_unit_range


def test_strength_is_in_the_unit_range_whatever_the_sign_and_the_gaps():
    attribution = np.random.default_rng(0).normal(size=(12, 500)) * 40
    attribution[0, :3] = np.nan, np.inf, -np.inf
    strength = to_unit_range(attribution)
    assert (strength.min(), strength.max()) == (0, 1)
    np.testing.assert_array_equal(strength, to_unit_range(-attribution))
    assert strength[0, :3].tolist() == [0, 0, 0]


def test_one_outlier_does_not_hide_the_rest():
    attribution = np.ones((12, 500))
    attribution[5, 5] = 1e9
    assert to_unit_range(attribution).min() == 1


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_few_or_no_attributions_are_no_division_by_zero(value):
    attribution = np.zeros((12, 500))
    attribution[0, 0] = value
    assert to_unit_range(attribution).sum() == (1 if value else 0)


def test_attributions_find_their_lead_and_moment_in_the_record(ecg):
    record = ecg(leads=("V2", "I", "X"), sample_rate=500, seconds=10)
    seen = np.zeros((12, 1250))  # 5 s at 250 Hz, from second 2
    seen[LEADS.index("V2"), 250] = 1.0  # second 3.0
    seen[LEADS.index("V6")] = 1.0  # a lead the record lacks
    found = onto_record(seen, record, start=2.0, seconds=5.0)
    assert found.shape == record.signal.shape
    assert np.argwhere(found).tolist() == [[0, 1500], [0, 1501]]
    ecg_page(record, saliency=found)


def test_smoothing_keeps_a_constant_and_spreads_a_peak():
    flat = np.full((2, 50), 0.7)
    np.testing.assert_allclose(smooth(flat, 9), flat, rtol=1e-6)
    peak = np.zeros((1, 50))
    peak[0, 20] = 1.0
    assert np.flatnonzero(smooth(peak, 5)[0]).tolist() == [18, 19, 20, 21, 22]
    assert smooth(peak, 500).shape == (1, 50)


def test_bars_are_the_shares_of_the_leads(texts_outside):
    saliency = np.outer([1.0, 2.0, 0.0, 1.0], np.ones(10))
    figure = saliency_by_lead(saliency, ("I", "II", "V1", "V2"))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [25, 50, 0, 25]
    assert texts_outside(figure) == []
    assert texts_outside(saliency_by_lead(np.zeros((12, 10)), LEADS)) == []


def test_a_deletion_curve_runs_from_nothing_to_everything(texts_outside):
    curves = {"most salient first": np.array([1, 0.2, 0.1]), "at random": np.array([1, 0.6, 0.1])}
    figure = deletion_curve(curves)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 50, 100]
    assert texts_outside(figure) == []
