import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anylead.loading.sampler import Sampler, record_seeds


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 5))
def test_every_pass_holds_each_row_at_most_once(num_rows, batch_size, epoch):
    sampler = Sampler(num_rows, batch_size, seed=3)
    first = epoch * sampler.steps_per_epoch
    steps = range(first, first + sampler.steps_per_epoch)
    rows = np.concatenate([sampler.rows(step) for step in steps])
    assert len(set(rows.tolist())) == len(rows)
    assert len(rows) == sampler.steps_per_epoch * sampler.batch_size
    assert num_rows - len(rows) < sampler.batch_size


def test_the_partners_of_a_recording_change_with_the_pass():
    sampler = Sampler(64, 8, seed=0)
    partners = [
        set(next(rows for step in range(e * 8, e * 8 + 8) if 5 in (rows := sampler.rows(step))))
        for e in range(3)
    ]
    assert partners[0] != partners[1] != partners[2]


def test_any_step_can_be_asked_for_first():
    forward = [Sampler(50, 7, 1).rows(step).tolist() for step in range(20)]
    backward = Sampler(50, 7, 1)
    assert [backward.rows(step).tolist() for step in reversed(range(20))] == forward[::-1]


def test_seeds_differ_by_record_and_step_and_not_by_batch():
    rows = np.arange(1000)
    first, second = record_seeds(0, 1, rows), record_seeds(0, 2, rows)
    assert len(set(first.tolist()) | set(second.tolist())) == 2000
    assert (first >= 0).all()
    np.testing.assert_array_equal(record_seeds(0, 1, rows[[5, 3]]), first[[5, 3]])
