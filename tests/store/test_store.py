import json
import pickle
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from anylead.errors import StoreError
from anylead.leads import LEADS
from anylead.records import Record
from anylead.signals import PreprocessConfig, preprocess
from anylead.store import Manifest, Store, build
from anylead.store.build import Plan, Rejected
from anylead.store.files import write_text
from anylead.store.schema import INDEX


def make_records():
    """Recordings that differ in leads, length, labels, patients and splits."""
    rng = np.random.default_rng(0)
    lead_sets = [LEADS, ("II", "V3"), ("V6",), LEADS, ("aVF", "I", "II")]
    for n in range(23):
        leads = lead_sets[n % len(lead_sets)]
        signal = rng.integers(-3000, 3000, (len(leads), 40 + 13 * n)) / 1000
        yield Record(
            signal.astype(np.float32),
            leads,
            500.0,
            record_id=f"r{n:02d}",
            patient_id=None if n % 4 == 3 else f"p{n // 3}",
            labels={
                0: {"form": ("ABQRS", "PVC"), "rhythm": ("SR",)},
                1: {"rhythm": ()},
                2: {},
            }[n % 3],
            split=("train", "valid", None)[n % 3],
            fold=n if n % 2 else None,
            age=None if n == 5 else 30.5 + n,
            sex=(None, "female", "male")[n % 3],
            resolution=(0.001,) * len(leads),
        )


def build_store(folder, records, per_shard=5, label_names=None):
    records = list(records)
    ids = [f"r{n:02d}" for n in range(len(records))]
    plan = Plan("test", PreprocessConfig(), {}, len(records), build.items_sha256(ids), per_shard)
    with build.building(folder, plan):
        for number in build.unfinished_shards(folder, plan):
            chosen = [records[i] for i in plan.items_of(number)]
            rows = (
                r if isinstance(r, Rejected) else (r, preprocess(r, plan.preprocess))
                for r in chosen
            )
            build.write_shard(folder, number, rows)
        build.finish(folder, plan, label_names or {}, "a note")
    return folder


@pytest.fixture(scope="module")
def records():
    return list(make_records())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, records):
    names = {"rhythm": ("AFIB", "SR")}
    return build_store(tmp_path_factory.mktemp("store") / "s", records, label_names=names)


@pytest.fixture(scope="module")
def store(folder):
    return Store.open(folder)


def test_every_crop_equals_the_recording_with_zeros_where_there_is_nothing(store, records):
    rng = np.random.default_rng(1)
    for length in (1, 30, 200, 1000):
        rows = rng.integers(0, len(records), 50)
        starts = rng.integers(0, 400, 50)
        crops = store.read(rows, starts, length)
        assert crops.dtype == np.int16
        for crop, row, start in zip(crops, rows, starts, strict=True):
            signal, _ = records[row].canonical()
            expected = np.zeros((12, length), np.float32)
            part = signal[:, start : start + length]
            expected[:, : part.shape[1]] = part
            np.testing.assert_allclose(crop * store.scale[row][:, None], expected, atol=1e-6)


def test_columns_tell_what_the_records_told(store, records):
    assert store.num_records == len(records)
    assert store.record_id.tolist() == [r.record_id for r in records]
    assert store.patient_id == [r.patient_id for r in records]
    assert store.split.tolist() == [r.split or "" for r in records]
    assert store.fold.tolist() == [-1 if r.fold is None else r.fold for r in records]
    assert store.num_samples.tolist() == [r.signal.shape[1] for r in records]
    assert store.sex.tolist() == [r.sex or "" for r in records]
    assert store.unit.tolist() == ["mV"] * len(records)
    np.testing.assert_array_equal(store.has_lead, [r.canonical()[1] for r in records])
    assert np.isnan(store.age[5])
    np.testing.assert_allclose(store.age[6:], [r.age for r in records[6:]])
    assert (store.scale > 0).tolist() == store.has_lead.tolist()
    assert not store.manifest.has_patients


def test_equal_patient_numbers_are_one_person_and_unknown_patients_are_alone(store):
    by_number = {}
    for number, patient in zip(store.patient.tolist(), store.patient_id, strict=True):
        by_number.setdefault(number, []).append(patient)
    for patients in by_number.values():
        assert len(set(patients)) == 1
        assert patients[0] is not None or len(patients) == 1
    known = [p for p in store.patient_id if p is not None]
    assert len(by_number) == len(set(known)) + store.patient_id.count(None)


def test_labels_are_multi_hot_and_say_who_is_labelled(store, records):
    assert store.manifest.label_names == {"rhythm": ("AFIB", "SR"), "form": ("ABQRS", "PVC")}
    for task, names in store.manifest.label_names.items():
        hot, is_labelled = store.labels(task)
        assert is_labelled.tolist() == [task in r.labels for r in records]
        expected = [[name in r.labels.get(task, ()) for name in names] for r in records]
        np.testing.assert_array_equal(hot, expected)
    with pytest.raises(StoreError, match=r"'form2'; known are rhythm, form"):
        store.labels("form2")


