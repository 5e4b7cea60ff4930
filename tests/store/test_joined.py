"""Several stores as one, and persons who are known across stores."""

import csv

import numpy as np
import pytest
from rich.console import Console

from anylead.commands import prepare
from anylead.errors import StoreError
from anylead.signals import PreprocessConfig
from anylead.store import Store
from anylead.store.persons import excluded, persons_of, record_keys
from anylead.tasks import two_sessions
from corpora import RECORDS, physionet2021, ptbxl, write_wfdb


def make(folder, dataset, root, **options):
    recipe = prepare.Recipe(
        dataset=dataset,
        root=root,
        out=folder,
        preprocess=PreprocessConfig(sample_rate=100.0),
        num_workers=1,
        **options,
    )
    prepare.run(recipe, Console(quiet=True))
    return Store.open(folder)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """PTB-XL: ecg_id 1 to 8, patients 100 to 104; the challenge: HR00002, HR00005 and others."""
    root = tmp_path_factory.mktemp("corpora")
    ptbxl(root / "ptbxl")
    physionet2021(root / "challenge")
    for name in ("HR00002", "HR00005"):
        path = root / "challenge" / "training" / "ptb-xl" / "g1" / name
        write_wfdb(path, RECORDS[0], ["# Dx: 426783006"], suffix=".mat")
    return (
        make(root / "store-ptbxl", "ptbxl", root / "ptbxl"),
        make(root / "store-challenge", "physionet2021", root / "challenge"),
    )


def test_joined_stores_hold_what_their_parts_hold(stores):
    joined = Store.open(",".join(str(store.location) for store in stores))
    assert joined.num_records == sum(store.num_records for store in stores)
    start = 0
    for store in stores:
        rows = np.arange(store.num_records)
        begin = np.zeros(len(rows), np.int64)
        np.testing.assert_array_equal(
            joined.read(start + rows, begin, 150), store.read(rows, begin, 150)
        )
        np.testing.assert_array_equal(joined.scale[start + rows], store.scale)
        assert joined.record_id[start + rows].tolist() == store.record_id.tolist()
        start += len(rows)
    hashes = {store.manifest.content_hash for store in (joined, *stores)}
    assert len(hashes) == 3
    assert joined.corpus.tolist() == [n for s in stores for n in [s.manifest.name] * s.num_records]


def test_patients_of_joined_stores_stay_apart_and_splits_are_those_of_the_parts(stores):
    joined = Store.open(",".join(str(store.location) for store in stores))
    num_patients = sum(len(np.unique(store.patient)) for store in stores)
    assert len(np.unique(joined.patient)) == num_patients
    expected = np.concatenate(
        [np.isin(np.arange(store.num_records), store.split_rows()["train"]) for store in stores]
    )
    assert joined.split_rows()["train"].tolist() == np.flatnonzero(expected).tolist()
    everything = joined.split_rows(scheme="all")
    assert len(everything["train"]) == joined.num_records and not len(everything["test"])


def test_stores_that_do_not_fit_together_are_not_joined(stores, tmp_path):
    with pytest.raises(StoreError, match="stands twice"):
        Store.open(f"{stores[0].location},{stores[0].location}")
    root = tmp_path / "ptbxl"
    ptbxl(root)
    recipe = prepare.Recipe(
        dataset="ptbxl", root=root, out=tmp_path / "store", num_workers=1,
        preprocess=PreprocessConfig(sample_rate=125.0),
    )  # fmt: skip
    prepare.run(recipe, Console(quiet=True))
    with pytest.raises(
        StoreError, match=r"prepared in another way than .*: sample_rate 125.0, not"
    ):
        Store.open(f"{stores[0].location},{tmp_path / 'store'}")


