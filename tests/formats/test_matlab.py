import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from anylead.errors import FormatError
from anylead.formats import matlab
from anylead.formats.matlab_values import read_level_4, read_level_5

STATED = {"sample_rate": 500, "leads": ("I", "II"), "unit": "mV"}
ROWS = np.arange(12.0).reshape(2, 6)


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3)),
    is_packed=st.booleans(),
    seed=st.integers(0, 999),
)
def test_numbers_are_those_scipy_reads(dtype, shape, is_packed, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    savemat(path, {"x": values, "t": "text", "one": 3}, do_compression=is_packed)
    found = read_level_5(path)
    np.testing.assert_array_equal(found["x"], loadmat(path)["x"])
    assert found["t"] == "text"
    assert found["one"].item() == 3


def test_cells_and_structs(tmp_path):
    path = tmp_path / "a.mat"
    names = np.array(["I", "aVR"], dtype=object)
    savemat(path, {"s": {"leads": names, "inner": {"x": ROWS}, "text": "Zürich"}})
    found = read_level_5(path)["s"]
    assert found["leads"] == ["I", "aVR"]
    assert found["text"] == "Zürich"
    np.testing.assert_array_equal(found["inner"]["x"], ROWS)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "i2", "u2", "u1"])
def test_level_4_is_what_scipy_reads(dtype, tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"val": ROWS.astype(dtype), "t": "ab"}, format="4")
    found = read_level_4(path)
    np.testing.assert_array_equal(found["val"], loadmat(path)["val"])
    assert found["t"] == "ab"


def test_complex_numbers_are_refused(tmp_path):
    savemat(tmp_path / "a.mat", {"val": ROWS + 1j})
    with pytest.raises(FormatError, match="complex"):
        matlab.read(tmp_path / "a.mat", **STATED)


def test_a_variable_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"val": ROWS})
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(260)) + packer.flush()
    tag = np.array([15, len(packed)], "<u4").tobytes()
    path.write_bytes(path.read_bytes()[:128] + tag + packed)
    with pytest.raises(FormatError, match="would unpack"):
        matlab.read(path, **STATED)


def test_the_signal_of_a_wfdb_record_is_refused_with_its_header(tmp_path):
    savemat(tmp_path / "A0001.mat", {"val": ROWS}, format="4")
    (tmp_path / "A0001.hea").write_text("A0001 2 500 6\n")
    with pytest.raises(FormatError, match=r"read A0001\.hea"):
        matlab.read(tmp_path / "A0001.mat")
    assert matlab.read(tmp_path / "A0001.mat", **STATED).leads == ("I", "II")


def test_level_7_3_is_sent_to_hdf5(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600))
    with pytest.raises(FormatError, match="HDF5"):
        matlab.read(tmp_path / "a.mat", **STATED)
