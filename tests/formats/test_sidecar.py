import json

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import npy

ROWS = np.arange(12.0).reshape(2, 6)
FULL = {"sample_rate": 500, "leads": ["I", "II"], "unit": "mV"}


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "ecg.npy", ROWS)
    return tmp_path / "ecg.npy"


def test_what_is_not_stated_is_named_with_the_ways_to_state_it(path):
    with pytest.raises(FormatError, match=r"sample_rate, leads, unit not stated; write ecg\.json"):
        npy.read(path)
    with pytest.raises(FormatError, match="unit not stated"):
        npy.read(path, sample_rate=500, leads=["I", "II"])


def test_arguments_state_it(path):
    record = npy.read(path, sample_rate=500, leads=("I", "II"), unit="uV")
    np.testing.assert_allclose(record.signal, ROWS / 1000, rtol=1e-6)


def test_arguments_go_before_the_side_car_and_that_before_the_folder(path):
    folder = {**FULL, "sample_rate": 100}
    path.with_name("anylead.json").write_text(json.dumps(folder))
    assert npy.read(path).sample_rate == 100
    path.with_suffix(".json").write_text(json.dumps(FULL))
    assert npy.read(path).sample_rate == 500
    assert npy.read(path, sample_rate=250).sample_rate == 250


def test_the_lead_axis_follows_from_the_number_of_leads(tmp_path):
    for array in (ROWS, ROWS.T, ROWS[None], ROWS.T[None]):
        np.save(tmp_path / "ecg.npy", array)
        record = npy.read(tmp_path / "ecg.npy", 500, ("I", "II"), "mV")
        np.testing.assert_array_equal(record.signal, ROWS)


def test_a_unit_per_lead(path):
    path.with_suffix(".json").write_text(json.dumps({**FULL, "unit": ["mV", "uV"]}))
    np.testing.assert_allclose(npy.read(path).signal, ROWS * [[1], [1e-3]], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"leads": ["I", "II", "V1"]}, "shape"),
        ({"leads": ["I", "left arm"]}, None),
        ({"leads": []}, "0 leads"),
        ({"unit": "furlong"}, "furlong"),
        ({"unit": ["mV", "mV", "mV"]}, "3 units"),
        ({"sample_rate": "fast"}, "fast"),
        ({"sample_rate": [1, 2]}, "want Hz"),
        ({"sample_rate": -500}, "-500"),
    ],
)
def test_what_does_not_fit_is_refused(path, change, found):
    path.with_suffix(".json").write_text(json.dumps({**FULL, **change}))
    if found is None:  # a row that is no lead is left out
        assert npy.read(path).leads == ("I",)
        return
    with pytest.raises(FormatError, match=found):
        npy.read(path)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"leads": 1e999}'])
def test_a_broken_side_car_is_a_format_error(path, text):
    path.with_suffix(".json").write_text(text)
    with pytest.raises(FormatError, match=r"ecg\.npy"):
        npy.read(path)


def write_array(name, folder):
    """Rows of numbers in a format that does not tell what they are."""
    path = folder / f"ecg.{name}"
    if name == "npy":
        np.save(path, ROWS)
    elif name == "mat":
        from scipy.io import savemat

        savemat(path, {"ecg": ROWS})
    elif name == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["ecg"] = ROWS
    elif name == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"I": ROWS[0], "II": ROWS[1]}), path)
    else:
        np.savetxt(path, ROWS.T, delimiter=",")
    return path


@pytest.mark.parametrize("name", ["npy", "mat", "h5", "parquet", "csv"])
def test_every_format_of_arrays_takes_the_same_words_in_the_same_order_of_rank(name, tmp_path):
    path = write_array(name, tmp_path)
    reader = formats.READERS[formats.find_format(path)]
    with pytest.raises(FormatError, match=r"not stated; write ecg\.json|want one|no ECG lead"):
        reader.read(path)
    words = {"sampling_rate": 250, "lead_names": ["I", "II"], "units": "uV", "sex": "F"}
    (tmp_path / "anylead.json").write_text(json.dumps({**words, "patient": 7, "gender": "M"}))
    record = formats.read(path, rename={"II": "V3"})
    assert (record.leads, record.sample_rate, record.sex) == (("I", "V3"), 250, "female")
    assert record.patient_id == "7"
    np.testing.assert_allclose(record.signal, ROWS / 1000, rtol=1e-6)
    over = reader.read(path, sample_rate=500, leads=("I", "II"), unit="mV", rename={"I": "aVL"})
    assert (over.leads, over.sample_rate) == (("aVL", "II"), 500)
    np.testing.assert_allclose(over.signal, ROWS, rtol=1e-6)
    bare = reader.read(path, 100, ("I", "II"), "V")
    assert bare.sample_rate == 100 and bare.signal.max() == 1000 * ROWS.max()
