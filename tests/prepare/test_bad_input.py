"""Files and folders that a user may well have, prepared from the outside."""

import csv
import io

import numpy as np
import pytest
from rich.console import Console

from anylead.commands import prepare
from anylead.datasets import synthetic
from anylead.errors import AnyleadError, RecipeError, StoreError
from anylead.signals import Quality
from anylead.store import Store
from corpora import RECORDS, write_csv, write_wfdb


def run(out, root, dataset="folder", **changes):
    values = {"num_workers": 1, "records_per_shard": 6, **changes}
    recipe = prepare.Recipe(dataset=dataset, out=out, root=root, **values)
    return prepare.run(recipe, Console(file=io.StringIO()))


def rejected(out):
    with (out / "rejected.csv").open() as file:
        return {row["record"]: row["reason"] for row in csv.DictReader(file)}


def truncate(path):
    data = path.with_suffix(".dat").read_bytes()
    path.with_suffix(".dat").write_bytes(data[: len(data) // 2])


def unknown_lead(path):
    text = path.read_text()
    for number, lead in enumerate(RECORDS[0].leads):
        text = text.replace(f" {lead}\n", f" PLETH{number}\n")
    path.write_text(text)


def flip_a_bit(path):
    data = bytearray(path.with_suffix(".dat").read_bytes())
    data[777] ^= 2
    path.with_suffix(".dat").write_bytes(data)


def no_samples(path):
    path.write_text(path.read_text().replace(" 500 1000\n", " 500 0\n"))
    path.with_suffix(".dat").write_bytes(b"")


def all_constant(path):
    path = path.with_suffix("")
    write_wfdb(path, type(RECORDS[0])(np.full((12, 1000), 0.5, np.float32), RECORDS[0].leads, 500))


def vanish(path):
    path.with_suffix(".dat").unlink()


FAULTS = {
    truncate: "truncated; 12000 bytes of samples, {name}.hea wants 24000",
    unknown_lead: "no ECG lead",
    flip_a_bit: "were changed or damaged (checksum",
    no_samples: "truncated; 0 bytes",
    all_constant: "every lead is missing or constant",
    vanish: "No such file or directory",
}


def test_with_a_tenth_of_the_files_broken_the_rest_is_as_without_them(tmp_path):
    good, mixed = tmp_path / "good", tmp_path / "mixed"
    records = list(synthetic.records(num_patients=30, records_per_patient=2, seconds=2))
    faults = dict(zip(range(4, 60, 10), FAULTS, strict=True))
    for n, record in enumerate(records):
        write_wfdb(mixed / f"r{n:02d}", record)
        if n in faults:
            faults[n](mixed / f"r{n:02d}.hea")
        else:
            write_wfdb(good / f"r{n:02d}", record)
    manifest = run(tmp_path / "s", mixed)
    expected = run(tmp_path / "t", good)
    assert (manifest.num_records, manifest.num_rejected) == (54, 6)
    assert expected.num_rejected == 0
    reasons = rejected(tmp_path / "s")
    assert list(reasons) == [f"r{n:02d}" for n in faults]
    for n, fault in faults.items():
        name = f"r{n:02d}"
        assert FAULTS[fault].format(name=name) in reasons[name]
        assert name in reasons[name]
    one, two = Store.open(tmp_path / "s"), Store.open(tmp_path / "t")
    assert one.record_id.tolist() == two.record_id.tolist()
    rows = np.arange(54)
    np.testing.assert_array_equal(one.read(rows, 0 * rows, 1000), two.read(rows, 0 * rows, 1000))
    np.testing.assert_array_equal(one.scale, two.scale)


def test_missing_samples_are_filled_and_flagged(tmp_path):
    record = RECORDS[0]
    signal = record.signal.copy()
    signal[1, 100:105] = -32.768
    signal[7, :700] = -32.768
    write_wfdb(tmp_path / "in" / "x", type(record)(signal, record.leads, 500.0))
    run(tmp_path / "s", tmp_path / "in")
    store = Store.open(tmp_path / "s")
    assert store.quality[0, 1] == Quality.MISSING_SAMPLES
    assert store.quality[0, 7] & Quality.LOST
    assert store.has_lead[0].tolist() == [n != 7 for n in range(12)]
    assert np.abs(store.read(np.array([0]), np.array([0]), 1000)).max() < 10_000


def test_constant_leads_are_missing_and_the_record_stays(shared_data, tmp_path):
    root = shared_data / "challenge2021" / "ningbo"
    assert run(tmp_path / "s", root, "physionet2021").num_records == 29
    store = Store.open(tmp_path / "s")
    assert (~store.has_lead).sum() > 0
    assert ((store.quality & Quality.FLAT) > 0).tolist() == (~store.has_lead).tolist()


def test_stored_integers_are_those_of_the_file(shared_data, tmp_path):
    root = shared_data / "ptbxl_raw500"
    run(tmp_path / "s", root, "ptbxl")
    store = Store.open(tmp_path / "s")
    crops = store.read(np.arange(58), np.zeros(58, int), 5000)
    for row, record_id in enumerate(store.record_id):
        path = root / f"{int(record_id):05d}_hr.dat"
        digital = np.fromfile(path, "<i2").reshape(5000, 12).T
        np.testing.assert_array_equal(crops[row], digital)
    np.testing.assert_allclose(store.scale, 0.001)


def test_leads_of_poor_quality_are_left_out_when_asked(tmp_path):
    record = RECORDS[0]
    signal = record.signal.copy()
    signal[8] *= 0.005 / np.abs(signal[8]).max()
    write_wfdb(tmp_path / "in" / "x", type(record)(signal, record.leads, 500.0))
    write_wfdb(tmp_path / "in" / "y", type(record)(signal[[8]], ("V3",), 500.0), leads=("V3",))
    run(tmp_path / "kept", tmp_path / "in")
    assert Store.open(tmp_path / "kept").has_lead.sum() == 13
    run(tmp_path / "s", tmp_path / "in", drop_leads_with=("AMPLITUDE",))
    assert Store.open(tmp_path / "s").has_lead.tolist() == [[n != 8 for n in range(12)]]
    assert rejected(tmp_path / "s") == {"y": "y: every lead is AMPLITUDE"}
    with pytest.raises(RecipeError, match="no flag 'NOISES'; known are MISSING_SAMPLES"):
        run(tmp_path / "t", tmp_path / "in", drop_leads_with=("NOISES",))
    with pytest.raises(StoreError, match="drop_leads_with"):
        run(tmp_path / "s", tmp_path / "in")


def test_without_identifiers_neither_names_nor_dates_stay(tmp_path):
    for n in range(3):
        path = tmp_path / "in" / f"Smith_Mary_{n}"
        write_wfdb(path, RECORDS[n], ["# Patient: Mary Smith", "# ECG date: 03.12.2004"])
    truncate(tmp_path / "in" / "Smith_Mary_1.hea")
    rows = [{"record": f"Smith_Mary_{n}", "patient": "Mary Smith", "age": 63} for n in range(3)]
    write_csv(tmp_path / "about.csv", rows)
    options = {"labels": str(tmp_path / "about.csv")}
    run(tmp_path / "s", tmp_path / "in", options=options, no_identifiers=True)
    for path in (tmp_path / "s").iterdir():
        data = path.read_bytes()
        assert b"Mary" not in data, path.name
        # Not the year alone, which an anonymous id of hexadecimal digits may hold.
        assert not any(date in data for date in (b".2004", b"2004-", b"2004.", b"/2004")), path.name
        assert str(tmp_path).encode() not in data, path.name
    store = Store.open(tmp_path / "s")
    assert len(set(store.patient_id)) == 1
    assert store.num_records == 2
    assert store.age.tolist() == [63, 63]


def test_a_file_that_cannot_be_listed_or_a_wrong_folder_leaves_no_store_behind(tmp_path):
    for root in (tmp_path / "gone", tmp_path):
        with pytest.raises(AnyleadError):
            run(tmp_path / "s", root, "ptbxl")
    assert not (tmp_path / "s").exists()
