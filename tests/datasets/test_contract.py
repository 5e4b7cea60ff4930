"""What holds for every dataset."""

import pickle

import numpy as np
import pytest

from anylead import datasets
from anylead.datasets import DATASETS
from anylead.errors import AnyleadError, DatasetError
from anylead.leads import LEADS, OTHER_LEADS
from corpora import LAYOUTS


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    made = {}
    for name, layout in LAYOUTS.items():
        root = tmp_path_factory.mktemp(name)
        layout(root)
        made[name] = datasets.corpus(name, root)
    made["synthetic"] = datasets.corpus("synthetic", num_patients=3)
    return made


def readable(corpus):
    for item in corpus.items:
        try:
            yield item, corpus.read(item)
        except AnyleadError:
            continue


def test_every_dataset_has_a_generated_layout():
    assert {*LAYOUTS, "synthetic"} == set(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_records_are_in_millivolts_of_known_leads_with_the_ids_of_the_list(corpora, name):
    corpus = corpora[name]
    ids = [record_id for record_id, _ in corpus.items]
    assert len(ids) == len(set(ids)) >= 3
    read = list(readable(corpus))
    assert len(read) >= 3
    for (record_id, _), record in read:
        assert name == "folder" or record.record_id == record_id
        assert record.unit == "mV"
        assert 0.1 < np.nanmax(np.ptp(record.signal, axis=1)) < 20
        assert set(record.leads) <= {*LEADS, *OTHER_LEADS}
        assert record.signal.dtype == np.float32
        for task, labels in record.labels.items():
            assert len(set(labels)) == len(labels)
            assert set(labels) <= set(corpus.label_names.get(task, labels))


@pytest.mark.parametrize("name", DATASETS)
def test_patients_are_named_or_the_corpus_says_that_it_names_none(corpora, name):
    corpus = corpora[name]
    patients = [record.patient_id for _, record in readable(corpus)]
    if name in ("physionet2017", "physionet2021", "chapman", "cinc2011"):
        assert set(patients) == {None}
        assert "no patients" in corpus.note
    elif name != "folder":
        assert None not in patients
    splits = {}
    for _, record in readable(corpus):
        if record.patient_id is not None:
            splits.setdefault(record.patient_id, set()).add(record.split)
    assert name == "ptbxl" or all(len(found) == 1 for found in splits.values())


@pytest.mark.parametrize("name", DATASETS)
def test_another_process_reads_the_same(corpora, name):
    corpus = corpora[name]
    items, read = pickle.loads(pickle.dumps((list(corpus.items), corpus.read)))
    for item, record in list(readable(corpus))[:2]:
        again = read(items[list(corpus.items).index(item)])
        np.testing.assert_array_equal(again.signal, record.signal)
        assert again.labels == record.labels


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "synthetic"])
def test_a_wrong_an_empty_and_a_missing_folder_are_told_with_a_remedy(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong" / "photos").mkdir(parents=True)
    (tmp_path / "wrong" / "photos" / "cat.jpg").write_bytes(b"\xff\xd8 meow")
    (tmp_path / "file").write_text("")
    for place in ("empty", "wrong", "file", "gone"):
        with pytest.raises(DatasetError) as caught:
            datasets.corpus(name, tmp_path / place)
        assert str(tmp_path / place) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="needs the folder"):
        datasets.corpus(name)


def test_unknown_names_are_told_with_the_known_ones():
    with pytest.raises(DatasetError, match=r"no dataset 'mitbih'; known are .*ptbxl"):
        datasets.corpus("mitbih")
    with pytest.raises(DatasetError, match="no option 'folds'; it has rate, limb_ratios"):
        datasets.corpus("ptbxl", ".", folds=3)


def test_records_reads_one_after_another():
    found = [record.record_id for record in datasets.records("synthetic", num_patients=1)]
    assert found == ["p000000-0", "p000000-1"]