def test_official_splits_are_used_and_recordings_without_one_left_out(store, records):
    rows = store.split_rows()
    assert {k: [records[i].split for i in v] for k, v in rows.items()} == {
        "train": ["train"] * 8,
        "valid": ["valid"] * 8,
        "test": [],
    }
    labelled = store.split_rows("form")
    assert all("form" in records[i].labels for part in labelled.values() for i in part)


def test_the_hashed_split_keeps_patients_together_and_stays_when_recordings_are_added(tmp_path):
    def people(num):
        for n in range(num):
            signal = np.full((1, 4), n, np.float32) + np.arange(4)
            yield Record(signal, ("I",), 500.0, record_id=f"r{n}", patient_id=f"p{n // 2}")

    small = Store.open(build_store(tmp_path / "small", people(400), 100))
    large = Store.open(build_store(tmp_path / "large", people(900), 100))
    parts = large.split_rows()
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(900))
    assert [round(len(parts[name]) / 90) for name in ("train", "valid", "test")] == [8, 1, 1]
    owner = {name: set(large.patient[rows]) for name, rows in parts.items()}
    assert not owner["train"] & owner["valid"] | owner["train"] & owner["test"]
    for name, rows in small.split_rows().items():
        assert rows.tolist() == [row for row in parts[name] if row < 400]
    with pytest.raises(StoreError, match="no official split"):
        small.split_rows(scheme="official")
    with pytest.raises(StoreError, match="random"):
        small.split_rows(scheme="random")
    with pytest.raises(StoreError, match="has the folds"):
        small.split_rows(scheme="folds:9:10")


def test_folds_can_be_named_for_validation_and_test(tmp_path):
    def people():
        for n in range(40):
            signal = np.full((1, 4), n, np.float32) + np.arange(4)
            yield Record(signal, ("I",), 500.0, record_id=f"r{n}", fold=n % 4 + 1)

    parts = Store.open(build_store(tmp_path / "s", people(), 100)).split_rows(scheme="folds:3:4")
    assert parts["valid"].tolist() == list(range(2, 40, 4))
    assert parts["test"].tolist() == list(range(3, 40, 4))
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(40))


def test_long_recordings_make_several_batches_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("anylead.store.writer._BATCH_BYTES", 5000)
    records = list(make_records())
    store = Store.open(build_store(tmp_path / "s", records, per_shard=50))
    reader = pa.ipc.open_file(pa.memory_map(str(tmp_path / "s" / "shard-000000.arrow")))
    assert reader.num_record_batches > 3
    for row, record in enumerate(records):
        crop = store.read(np.array([row]), np.array([0]), record.signal.shape[1])[0]
        np.testing.assert_allclose(
            crop * store.scale[row][:, None], record.canonical()[0], atol=1e-6
        )


def test_a_store_survives_pickling_for_worker_processes(store):
    again = pickle.loads(pickle.dumps(store))
    rows, starts = np.array([3, 0]), np.array([2, 5])
    np.testing.assert_array_equal(again.read(rows, starts, 20), store.read(rows, starts, 20))


def test_negative_starts_are_refused(store):
    with pytest.raises(ValueError, match="starts"):
        store.read(np.array([0]), np.array([-1]), 5)


def test_shards_are_plain_arrow_files(folder):
    table = pa.ipc.open_file(str(folder / "shard-000000.arrow")).read_all()
    assert table.column("record_id").to_pylist() == [f"r{n:02d}" for n in range(5)]
    assert dict(table.column("labels").to_pylist()[0]) == {
        "form": ["ABQRS", "PVC"],
        "rhythm": ["SR"],
    }
    assert len(table.column("signal")[1].as_py()) == 2 * 53


@pytest.fixture
def remote(folder, tmp_path, monkeypatch):
    """A filesystem with the store at memory://bucket/s, and an empty cache at tmp_path."""
    monkeypatch.setenv("ANYLEAD_CACHE", str(tmp_path))
    filesystem = pytest.importorskip("fsspec").filesystem("memory")
    for path in Path(folder).iterdir():
        filesystem.pipe(f"/bucket/s/{path.name}", path.read_bytes())
    return filesystem


@pytest.mark.usefixtures("remote")
def test_a_store_behind_a_url_is_read_through_the_cache(tmp_path, store):
    far = Store.open("memory://bucket/s")
    assert len(list((tmp_path / "shards").iterdir())) == 1  # the index alone
    rows, starts = np.array([0, 7, 22]), np.array([0, 3, 9])
    np.testing.assert_array_equal(far.read(rows, starts, 50), store.read(rows, starts, 50))
    assert len(list((tmp_path / "shards").iterdir())) == 4
    with pytest.raises(StoreError, match="no store"):
        Store.open("memory://bucket/other")


