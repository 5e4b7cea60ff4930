import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anylead.errors import FormatError
from anylead.formats import parquet, sandbox

STATED = {"sample_rate": 500, "unit": "mV"}


def write(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_columns_named_as_leads_are_taken_and_gaps_are_nan(tmp_path):
    path = write(tmp_path, lead_II=[1.0, None, 3.0], heart_rate=[60, 60, 60], v1=[1, 2, 3])
    record = parquet.read(path, **STATED)
    assert record.leads == ("II", "V1")
    np.testing.assert_array_equal(record.signal, [[1, np.nan, 3], [1, 2, 3]])


def test_stated_leads_choose_columns(tmp_path):
    path = write(tmp_path, I=[1.0], II=[2.0], V1=[3.0])
    assert parquet.read(path, leads=["V1", "I"], **STATED).leads == ("V1", "I")
    with pytest.raises(FormatError, match="no column 'V9'"):
        parquet.read(path, leads=["V9"], **STATED)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"I": ["a", "b"]}, "want numbers"),
        ({"I": [[1.0], [2.0]]}, "2 recordings"),
        ({"time": [0.0, 1.0, 1.5], "I": [1.0, 2.0, 3.0]}, "not evenly spaced"),
        ({"pulse": [1.0]}, "no ECG lead in volts among pulse"),
        ({f"c{i}": [1.0] for i in range(300)}, "300 columns"),
    ],
)
def test_what_is_no_recording_is_refused(columns, found, tmp_path):
    stated = {"unit": "mV"} if "time" in columns else STATED
    with pytest.raises(FormatError, match=found):
        parquet.read(write(tmp_path, **columns), **stated)


@pytest.mark.parametrize(("is_list", "found"), [(False, "would unpack"), (True, "needs more")])
def test_a_small_file_that_unpacks_to_a_hundred_times_is_refused(
    is_list, found, tmp_path, monkeypatch
):
    """A run of one value takes no room at all."""
    monkeypatch.setattr(sandbox, "MEMORY_BYTES", 2**27)
    monkeypatch.setattr(sandbox, "SECONDS", 20)
    values = np.zeros(2**24 if is_list else 2**25 + 1)
    flat = pa.array(values)
    column = pa.LargeListArray.from_arrays([0, len(values)], flat) if is_list else flat
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"I": column}), path, compression="zstd", row_group_size=len(values))
    assert path.stat().st_size < 2**20
    with pytest.raises(FormatError, match=found):
        parquet.read(path, **STATED)


def test_a_rate_that_the_times_deny_is_refused_with_both(tmp_path):
    table = pa.table({"time": np.arange(50) / 360, "II": np.zeros(50)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert parquet.read(path, unit="mV").sample_rate == 360
    with pytest.raises(FormatError, match="500 Hz stated, but its times go at 360 Hz"):
        parquet.read(path, sample_rate=500, unit="mV")


def test_units_in_brackets_and_dates_tell_unit_and_rate(tmp_path):
    dates = np.datetime64("2020-01-01T23:59:59.996") + np.arange(3) * np.timedelta64(4, "ms")
    times = {
        "time (ms)": [0, 4, 8],
        "time_ms": [0, 4, 8],
        "timestamp": dates,
        "t": dates - dates[0],
    }
    for name, values in times.items():
        path = write(tmp_path, **{name: values, "I (uV)": [0, 500, 1000], "II [mV]": [0.0, 1, 2]})
        record = parquet.read(path)
        assert record.sample_rate == 250 and record.notes == ()
        np.testing.assert_allclose(record.signal, [[0, 0.5, 1], [0, 1, 2]])


def test_recordings_one_below_the_other_are_refused(tmp_path):
    path = write(tmp_path, **{"Patient ID": [1, 1, 2], "II": [0.0, 1, 2]})
    with pytest.raises(FormatError, match="2 recordings by its column 'Patient ID'"):
        parquet.read(path, **STATED)
    path = write(tmp_path, **{"Patient ID": [1, 1, 1], "II": [0.0, 1, 2]})
    assert parquet.read(path, **STATED).leads == ("II",)


def test_the_unit_of_a_column_goes_before_that_of_the_schema(tmp_path):
    table = pa.table({"I (uV)": [500.0, 1000], "II": [1.0, 2]})
    table = table.replace_schema_metadata({"unit": "mV", "sample_rate": "250"})
    pq.write_table(table, tmp_path / "a.parquet")
    assert parquet.read(tmp_path / "a.parquet").signal.tolist() == [[0.5, 1], [1, 2]]
    assert parquet.read(tmp_path / "a.parquet", unit="V").signal.max() == 1e6
