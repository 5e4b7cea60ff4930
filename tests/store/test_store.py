import json
import pickle
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from anylead.errors import StoreError
from anylead.leads import LEADS
from anylead.records import Mark, Record
from anylead.signals import PreprocessConfig, preprocess
from anylead.store import Manifest, Store, build
from anylead.store.build import Plan, Rejected
from anylead.store.earlier import EARLIER_INDEX
from anylead.store.files import write_text
from anylead.store.location import file_sha256
from anylead.store.manifest import _hash_of, parse_manifest
from anylead.store.marks import stored_marks
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
            marks=(None, (), (Mark("II", "P", 0.1, 0.25), Mark("", "V", 0.3, 0.3)))[n % 3],
        )


def build_store(folder, records, per_shard=5, label_names=None, **settings):
    records = list(records)
    ids = [f"r{n:02d}" for n in range(len(records))]
    plan = Plan(
        "test", PreprocessConfig(), settings, len(records), build.items_sha256(ids), per_shard
    )
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
    folder = tmp_path_factory.mktemp("store") / "s"
    return build_store(folder, records, label_names=names, allow_shared_patients=True)


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
        assert is_labelled.tolist() == [[task in r.labels] * len(names) for r in records]
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
    monkeypatch.setattr("anylead.store.remote.PAUSES", (0.0, 0.0))
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


def test_storage_that_fails_for_a_while_is_asked_again(remote, store, monkeypatch):
    plain, failures = type(remote).open, iter([True, True, False, False, True, True] + [False] * 9)

    def sometimes(self, *arguments, **named):
        if next(failures):
            raise ConnectionError("reset by peer")
        return plain(self, *arguments, **named)

    monkeypatch.setattr(type(remote), "open", sometimes)
    far = Store.open("memory://bucket/s")
    row, start = np.array([7]), np.array([3])
    np.testing.assert_array_equal(far.read(row, start, 50), store.read(row, start, 50))


def test_a_file_that_arrives_damaged_is_fetched_again(remote, store, monkeypatch, tmp_path):
    far = Store.open("memory://bucket/s")
    whole = remote.cat_file("/bucket/s/shard-000001.arrow")
    sent = iter([whole[:-9], whole])
    plain = type(remote).open

    def damaged_once(self, path, *arguments, **named):
        is_it = path.endswith("shard-000001.arrow")
        return BytesIO(next(sent)) if is_it else plain(self, path, *arguments, **named)

    monkeypatch.setattr(type(remote), "open", damaged_once)
    row, start = np.array([7]), np.array([3])
    np.testing.assert_array_equal(far.read(row, start, 50), store.read(row, start, 50))
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


