import numpy as np
import pytest

from anylead.errors import FormatError
from anylead.formats import hdf5
from format_samples import SAMPLES
from format_samples.recording import recording

h5py = pytest.importorskip("h5py")
STATED = {"sample_rate": 500, "leads": ("I", "II"), "unit": "mV"}
ROWS = np.arange(12.0).reshape(2, 6)


def test_one_of_many_exams_is_chosen(tmp_path):
    path = tmp_path / "exams.hdf5"
    with h5py.File(path, "w") as file:
        file["tracings"] = np.stack([recording().T * k for k in (1, 2, 3)]).astype("f4")
        file["exam_id"] = np.arange(3)
    np.testing.assert_allclose(hdf5.read_exam(path, 2).signal, 3 * recording(), atol=1e-5)
    with pytest.raises(FormatError, match="3 recordings"):
        hdf5.read(path)
    with pytest.raises(FormatError, match="no recording 3"):
        hdf5.read_exam(path, 3)


def test_tracings_without_exam_ids_are_not_code_15(tmp_path):
    """The older CODE-test has its augmented leads in another order."""
    path = tmp_path / "ecg_tracings.hdf5"
    with h5py.File(path, "w") as file:
        file["tracings"] = recording().T[None]
    with pytest.raises(FormatError, match="leads"):
        hdf5.read(path)


def test_a_link_to_another_file_is_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["signal"] = ROWS
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["signal"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/signal")
    with pytest.raises(FormatError, match="holds nothing"):
        hdf5.read(tmp_path / "a.h5", **STATED)


def test_samples_kept_in_another_file_are_not_read(tmp_path):
    (tmp_path / "secret.bin").write_bytes(ROWS.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        outside = [(str(tmp_path / "secret.bin"), 0, ROWS.nbytes)]
        file.create_dataset("signal", ROWS.shape, "f8", external=outside)
        layout = h5py.VirtualLayout(ROWS.shape, "f8")
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "signal", ROWS.shape)
        file.create_virtual_dataset("ecg", layout)
    with pytest.raises(FormatError, match="holds nothing"):
        hdf5.read(tmp_path / "a.h5", **STATED)


def test_an_array_that_unpacks_to_gigabytes_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("signal", (2, 10**10), "f8", chunks=(2, 1000), compression="gzip")
    with pytest.raises(FormatError, match="would unpack"):
        hdf5.read(tmp_path / "a.h5", **STATED)


def test_groups_that_contain_themselves_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("a")
        group["again"] = group
        file["signal"] = ROWS
    with pytest.raises(FormatError, match="over 1000 objects"):
        hdf5.read(tmp_path / "a.h5", **STATED)


def test_all_zeros_keep_their_length(tmp_path):
    path = SAMPLES["hdf5"]["code-15"](tmp_path).path
    with h5py.File(path, "a") as file:
        file["tracings"][...] = 0
    assert hdf5.read(path).signal.shape == (12, 128)


def test_signals_of_several_groups_are_several_recordings(tmp_path):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["a/signal"], file["b/signal"] = ROWS, 2 * ROWS
    with pytest.raises(FormatError, match=r"2 signals \(a/signal, b/signal\)"):
        hdf5.read(path, **STATED)
    with h5py.File(path, "a") as file:
        file["signal"] = 3 * ROWS  # that of the file goes before those of groups
    record = hdf5.read(path, **STATED)
    np.testing.assert_array_equal(record.signal, 3 * ROWS)
    assert record.notes == ()