def test_storage_that_breaks_in_its_own_way_is_told_in_one_line(remote, tmp_path, monkeypatch):
    store = Store.open("memory://bucket/s")

    class OutOfReachError(Exception):
        """As botocore's, which are no OSErrors."""

    def fail(*_, **__):
        raise OutOfReachError("could not connect")

    monkeypatch.setattr(type(remote), "open", fail)
    with pytest.raises(StoreError, match=r"could not connect.*credentials"):
        Store.open("memory://bucket/s")
    with pytest.raises(StoreError, match=r"shard-000000\.arrow.*could not connect"):
        store.read(np.array([0]), np.array([0]), 5)
    assert not list(tmp_path.rglob("*.unfinished"))


def copy(folder, target):
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_damage_is_told_with_the_file_that_has_it(folder, tmp_path):
    with pytest.raises(StoreError, match="no store"):
        Store.open(tmp_path)
    shard = "shard-000001.arrow"
    cut = copy(folder, tmp_path / "cut")
    (cut / shard).write_bytes((folder / shard).read_bytes()[:-100])
    with pytest.raises(StoreError, match=shard):
        Store.open(cut)
    lost = copy(folder, tmp_path / "lost")
    (lost / shard).unlink()
    with pytest.raises(StoreError, match="missing"):
        Store.open(lost)
    flipped = copy(folder, tmp_path / "flipped")
    data = bytearray((folder / shard).read_bytes())
    data[-200] ^= 1
    (flipped / shard).write_bytes(data)
    with pytest.raises(StoreError, match=shard):
        Store.open(flipped).verify()
    Store.open(folder).verify()
    garbled = copy(folder, tmp_path / "garbled")
    (garbled / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store.open(garbled)
    newer = copy(folder, tmp_path / "newer")
    values = json.loads((folder / "manifest.json").read_text())
    (newer / "manifest.json").write_text(json.dumps({**values, "version": 99}))
    with pytest.raises(StoreError, match="version 99"):
        Store.open(newer)
    edited = copy(folder, tmp_path / "edited")
    (edited / "index.arrow").write_bytes(b"ARROW1" + bytes(100))
    with pytest.raises(StoreError, match=r"index\.arrow"):
        Store.open(edited)


def test_opens_a_million_recordings_in_seconds(tmp_path):
    """Metadata only: the signals of the file do not matter for opening."""
    num = 1_000_000
    ids = pa.array([f"r{n}" for n in range(1000)], pa.string()).take(
        pa.array(np.arange(num) % 1000)
    )
    columns = {
        "record_id": ids,
        "patient_id": ids,
        "labels": pa.MapArray.from_arrays(
            np.arange(num + 1, dtype=np.int32),
            pa.array(["rhythm"]).take(pa.array(np.zeros(num, np.int64))),
            pa.ListArray.from_arrays(
                np.arange(num + 1, dtype=np.int32),
                pa.array(["SR", "AFIB"]).take(pa.array(np.arange(num) % 2)),
            ),
        ),
        "split_draw": pa.array((np.arange(num) % 1000 * 4294967).astype(np.uint32)),
    }
    for name, kind in zip(INDEX.names, INDEX.types, strict=True):
        if name in columns:
            continue
        if pa.types.is_fixed_size_list(kind):
            flat = pa.array(np.ones(12 * num, np.uint8)).cast(kind.value_type)
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, 12)
        elif pa.types.is_string(kind):
            columns[name] = pa.nulls(num, kind)
        else:
            columns[name] = pa.array(np.ones(num, np.int8)).cast(kind)
    with pa.ipc.new_file(str(tmp_path / "index.arrow"), INDEX) as writer:
        writer.write_table(pa.table([columns[name] for name in INDEX.names], schema=INDEX))
    manifest = Manifest(
        "big", PreprocessConfig(), {"rhythm": ("AFIB", "SR")}, num, 0, True, (), "0"
    )
    write_text(tmp_path / "manifest.json", manifest.to_json())
    begin = time.process_time()
    store = Store.open(tmp_path)
    for name in (
        "record_id",
        "patient",
        "split",
        "fold",
        "num_samples",
        "has_lead",
        "scale",
        "quality",
        "age",
        "sex",
    ):
        assert len(getattr(store, name)) == num
    assert store.labels("rhythm")[0].sum(axis=0).tolist() == [num // 2, num // 2]
    assert sum(len(rows) for rows in store.split_rows("rhythm").values()) == num
    assert time.process_time() - begin < 5
