"""Little files that stand for much memory, in small: the limits are lowered to a mebibyte."""

import io
import json
import tracemalloc
import zipfile
import zlib
from functools import partial

import numpy as np
import pytest

from anylead.errors import FormatError
from anylead.formats import dicom, guard, hdf5, matlab, npy, wfdb
from format_samples import SAMPLES

LIMIT = 2**20
COUNT = 12 * 200_000  # as float64 18 times the limit


@pytest.fixture(autouse=True)
def small_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(guard, "SMALL_EXPANSION_BYTES", LIMIT)
    facts = {"sample_rate": 500, "unit": "mV", "leads": [f"V{n}" for n in range(1, 7)]}
    (tmp_path / "anylead.json").write_text(json.dumps(facts))


def npz(folder):
    path = folder / "a.npz"
    np.savez_compressed(path, signal=np.zeros((12, COUNT // 12), np.int8))
    return npy.read, path


def npz_of_many(folder):
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(100):
            file = io.BytesIO()
            np.save(file, np.zeros(COUNT // 100, np.int8))
            archive.writestr(f"a{number}.npy", file.getvalue())
    return npy.read, path


def element(kind, body):
    head = kind.to_bytes(4, "little") + len(body).to_bytes(4, "little")
    return head + body + bytes(-len(body) % 8)


def mat_file(path, body):
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    packed = zlib.compress(element(14, body), 9)
    path.write_bytes(
        start + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    )
    return matlab.read, path


def mat_of(folder, count, kind=8, name=b"val"):
    """A matrix of int8 zeros, compressed; `kind` is its class."""
    shape = (12).to_bytes(4, "little") + (count // 12).to_bytes(4, "little")
    flags = kind.to_bytes(4, "little") + bytes(4)
    body = element(6, flags) + element(5, shape) + element(1, name) + element(1, bytes(count))
    return mat_file(folder / "a.mat", body)


def mat(folder):
    return mat_of(folder, COUNT)


def mat_text(folder):
    return mat_of(folder, COUNT, kind=4)


def mat_cells(folder):
    shape = (1).to_bytes(4, "little") + (25_000).to_bytes(4, "little")
    body = element(6, (1).to_bytes(4, "little") + bytes(4)) + element(5, shape) + element(1, b"c")
    return mat_file(folder / "a.mat", body + element(14, b"") * 25_000)


def deflated_dicom(folder):
    pydicom = pytest.importorskip("pydicom")
    path = SAMPLES["dicom"]["2 leads"](folder).path
    dataset = pydicom.dcmread(path)
    group = dataset.WaveformSequence[1]
    group.NumberOfWaveformSamples = 2_000_000
    group.WaveformData = bytes(2_000_000 * 2 * int(group.NumberOfWaveformChannels))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return dicom.read, path


def hdf5_chunks(folder):
    h5py = pytest.importorskip("h5py")
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("signal", data=np.zeros((12, COUNT // 12), np.int8), compression="gzip")
    return partial(hdf5.read_here, stated={}), path


def header(folder, text, samples=bytes(2 * 1000)):
    (folder / "s.dat").write_bytes(samples)
    (folder / "s.hea").write_text("s 1 500 1000\ns.dat 16 1000/mV 16 0 0 0 0 V1\n")
    (folder / "m.hea").write_text(text)
    return wfdb.read, folder / "m.hea"


def wfdb_repeated_segment(folder):
    return header(folder, "m/1000 1 500 1000000\n" + "s 1000\n" * 1000)


def wfdb_gap(folder):
    return header(folder, "m/2 1 500 1000000\ns 1000\n~ 999000\n")


def wfdb_skew(folder):
    return header(folder, "m 1 500 1000\ns.dat 16:1000000 1000/mV 16 0 0 0 0 V1\n")


def wfdb_one_file_for_many_signals(folder):
    lines = "".join(f"s{n % 2}.dat 16 1/mV 16 0 0 0 0 V{n % 6 + 1}\n" for n in range(400))
    (folder / "s0.dat").write_bytes(bytes(2000))
    (folder / "s1.dat").write_bytes(bytes(2000))
    return header(folder, f"m 400 500 1000\n{lines}")


BOMBS = [
    *(npz, npz_of_many, mat, mat_text, mat_cells, deflated_dicom, hdf5_chunks),
    *(wfdb_repeated_segment, wfdb_gap, wfdb_skew, wfdb_one_file_for_many_signals),
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_what_would_fill_the_memory_is_refused_before_it_does(bomb, tmp_path):
    read, path = bomb(tmp_path)
    read_once(read, path)  # imports count as memory, too
    tracemalloc.start()
    try:
        read_once(read, path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * LIMIT + 2 * path.stat().st_size


def read_once(read, path):
    with pytest.raises(FormatError, match=path.name):
        read(path)


def test_a_packed_recording_of_usual_size_is_read(tmp_path):
    time = np.arange(10_000) / 500
    wave = np.rint(1000 * np.sin(time)[None] * np.ones((6, 1))).astype(np.int16)
    np.savez_compressed(tmp_path / "a.npz", signal=wave)
    assert npy.read(tmp_path / "a.npz").signal.shape == (6, 10_000)
