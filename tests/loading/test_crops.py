import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anylead.loading.crops import adjacent_pairs, even_windows, random_crops, whole_windows

lengths = st.integers(2, 5000)
uniforms = st.floats(0, 1, exclude_max=True)


@given(lengths, st.integers(1, 1000), uniforms)
def test_a_pair_is_adjacent_equal_and_inside(num_samples, segment, uniform):
    crops = adjacent_pairs(np.array([num_samples]), segment, np.array([uniform]))
    (first, second), (n, m) = crops.start[0], crops.num_samples[0]
    assert n == m == min(segment, num_samples // 2)
    assert second == first + n
    assert first >= 0
    assert second + m <= num_samples


@given(lengths, st.integers(1, 1000), uniforms)
def test_a_random_crop_is_inside(num_samples, segment, uniform):
    crops = random_crops(np.array([num_samples]), segment, np.array([uniform]))
    assert crops.num_samples[0, 0] == min(segment, num_samples)
    assert 0 <= crops.start[0, 0] <= num_samples - crops.num_samples[0, 0]


def test_random_crops_reach_both_ends():
    uniform = np.linspace(0, 1, 5000, endpoint=False)
    start = random_crops(np.full(5000, 30), 10, uniform).start
    assert set(start.ravel().tolist()) == set(range(21))


@given(lengths, st.integers(1, 1000))
def test_windows_cover_the_recording_without_padding(num_samples, segment):
    crops = even_windows(num_samples, segment)
    covered = np.zeros(num_samples, dtype=bool)
    for start, length in zip(crops.start[0], crops.num_samples[0], strict=True):
        assert start + length <= num_samples
        covered[start : start + length] = True
    assert covered.all()
    assert crops.start.shape[1] == max(1, -(-num_samples // segment))


@given(num_samples=st.integers(1, 3000), segment=st.integers(1, 500))
def test_whole_windows_touch_each_other_and_leave_less_than_a_window(num_samples, segment):
    crops = whole_windows(num_samples, segment)
    ends = crops.start[0] + crops.num_samples[0]
    assert crops.start[0, 0] == 0 and (crops.start[0, 1:] == ends[:-1]).all()
    assert ends[-1] <= num_samples
    assert num_samples - ends[-1] < segment
