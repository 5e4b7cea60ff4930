"""Beats with a class: from annotations as MIT-BIH has them to scores between patients."""

import numpy as np
import pytest
import wfdb

import anylead
from anylead.checkpoint import save_checkpoint
from anylead.commands import evaluate
from anylead.errors import CheckpointError, RecipeError
from anylead.formats import wfdb_write
from anylead.inference import holter
from anylead.models import Encoder, EncoderConfig, describe_encoder
from anylead.records import Mark, Record
from anylead.signals.beat_rules import CLASSES
from anylead.store import Store
from anylead.store.marks import stored_marks
from anylead.tasks.wave_targets import targets
from anylead.tasks.waves import WaveConfig

RATE = 100.0
SMALL = EncoderConfig(((8, 7, 2), (8, 5, 2), (8, 5, 2)), *(16, 1, 2, 32, 8, 2), stem="residual",
                      norm_first=True, feature_grad_scale=1.0)  # fmt: skip
DECODER = {"dims": (8, 8, 8, 8), "kernel": 5, "classes": ",".join(CLASSES)}


def heart(seed, seconds=60):
    """Normal beats, narrow and with a P wave, and ventricular ones, wide, early and inverted."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    signal = rng.normal(0, 0.01, len(time))
    at, kinds, places = 0.5, [], []
    while at < seconds - 0.6:
        kind = "V" if rng.random() < 0.3 else "N"
        width, size = (0.05, -1.2) if kind == "V" else (0.015, 1.0)
        signal += size * np.exp(-(((time - at) / width) ** 2) / 2)
        if kind == "N":
            signal += 0.15 * np.exp(-(((time - at + 0.16) / 0.02) ** 2) / 2)
        kinds.append(kind)
        places.append(round(at * RATE))
        at += 0.8 + rng.normal(0, 0.03)
    return np.stack([signal, 0.6 * signal]).astype(np.float32), places, kinds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Records 101 and 106 train by the usual split, 100 and 103 test."""
    path = tmp_path_factory.mktemp("mitdb")
    for seed, name in enumerate(("101", "106", "100", "103")):
        signal, places, kinds = heart(seed)
        wfdb_write.write(Record(signal, ("II", "V1"), RATE), path / f"{name}.hea")
        wfdb.wrann(name, "atr", np.array(places), symbol=kinds, write_dir=str(path))
    return path


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("store") / "beats"
    made = anylead.prepare("mitdb", folder, out=out, preprocess={"sample_rate": RATE})
    return str(made.location)


@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    made = Encoder(SMALL)
    folder = tmp_path_factory.mktemp("encoder")
    tensors = {f"encoder.{name}": tensor for name, tensor in made.state_dict().items()}
    preprocess = vars(anylead.signals.PreprocessConfig(sample_rate=RATE))
    save_checkpoint(folder, tensors, {"encoder": describe_encoder(made), "preprocess": preprocess})
    return anylead.finetune(
        store,
        task="waves",
        model={"checkpoint": str(folder), "train": "linear_probe"},
        waves=DECODER,
        data={"segment_seconds": 10.0},
        augment=[
            {"name": "random_lead_mask", "mode": "lead_sets", "prob": 1.0, "sets": ["II", "12"]}
        ],
        optimizer={"learning_rate": 1e-2},
        train={"steps": 60, "batch_size": 8, "precision": "fp32", "is_quiet": True},
        keep="last",
        validate_every=1000,
        out=str(tmp_path_factory.mktemp("run") / "beats"),
    )


def test_beats_are_stored_beside_the_recordings(store, folder):
    opened = Store.open(store)
    row = opened.record_id.tolist().index("100/00010")
    found = wfdb.rdann(str(folder / "100"), "atr")
    want = [(s, n / RATE - 10) for n, s in zip(found.sample, found.symbol, strict=True)
            if 1000 <= n < 2000]  # fmt: skip
    marks = stored_marks(opened)[row]
    assert [mark.name for mark in marks] == [symbol for symbol, _ in want]
    np.testing.assert_allclose(
        [mark.onset for mark in marks], [time for _, time in want], atol=1e-6
    )
    assert {(mark.lead, mark.offset - mark.onset) for mark in marks} == {("", 0.0)}


def test_samples_around_a_beat_are_of_its_class_and_all_others_known_to_be_none():
    share, is_known = targets([Mark("", "V", 1.0, 1.0)], 0, 300, RATE, CLASSES)
    assert is_known.all()
    number = 1 + CLASSES.index("V")
    assert (share.argmax(axis=1)[0] == number).sum() == pytest.approx(10, abs=1)
    assert share[:, number, 100].tolist() == [1.0] * 12 and share[0, number, 80] == 0
    nothing, known = targets([], 0, 300, RATE, CLASSES)
    assert known.all() and (nothing[:, 0] == 1).all()


def test_beats_of_other_patients_are_found_and_told_apart(run, store, tmp_path):
    recipe = evaluate.Recipe(str(run.source), str(tmp_path), store, lead_sets="12 II",
                             num_resamples=20, device="cpu")  # fmt: skip
    for scores in evaluate.run(recipe):
        assert scores.num_records == 12  # of the two records that test
        assert set(scores.by_class) == {"N", "V", "any beat"}
        assert set(scores.not_scored) == {"S", "F", "Q"}
        for of_class in scores.by_class.values():
            assert of_class["se"].value > 0.9 and of_class["ppv"].value > 0.9
    assert "V" in (tmp_path / "report.html").read_text()


def test_a_list_of_beats_has_their_classes(run, folder):
    found = list(holter.beats(run, folder / "103.hea"))
    _, places, kinds = heart(3)
    assert len(found) == pytest.approx(len(kinds), abs=2)
    times = np.array([beat.time for beat in found])
    right = [kinds[int(np.abs(np.array(places) / RATE - t).argmin())] for t in times]
    assert np.mean([beat.kind == kind for beat, kind in zip(found, right, strict=True)]) > 0.9


def test_classes_that_nobody_marked_and_waves_of_such_a_model_are_refused(run, store, tmp_path):
    with pytest.raises(CheckpointError, match="tells beats by class"):
        run.delineate(
            np.zeros((1, 1000), np.float32) + np.arange(1000) % 7, sample_rate=RATE, leads="II"
        )
    with pytest.raises(RecipeError, match="no recording has a mark named P, QRS, T"):
        anylead.finetune(
            store, task="waves", out=str(tmp_path / "run"), train={"steps": 1},
            model={"encoder": {"size": "tiny", "overrides": {
                "stem": "residual", "conv_layers": [[8, 7, 2]]}}},
        )  # fmt: skip
    with pytest.raises(RecipeError, match="want P,QRS,T or N,S,V,F,Q"):
        _ = WaveConfig(classes="N,V").names
