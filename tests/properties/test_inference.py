"""What must hold for any recording: results depend on it alone."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anylead.inference.model import Model
from anylead.leads import LEADS
from anylead.records import Record
from interop import small_models

FEW = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
# Matrix products of another size add up in another order; what is left is rounding of float32.
VECTOR, FRAME = 5e-6, 5e-5
KINDS = {
    "plain": {},
    "completing": {"completes_limb_leads": True},
    "knowing": {"knows_leads": True},
    "normalized": {"normalize": "lead"},
}


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return Model(small_models.checkpoint(**KINDS[request.param]), "cpu", batch_size=5)


def recording(seed, num_samples, rows, rate=250.0):
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((len(rows), num_samples)).cumsum(axis=1).astype(np.float32) * 0.05
    return Record(signal, tuple(LEADS[i] for i in rows), rate, f"r{seed}")


lead_rows = st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True)


@FEW
@given(
    lengths=st.lists(st.integers(64, 1400), min_size=2, max_size=6),
    rows=lead_rows,
    seed=st.integers(0, 99),
)
def test_a_recording_alone_and_among_others_gives_the_same(model, lengths, rows, seed):
    records = [recording(seed + i, length, rows) for i, length in enumerate(lengths)]
    together = model.embed(records)
    frames = model.embed(records, pool=None)
    for record, vector, own in zip(records, together, frames, strict=True):
        np.testing.assert_allclose(model.embed(record), vector, atol=VECTOR)
        np.testing.assert_allclose(model.embed(record, pool=None), own, atol=FRAME)
    reverse = model.embed(records[::-1])[::-1]
    np.testing.assert_allclose(reverse, together, atol=VECTOR)


@FEW
@given(rows=lead_rows, num_samples=st.integers(64, 900), seed=st.integers(0, 99), data=st.data())
def test_the_order_in_which_leads_are_given_does_not_matter(model, rows, num_samples, seed, data):
    record = recording(seed, num_samples, rows)
    order = data.draw(st.permutations(range(len(rows))))
    turned = model.embed(
        record.signal[order], sample_rate=250, leads=[record.leads[i] for i in order]
    )
    assert np.array_equal(turned, model.embed(record))
    predicted = model.predict(record)
    again = model.predict(
        record.signal[order], sample_rate=250, leads=[record.leads[i] for i in order]
    )
    assert predicted == again


@FEW
@given(rows=lead_rows, num_samples=st.integers(64, 900), seed=st.integers(0, 99))
def test_leads_that_are_flat_or_beyond_the_twelve_change_nothing(model, rows, num_samples, seed):
    record = recording(seed, num_samples, rows)
    missing = [name for name in LEADS if name not in record.leads]
    flat = np.zeros((len(missing) + 1, num_samples), np.float32)
    flat[-1] = np.linspace(0, 1, num_samples)
    wider = Record(
        np.concatenate([record.signal, flat]), (*record.leads, *missing, "V7"), 250.0, "wider"
    )
    assert np.array_equal(model.embed(wider), model.embed(record))


@FEW
@given(num_samples=st.integers(64, 499), more=st.integers(1, 499), seed=st.integers(0, 99))
def test_a_longer_neighbour_never_pads_a_shorter_recording(model, num_samples, more, seed):
    short = recording(seed, num_samples, [0, 1, 7])
    long = recording(seed + 1, min(num_samples + more, 500), [0, 1, 7])
    alone = model.predict(short)
    beside = model.predict([long, short])[1]
    assert alone == pytest.approx(beside, abs=1e-5)
