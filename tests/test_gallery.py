"""Known persons on disk and the search among them."""

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from anylead import datasets
from anylead.commands import enroll, identify
from anylead.errors import CheckpointError, FormatError, RecipeError
from anylead.formats import edf_write
from anylead.inference.gallery import (
    INDEXES,
    Entry,
    Gallery,
    change_gallery,
    check_model,
    ecg_files,
    load_gallery,
    search,
    threshold_for,
)

NAMES = ["ann", "bob", "ann", "eve", "bob", "bob", "zoe"]


def units(number, seed):
    vectors = np.random.default_rng(seed).normal(size=(number, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def gallery(names=NAMES):
    entries = tuple(Entry(name, f"/{i}.hea", ("I",)) for i, name in enumerate(names))
    return Gallery("model", "abc", entries, units(len(names), 1))


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("top", [1, 2, 9])
def test_the_nearest_persons_are_found_by_their_best_recording(index, top):
    if index == "faiss":
        pytest.importorskip("faiss")
    known, probes = gallery(), units(5, 2)
    for probe, found in zip(probes, search(known, probes, top, index), strict=True):
        best = {}
        for entry, vector in zip(known.entries, known.vectors, strict=True):
            best[entry.person] = max(best.get(entry.person, -2.0), float(vector @ probe))
        expected = sorted(best.items(), key=lambda item: -item[1])[:top]
        assert [candidate.person for candidate in found] == [name for name, _ in expected]
        np.testing.assert_allclose(
            [candidate.cosine for candidate in found], [value for _, value in expected], rtol=1e-5
        )


def test_comes_back_from_disk_and_replaces_a_file_that_comes_again(tmp_path):
    change_gallery(tmp_path, lambda _: gallery())
    assert load_gallery(tmp_path).entries == gallery().entries
    new = units(1, 3)
    changed = change_gallery(
        tmp_path, lambda old: old.with_entries([Entry("ann", "/6.hea", ("II",))], new)
    )
    again = load_gallery(tmp_path)
    assert again.persons == ["ann", "bob", "eve"]  # zoe's only file now is ann's
    assert again.entries == changed.entries
    np.testing.assert_array_equal(again.vectors[-1], new[0])
    assert len(again.vectors) == len(again.entries) == 7


def test_a_failed_change_leaves_the_gallery_as_it_was(tmp_path):
    change_gallery(tmp_path, lambda _: gallery())

    def fail(old):
        raise RecipeError("no")

    with pytest.raises(RecipeError):
        change_gallery(tmp_path, fail)
    assert load_gallery(tmp_path).entries == gallery().entries


def test_a_damaged_or_missing_gallery_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="anylead enroll"):
        load_gallery(tmp_path)
    (tmp_path / "gallery.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(CheckpointError, match="damaged or no gallery"):
        load_gallery(tmp_path)


def test_other_weights_are_refused():
    check_model(gallery(), "abc", "x")
    with pytest.raises(CheckpointError, match="other weights"):
        check_model(gallery(), "abd", "x")


def test_the_threshold_lets_its_share_of_impostor_pairs_pass():
    many = gallery([f"p{i // 2}" for i in range(60)])
    threshold = threshold_for(many, 0.1)
    impostor = [
        float(many.vectors[i] @ many.vectors[j])
        for i in range(60)
        for j in range(i)
        if many.entries[i].person != many.entries[j].person
    ]
    assert np.mean(np.array(impostor) >= threshold) == pytest.approx(0.1, abs=0.002)
    with pytest.raises(RecipeError, match="one person"):
        threshold_for(gallery(["ann", "ann"]), 0.1)
    with pytest.raises(RecipeError, match="false_accept"):
        threshold_for(many, 0)


def test_a_gallery_says_that_its_model_was_moved(tmp_path):
    change_gallery(tmp_path, lambda _: replace(gallery(), model="runs/gone"))
    for ask in (identify.run, enroll.run):
        with pytest.raises(CheckpointError, match=r"made by runs/gone: no such.*with --model"):
            ask(sys.modules[ask.__module__].Recipe("one.edf", gallery=str(tmp_path)))


def test_a_new_gallery_asks_for_its_model_and_nobody_is_called_unknown(tmp_path):
    record = next(datasets.records("synthetic", num_patients=1))
    edf_write.write(record, tmp_path / "one.edf")
    asked = enroll.Recipe(str(tmp_path / "one.edf"), gallery=str(tmp_path), person="unknown")
    with pytest.raises(RecipeError, match="is new: name the model"):
        enroll.run(asked)
    with pytest.raises(FormatError, match="give another --person"):
        enroll.run(replace(asked, model="synthetic-tiny"))


def test_samples_beside_a_header_are_no_file_of_their_own(shared_data):
    found = ecg_files([str(shared_data / "ecgid" / "Person_01")])
    assert [path.name for path in found] == ["rec_1m.hea", "rec_2m.hea"]
    pattern = str(shared_data / "ecgid" / "Person_0[12]" / "rec_1m.hea")
    assert len(ecg_files([pattern])) == 2


def test_a_place_without_ecgs_is_named(tmp_path):
    with pytest.raises(FormatError, match="no ECG file"):
        ecg_files([str(tmp_path)])


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: [1, 2],
        lambda facts: {**facts, "format": "1"},
        lambda facts: {**facts, "entries": {"a": 1}},
        lambda facts: {**facts, "entries": facts["entries"][:-1]},
        lambda facts: {**facts, "entries": [{**each, "person": 7} for each in facts["entries"]]},
        lambda facts: {**facts, "entries": [{**each, "leads": "I"} for each in facts["entries"]]},
        lambda facts: {**facts, "model_hash": None},
        lambda facts: {name: value for name, value in facts.items() if name != "entries"},
    ],
)
def test_a_gallery_that_cannot_be_meant_is_refused(change, tmp_path):
    facts = {"format": 1, "model": "m", "model_hash": "abc",
             "entries": [asdict(entry) for entry in gallery().entries]}  # fmt: skip
    vectors = {"vectors": torch.from_numpy(gallery().vectors)}
    save_file(vectors, tmp_path / "gallery.safetensors", {"anylead_gallery": json.dumps(facts)})
    assert load_gallery(tmp_path).entries == gallery().entries
    told = {"anylead_gallery": json.dumps(change(facts))}
    save_file(vectors, tmp_path / "gallery.safetensors", told)
    with pytest.raises(CheckpointError, match="enrol again"):
        load_gallery(tmp_path)


def test_vectors_that_are_no_numbers_are_refused(tmp_path):
    change_gallery(tmp_path, lambda _: replace(gallery(), vectors=gallery().vectors * np.nan))
    with pytest.raises(CheckpointError, match="no finite numbers"):
        load_gallery(tmp_path)
