import io
import struct
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import npy

STATED = {"sample_rate": 500, "leads": ("I", "II"), "unit": "mV"}
ROWS = np.arange(12.0).reshape(2, 6)


class Trap:
    def __reduce__(self):
        return (open, ("/tmp/anylead-was-here", "w"))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickled_objects_are_never_loaded(name, tmp_path):
    path = tmp_path / name
    trap = np.array([Trap(), Trap()], dtype=object)
    np.save(path, trap) if name == "a.npy" else np.savez(path, signal=trap)
    with pytest.raises(FormatError, match="pickled objects"):
        npy.read(path, **STATED)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", ">i4", "u1"])
def test_every_order_of_bytes_and_axes(order, dtype, tmp_path):
    np.save(tmp_path / "a.npy", np.asarray(ROWS, dtype=dtype, order=order))
    np.testing.assert_array_equal(npy.read(tmp_path / "a.npy", **STATED).signal, ROWS)


@pytest.mark.parametrize("shape", [(2, 10**12), (2**33, 2**33), (-2, 3), (2, 7)])
def test_a_shape_beyond_the_file_is_refused(shape, tmp_path):
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    path = tmp_path / "a.npy"
    path.write_bytes(file.getvalue() + ROWS.tobytes())
    with pytest.raises(FormatError, match=r"declared with|broken"):
        npy.read(path, **STATED)


def test_a_zip_bomb_is_refused_by_its_declared_size(tmp_path):
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("signal.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(260):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(FormatError, match="would unpack"):
        npy.read(path, **STATED)


def test_a_member_yields_no_more_than_it_declares(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, signal=np.zeros((2, 10**6)))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the directory's entry: size unpacked at 24
    data[at + 24 : at + 28] = struct.pack("<I", 200)
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"declared with|broken"):
        npy.read(path, **STATED)


@pytest.mark.parametrize("dtype", ["c16", "U3", "M8[s]", [("a", "f8")]])
def test_what_is_no_number_is_refused(dtype, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 6), dtype=dtype))
    with pytest.raises(FormatError, match="want real numbers"):
        npy.read(tmp_path / "a.npy", **STATED)


def test_of_several_arrays_the_usual_name_is_taken_or_all_are_listed(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, other=np.zeros((3, 9)), ecg=ROWS)
    np.testing.assert_array_equal(npy.read(path, **STATED).signal, ROWS)
    np.savez(path, one=ROWS, two=ROWS)
    with pytest.raises(FormatError, match=r"one \(2, 6\), two \(2, 6\); name the signal"):
        npy.read(path, **STATED)


@pytest.mark.parametrize("length", [2**32 - 1, 2**17])
def test_a_long_header_is_refused_before_room_is_made(length, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", length) + bytes(2**18))
    with pytest.raises(FormatError, match=f"header declared with {length} bytes"):
        npy.read(path, **STATED)


def test_headers_of_version_2_are_read(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, ROWS, version=(2, 0))
    np.testing.assert_array_equal(npy.read(path, **STATED).signal, ROWS)


@pytest.mark.parametrize("write", [np.savez, savemat])
def test_an_array_of_its_own_for_each_lead(write, tmp_path):
    rows = {"I": np.arange(4.0), "V5 (uV)": 1000 * np.arange(4), "t": np.arange(4) / 250}
    facts = {"patient_id": "7", "age": 63, "unit": "mV"}
    path = tmp_path / ("a.npz" if write is np.savez else "a.mat")
    names = {name.replace(" (uV)", "_uV"): row for name, row in rows.items()}
    if write is np.savez:
        np.savez(path, **names, **facts)
    else:
        savemat(path, {**names, **facts})
    record = formats.read(path)
    assert (record.leads, record.sample_rate, record.patient_id) == (("I", "V5"), 250, "7")
    assert record.signal[0].tolist() == [0, 1, 2, 3] and record.age == 63


def test_leads_of_different_length_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", I=np.arange(4.0), II=np.arange(5.0), fs=250, unit="mV")
    with pytest.raises(FormatError, match="different length"):
        formats.read(tmp_path / "a.npz")
