import pytest

from anylead.training.schedule import ScheduleConfig, learning_rate


@pytest.mark.parametrize("kind", ["cosine", "linear", "tri_stage"])
def test_rises_to_the_peak_and_falls_to_the_end(kind):
    at = learning_rate(ScheduleConfig(kind, warmup=0.1), 1.0, 1000)
    rates = [at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(rates[100]) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01, abs=0.003)
    assert rates[:101] == sorted(rates[:101])
    assert rates[101:] == sorted(rates[101:], reverse=True)


def test_constant_is_constant():
    at = learning_rate(ScheduleConfig(), 5e-5, 10)
    assert {at(step) for step in range(10)} == {5e-5}


def test_tri_stage_equals_the_original(golden):
    import numpy as np

    numbers = np.load(golden / "masking_schedules.npz")
    at = learning_rate(ScheduleConfig("tri_stage", warmup=0.1, hold=0.2), 3e-5, 1000)
    found = [at(int(step)) for step in numbers["tri_updates"]]
    np.testing.assert_allclose(found, numbers["tri_lr"], rtol=1e-5)
