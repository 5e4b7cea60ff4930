"""Raw integers that are called millivolts are refused alike, whatever they come in."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylead import formats
from anylead.commands import inspect, prepare
from anylead.datasets import synthetic
from anylead.errors import FormatError, StoreError
from anylead.inference import inputs, windows
from anylead.leads import LEADS
from anylead.records import Record
from anylead.signals import PreprocessConfig, preprocess
from anylead.signals.voltage import check_millivolts
from corpora import write_wfdb

RATE = 500.0
TOLD = "typical values of [0-9,]+ mV, as its unit has it: raw integers, or another unit; say unit="


@pytest.fixture(scope="module")
def counts():
    """Steps of a converter, 1,000 in a millivolt, that a file calls millivolts."""
    record = next(synthetic.records(num_patients=1, records_per_patient=1, seed=3))
    return Record(np.round(1000 * record.signal) + 2048, LEADS, RATE, "counts")


def looked_at(item, normalize="none", **arguments):
    """A recording as every model gets it, from Python and from the server."""
    config = PreprocessConfig(normalize=normalize)
    return windows.make(inputs.as_records([item], **arguments), config, 2500)


def as_wfdb(record, folder):
    path = folder / "counts.hea"
    write_wfdb(path.with_suffix(""), Record(record.signal / 1000, LEADS, RATE))
    # The header of a converter that nobody calibrated: one step is a millivolt.
    path.write_text(path.read_text().replace("1000(0)/mV", "1(0)/mV"))
    return path


def as_npy(record, folder):
    np.save(folder / "counts.npy", record.signal)
    facts = {"sample_rate": RATE, "leads": list(LEADS), "unit": "mV"}
    (folder / "counts.json").write_text(json.dumps(facts))
    return folder / "counts.npy"


@pytest.mark.parametrize("write", [as_wfdb, as_npy])
def test_files_are_refused_in_inspect_prepare_and_a_model(write, counts, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    path = write(Record(counts.signal, LEADS, RATE), folder)
    if write is as_wfdb:
        assert formats.read(path).signal.max() > 500
    with pytest.raises(FormatError, match=TOLD):
        looked_at(path)
    assert "typical values" in inspect.run(inspect.Recipe(folder)).problems[0][1]
    out = tmp_path / "store"
    with pytest.raises(
        StoreError, match=r"none of 1 recordings could be stored; the first: .*typical values"
    ):
        prepare.run(prepare.Recipe(dataset="folder", root=folder, out=out, num_workers=1))


def test_arrays_and_records_are_refused_with_the_same_words(counts):
    stated = {"sample_rate": RATE, "leads": "12"}
    looked_at(counts.signal - 2048, **stated, unit="uV")
    looked_at(counts.signal, **stated, unit="NU", normalize="record")
    for given_, arguments in (
        (counts, {}),
        (counts.signal, stated),
        (counts.signal.astype(np.int16), {**stated, "unit": "mV"}),
        (counts.signal / 1000, {**stated, "unit": "V"}),
    ):
        with pytest.raises(FormatError, match=TOLD):
            looked_at(given_, **arguments)


@given(st.floats(0.01, 20), st.floats(-500, 500), st.integers(0, 11))
def test_an_ecg_is_not_refused_whatever_its_offsets_and_one_lead_at_the_rail(tall, offset, lead):
    rng = np.random.default_rng(lead)
    signal = tall * rng.standard_normal((12, 500)) + offset * rng.uniform(-1, 1, (12, 1))
    signal[lead] = np.sign(rng.standard_normal(500)) * 327.68
    check_millivolts("a", signal.astype(np.float32), float(np.abs(signal).max()))


def test_what_has_no_unit_may_have_any_size(counts):
    record = Record(counts.signal, LEADS, RATE, unit="NU")
    assert preprocess(record, PreprocessConfig()).has_lead.all()
