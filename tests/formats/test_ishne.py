import struct

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import ishne
from format_samples import SAMPLES
from format_samples.binary import ishne_bytes
from format_samples.recording import STEP_MV, recording, steps


def test_a_file_cut_off_is_refused_unless_its_length_is_nominal(tmp_path):
    sample = SAMPLES["ishne"]["ishne"](tmp_path)
    sample.path.write_bytes(sample.path.read_bytes()[: -6 * 10])
    with pytest.raises(FormatError, match="100 samples declared, 90 per lead found"):
        ishne.read(sample.path)
    record = ishne.read(sample.path, is_length_nominal=True)
    np.testing.assert_allclose(record.signal, sample.signal[:, :90], atol=1e-6)


def test_the_samples_may_be_counted_over_all_leads(tmp_path):
    data = bytearray(ishne_bytes(steps()[:2], [5, 6]))
    data[14:18] = struct.pack("<i", 200)
    path = tmp_path / "a.ecg"
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="checksum"):
        record = ishne.read(path)
    np.testing.assert_allclose(record.signal, recording(("I", "II")), atol=1e-6)


@pytest.mark.parametrize(
    ("at", "code", "value", "found"),
    [
        (10, "<i", -1, "comment block declared"),
        (10, "<i", 2**30, "comment block declared"),
        (156, "<h", 0, "0 leads"),
        (156, "<h", 13, "13 leads"),
        (206, "<h", 0, "scale 0"),
        (272, "<h", -250, "-250 Hz"),
    ],
)
def test_a_damaged_header_field_is_named(at, code, value, found, tmp_path):
    path = SAMPLES["ishne"]["ishne"](tmp_path).path
    data = bytearray(path.read_bytes())
    data[at : at + struct.calcsize(code)] = struct.pack(code, value)
    path.write_bytes(data)
    with pytest.raises(FormatError, match=found):
        ishne.read(path)


def test_leads_of_three_electrodes_are_none_of_ours(tmp_path):
    path = tmp_path / "a.ecg"
    path.write_bytes(ishne_bytes(steps()[:2], [17, 18]))
    with pytest.raises(FormatError, match="no ECG lead"):
        ishne.read(path)


def test_leads_of_unknown_place_are_named_by_their_user(tmp_path):
    rows = steps()[[0, 1, 6]]
    path = tmp_path / "holter.ecg"
    path.write_bytes(ishne_bytes(rows, [0, 1, 0]))
    with pytest.raises(FormatError, match='--rename "ECG 1=I"'):
        formats.read(path)
    record = formats.read(path, {"ECG 2": "II", "ECG 3": "V1"})
    assert record.leads == ("II", "V1")
    np.testing.assert_allclose(record.signal, rows[1:] * STEP_MV, atol=1e-6)
    path.write_bytes(ishne_bytes(rows[:1], [1]))
    assert formats.read(path).leads == ("ECG",)