def flip(path, place):
    """Turn one bit of a file over."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << place % 8
    path.write_bytes(data)


def read_all(folder):
    store = Store.open(folder)
    rows = np.arange(store.num_records)
    return store.read(rows, np.zeros_like(rows), 400)


@pytest.mark.parametrize("name", ["index.arrow", "manifest.json"])
def test_a_flipped_bit_is_told_when_the_store_is_opened(name, folder, tmp_path):
    size = (folder / name).stat().st_size
    whole = (folder / name).read_bytes()
    store = copy(folder, tmp_path / "s")
    for place in range(40):
        (store / name).write_bytes(whole)
        flip(store / name, size * place // 40 + place)
        if json_or_none(store / name) == json_or_none(folder / name) != None:  # noqa: E711
            continue  # a blank or such: it says the same
        with pytest.raises(StoreError):
            Store.open(store)


def json_or_none(path):
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def as_version(version, folder):
    """The store as an earlier version wrote it, without the columns it did not have."""
    schema = EARLIER_INDEX[version]
    index = pa.ipc.open_file(folder / "index.arrow").read_all()
    with pa.ipc.new_file(str(folder / "index.arrow"), schema) as writer:
        writer.write_table(index.select(schema.names).cast(schema))
    values = json.loads((folder / "manifest.json").read_text())
    digest = file_sha256(folder / "index.arrow")
    parsed = parse_manifest(json.dumps(values), "here")
    values["content_hash"] = replace(parsed, index_sha256=digest).content_hash
    del values["manifest_sha256"]
    values |= {"version": version, "index_sha256": digest}
    if version > 1:
        values["manifest_sha256"] = _hash_of(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def as_version_1(folder):
    return as_version(1, folder)


@pytest.mark.parametrize("version", sorted(EARLIER_INDEX))
def test_marks_are_those_of_the_records_and_unknown_in_old_stores(version, store, folder, tmp_path):
    assert stored_marks(store) == [record.marks for record in make_records()][: store.num_records]
    old = Store.open(as_version(version, copy(folder, tmp_path / "old")))
    assert set(stored_marks(old)) == {None}


@pytest.mark.parametrize("version", EARLIER_INDEX)
def test_a_store_of_an_earlier_version_is_read(version, folder, tmp_path, store):
    old = Store.open(as_version(version, copy(folder, tmp_path / "old")))
    assert old.measurement_names == store.measurement_names
    np.testing.assert_array_equal(read_all(folder), read_all(tmp_path / "old"))
    for task in store.manifest.label_names:
        for new_way, old_way in zip(store.labels(task), old.labels(task), strict=True):
            np.testing.assert_array_equal(new_way, old_way)


@pytest.mark.parametrize("make", [lambda folder: folder, as_version_1])
def test_a_flipped_bit_in_the_samples_is_told_by_whoever_reads_them(make, folder, tmp_path):
    store = make(copy(folder, tmp_path / "s"))
    shard = store / "shard-000001.arrow"
    batch = pa.ipc.open_file(pa.memory_map(str(shard))).get_batch(0)
    signal = batch.column("signal").values.to_numpy().tobytes()
    begin = shard.read_bytes().index(signal)
    read_all(store)
    flip(shard, begin + len(signal) // 2)
    with pytest.raises(StoreError, match=r"shard-000001\.arrow is damaged"):
        read_all(store)
    with pytest.raises(StoreError, match=r"shard-000001\.arrow is damaged"):
        Store.open(store).verify()


def test_old_and_new_stores_join_and_are_checked_alike(folder, tmp_path):
    new = build_store(tmp_path / "new", list(make_records())[:7], allow_shared_patients=True)
    old = as_version_1(copy(folder, tmp_path / "old"))
    both = f"{new},{old}"
    np.testing.assert_array_equal(read_all(both), np.concatenate([read_all(new), read_all(old)]))
    Store.open(both).verify()
    for store in (new, old):
        shard = store / "shard-000001.arrow"
        whole = shard.read_bytes()
        batch = pa.ipc.open_file(pa.memory_map(str(shard))).get_batch(0)
        flip(shard, whole.index(batch.column("signal").values.to_numpy().tobytes()))
        with pytest.raises(StoreError, match=r"shard-000001\.arrow is damaged"):
            read_all(both)
        with pytest.raises(StoreError, match=r"shard-000001\.arrow is damaged"):
            Store.open(both).verify()
        shard.write_bytes(whole)


def test_verify_names_every_damaged_file(folder, tmp_path):
    store = copy(folder, tmp_path / "s")
    for number in (1, 3):
        flip(store / f"shard-00000{number}.arrow", 12345)
    with pytest.raises(StoreError, match=r"2 files .*shard-000001\.arrow, shard-000003\.arrow"):
        Store.open(store).verify()


def test_classes_that_nobody_looked_for_are_neither_positive_nor_negative(tmp_path):
    told = [(("AF",), ()), ((), ("AF",)), (("MI",), ("AF",)), (None, None), ((), ())]
    records = [
        replace(
            record,
            labels={} if labels is None else {"flags": labels},
            unknown={} if labels is None else {"flags": unknown},
        )
        for record, (labels, unknown) in zip(make_records(), told, strict=False)
    ]
    store = Store.open(build_store(tmp_path / "s", records))
    assert store.manifest.label_names == {"flags": ("AF", "MI")}
    hot, is_known = store.labels("flags")
    assert hot.tolist() == [[1, 0], [0, 0], [0, 1], [0, 0], [0, 0]]
    assert is_known.tolist() == [[True] * 2, [False, True], [False, True], [False] * 2, [True] * 2]


def with_split(patients, splits):
    """Recordings of these patients in these splits."""
    pairs = zip(make_records(), patients, splits, strict=False)
    return [replace(record, patient_id=p, split=s) for record, p, s in pairs]


def test_a_split_of_its_own_that_shares_patients_is_refused(tmp_path):
    fine = with_split(["a", "a", "b", None, None], ["train", "train", "test", "train", "test"])
    rows = Store.open(build_store(tmp_path / "fine", fine)).split_rows()
    assert {name: len(each) for name, each in rows.items()} == {"train": 3, "valid": 0, "test": 2}
    shared = with_split(["a", "b", "a", "b"], ["train", "train", "test", "train"])
    store = Store.open(build_store(tmp_path / "shared", shared))
    with pytest.raises(StoreError, match=r"1 patient on more than one side \(a\)"):
        store.split_rows()
    assert sum(len(each) for each in store.split_rows(scheme="hash").values()) == 4


def test_opens_a_million_recordings_in_seconds(tmp_path):
    """A fifth of them in a fifth of the time; metadata only, opening asks for no signals."""
    num = 200_000
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
        elif pa.types.is_string(kind) or pa.types.is_list(kind):
            columns[name] = pa.nulls(num, kind)
        elif pa.types.is_map(kind):
            columns[name] = pa.array([[]], kind).take(pa.array(np.zeros(num, np.int64)))
        else:
            columns[name] = pa.array(np.ones(num, np.int8)).cast(kind)
    with pa.ipc.new_file(str(tmp_path / "index.arrow"), INDEX) as writer:
        writer.write_table(pa.table([columns[name] for name in INDEX.names], schema=INDEX))
    digest = file_sha256(tmp_path / "index.arrow")
    manifest = Manifest(
        "big", PreprocessConfig(), {"rhythm": ("AFIB", "SR")}, num, 0, True, (), digest
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
    assert time.process_time() - begin < 1


def test_joined_tasks_stand_side_by_side_and_what_is_not_labelled_is_unknown(store):
    joined, is_known = store.labels("form+rhythm")
    assert store.label_names("form+rhythm") == (
        "form/ABQRS",
        "form/PVC",
        "rhythm/AFIB",
        "rhythm/SR",
    )
    for columns, task in ((slice(0, 2), "form"), (slice(2, 4), "rhythm")):
        single, is_single_known = store.labels(task)
        np.testing.assert_array_equal(joined[:, columns], single)
        np.testing.assert_array_equal(is_known[:, columns], is_single_known)
        assert (~is_single_known).any()
    np.testing.assert_array_equal(
        np.sort(np.concatenate(list(store.split_rows("form+rhythm", "hash").values()))),
        np.flatnonzero(is_known.any(axis=1)),
    )
    with pytest.raises(StoreError, match="no label task 'nothing'"):
        store.labels("form+nothing")


def test_numbers_are_kept_by_name_and_nan_where_nobody_measured(tmp_path):
    told = [{"LVEF": 55.5, "days": 1e9 + 1}, {}, {"LVEF": -3.25}, {"days": 0.0}]
    first, *_ = make_records()
    records = [
        replace(first, record_id=f"r{i}", age=None, measurements=each)
        for i, each in enumerate(told)
    ]
    stores = [
        build_store(tmp_path / str(i), part, allow_shared_patients=True)
        for i, part in enumerate((records[:3], records[3:]))
    ]
    both = Store.open(",".join(map(str, stores)))
    assert both.measurement_names == ("LVEF", "days")
    for name in both.measurement_names:
        expected = [each.get(name, np.nan) for each in told]
        np.testing.assert_array_equal(both.measurement(name), expected)
    assert [len(rows) for rows in both.split_rows("LVEF").values()] != [0, 0, 0]
    assert sum(map(len, both.split_rows("LVEF+days").values())) == 3
    with pytest.raises(StoreError, match="no measurement 'EF'; known are LVEF, days"):
        both.measurement("EF")
