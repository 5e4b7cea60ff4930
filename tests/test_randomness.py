import numpy as np
import pytest
import torch
from scipy import stats

from anylead import randomness

SEEDS = torch.arange(200, dtype=torch.int64)


def test_uniform_numbers_are_uniform_and_independent_between_rows_and_columns():
    drawn = randomness.uniform(SEEDS, 500, 1)
    assert drawn.min() > 0 and drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(drawn.numpy())
    assert np.abs(correlation - np.eye(200)).max() < 0.25
    assert np.abs(np.corrcoef(drawn.numpy().T) - np.eye(500)).max() < 0.4


def test_normal_numbers_are_normal():
    drawn = randomness.normal(SEEDS, 500, 1).flatten().numpy()
    assert stats.kstest(drawn, "norm").pvalue > 1e-3


def test_a_row_depends_on_its_seed_alone():
    alone = randomness.uniform(SEEDS[7:8], 30, 5)
    torch.testing.assert_close(randomness.uniform(SEEDS, 30, 5)[7:8], alone, rtol=0, atol=0)


def test_purposes_and_high_bits_of_seeds_make_other_numbers():
    first = randomness.uniform(SEEDS, 50, 1)
    assert (first == randomness.uniform(SEEDS, 50, 2)).float().mean() < 0.01
    assert (first == randomness.uniform(SEEDS + (1 << 40), 50, 1)).float().mean() < 0.01


@pytest.mark.parametrize("high", [1, 2, 7, 1 << 31])
def test_integers_stay_in_range(high):
    drawn = randomness.integers(SEEDS, 300, high, 3)
    assert drawn.min() >= 0 and drawn.max() < high
    if high == 7:
        counts = torch.bincount(drawn.flatten(), minlength=7)
        assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_integers_take_another_limit_for_each_row():
    drawn = randomness.integers(SEEDS[:2], 400, torch.tensor([[3], [9]]), 3)
    assert drawn.amax(dim=1).tolist() == [2, 8]


def test_permutation_keys_differ_in_a_row():
    keys = randomness.permutation_keys(SEEDS, 147, 4)
    assert all(len(row.unique()) == 147 for row in keys)


def test_equals_the_mixer_in_unsigned_arithmetic():
    def mix(x):
        for shift, factor in ((16, 0x7FEB352D), (15, 0x6C62272E), (16, 1)):
            x = (x ^ (x >> shift)) * factor & 0xFFFFFFFF
        return x

    seeds, purpose = [0, 1, 2**40 + 17, 2**62], 0x524C4D
    expected = []
    for seed in seeds:
        row = mix(mix((seed ^ purpose * 0x9E3779B9) & 0xFFFFFFFF) ^ (seed >> 32))
        expected.append([mix(mix((row + i * 0x9E3779B9) & 0xFFFFFFFF) ^ row) for i in range(37)])
    found = randomness.integers(torch.tensor(seeds), 37, 1 << 31, purpose)
    assert found.tolist() == [[bits >> 1 for bits in row] for row in expected]


def test_compiled_and_eager_draw_the_same():
    def draw(seeds):
        return randomness.uniform(seeds, 40, 9), randomness.permutation_keys(seeds, 40, 8)

    seeds = torch.tensor([0, 5, 2**40 + 17, 2**62])
    eager, compiled = draw(seeds), torch.compile(draw, fullgraph=True, backend="eager")(seeds)
    assert torch.equal(eager[0], compiled[0])
    assert torch.equal(eager[1], compiled[1])