def test_a_recording_is_known_under_its_other_name(stores):
    ours, challenge = stores
    # ecg_id 4 and 5 are of patient 102, 2 and 3 of patient 101, see corpora.ptbxl.
    rows = np.flatnonzero(ours.record_id == "4")
    is_out = persons_of(ours, rows).among(challenge)
    assert challenge.record_id[is_out].tolist() == ["ptb-xl/HR00005"]
    assert not persons_of(ours, np.flatnonzero(ours.record_id == "8")).among(challenge).any()
    back = np.flatnonzero(challenge.record_id == "ptb-xl/HR00002")
    found = persons_of(challenge, back).among(ours)
    assert ours.record_id[found].tolist() == ["2", "3"]  # all recordings of the patient


def test_persons_with_pairs_are_left_out(stores):
    ours, challenge = stores
    names = [str(store.location) for store in stores]
    is_out = excluded(challenge, [{"store": names[0], "only": "pairs"}])
    assert sorted(challenge.record_id[is_out].tolist()) == ["ptb-xl/HR00002", "ptb-xl/HR00005"]
    joined = Store.open(",".join(names))
    pairs = excluded(joined, [{"store": names[0], "only": "pairs"}])
    kept = [key for key, out in zip(record_keys(joined), pairs, strict=True) if not out]
    assert {"ptbxl/1", "ptbxl/8"} <= set(kept) and not {"ptbxl/2", "ptbxl/5"} & set(kept)
    assert excluded(ours, names[0]).all()


def test_patients_may_be_listed_in_a_file(stores, tmp_path):
    ours, _ = stores
    (tmp_path / "ids.txt").write_text("101\n8\n")
    is_out = excluded(ours, str(tmp_path / "ids.txt"))
    assert sorted(ours.record_id[is_out].tolist()) == ["2", "3", "8"]
    (tmp_path / "others.txt").write_text("x\n")
    with pytest.raises(StoreError, match="none of its 1 ids"):
        excluded(ours, str(tmp_path / "others.txt"))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"splits": ["dev"]}, "no split dev; known are train"),
        ({"only": "some"}, "only 'some'"),
        ({"onli": "pairs"}, "onli"),
    ],
)
def test_a_mistake_in_an_exclusion_is_named(stores, wanted, message):
    with pytest.raises(StoreError, match=message):
        excluded(stores[0], [{"store": str(stores[0].location), **wanted}])


def test_ids_that_were_hashed_cannot_be_looked_for(stores, tmp_path):
    root = tmp_path / "ptbxl"
    ptbxl(root)
    hashed = make(tmp_path / "store", "ptbxl", root, no_identifiers=True)
    with pytest.raises(StoreError, match="without identifiers"):
        excluded(stores[0], str(hashed.location))
    assert excluded(hashed, [{"store": str(hashed.location), "splits": ["test"]}]).any()


def test_the_identification_pairs_of_ptbxl_are_those_that_are_known(shared_data):
    """2,111 patients of PTB-XL 1.0.3 have two recordings or more, 1,883 of them in folds 1-9."""
    with (shared_data / "metadata" / "ptbxl_labels_all21799.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    patient = np.unique([row["patient_id"] for row in rows], return_inverse=True)[1]
    fold = np.array([int(row["strat_fold"]) for row in rows])
    for last, expected in ((10, 2111), (9, 1883)):
        gallery, probe = two_sessions(np.flatnonzero(fold <= last), patient, None)
        assert len(gallery) == expected == len(np.unique(patient[gallery]))
        assert (patient[gallery] == patient[probe]).all() and (gallery < probe).all()


def test_recordings_that_two_joined_stores_share_are_told(tmp_path, caplog):
    ptbxl(tmp_path / "ptbxl")
    one = make(tmp_path / "one", "ptbxl", tmp_path / "ptbxl")
    other = make(tmp_path / "other", "folder", tmp_path / "ptbxl")
    Store.open(f"{one.location},{other.location}")
    (told,) = [record.getMessage() for record in caplog.records if "joined" in record.msg]
    begin = f"{one.num_records} recordings are in two of the joined stores ({other.location} "
    assert told.startswith(begin) and "on two sides of the split" in told
