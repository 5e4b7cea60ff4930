"""The chain that makes ptbxl-small, at the smallest size on generated data."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import anylead
from anylead import datasets
from anylead.commands.cli import main
from anylead.store import Store
from store.test_store import build_store

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
SMALL = ["--train.steps=2", "--train.batch_size=8", "--train.is_quiet=true"]
TINY = {
    "conv_layers": [[16, 15, 2], [16, 7, 4], [16, 7, 2]],
    "dim": 32,
    "num_layers": 1,
    "num_heads": 2,
    "ffn_dim": 32,
    "conv_pos_kernel": 16,
    "conv_pos_groups": 2,
    "stem": "residual",
    "norm_first": True,
    "completes_limb_leads": True,
    "layer_drop": 0.1,
}
LEADS = ("12", "II", "V1,V2,V3,V4,V5,V6")
TASKS = "rhythm+form"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of two label tasks; every third recording has no form."""
    records = []
    for n, record in enumerate(datasets.records("synthetic", num_patients=24, sample_rate=100.0)):
        labels = {**record.labels, "form": ("PVC",) if n % 2 else ("ABQRS",)}
        labels |= {
            f"{level}diagnostic": ("MI",) if n % 4 else ("HYP",) for level in ("super", "sub")
        }
        if n % 3 == 0:
            labels.pop("form")
        split = "valid" if int(n / 2) % 2 else "train"
        records.append(replace(record, labels=labels, split=split))
    return build_store(tmp_path_factory.mktemp("two_tasks") / "s", records)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, store):
    out = tmp_path_factory.mktemp("runs")
    data = f"--data.store={store}"
    first = ["pretrain", str(FOLDER / "pretrain_ptbxl_small.yaml"), f"--out={out / 'first'}"]
    assert main([*first, data, *SMALL, f"--encoder.overrides={json.dumps(TINY)}"]) == 0
    second = ["finetune", str(FOLDER / "finetune_ptbxl_small.yaml"), f"--out={out / 'second'}"]
    second += [f"--model.checkpoint={out / 'first'}", f"--labels.task={TASKS}"]
    second += [f"--model.encoder.overrides={json.dumps(TINY)}"]
    assert main([*second, data, *SMALL]) == 0
    third = ["pack", str(FOLDER / "pack_ptbxl_small.yaml"), f"--model={out / 'second'}"]
    third += [f"--out={out / 'third'}", f"--lead_sets={' '.join(LEADS)}", "--num_resamples=20"]
    assert main(third) == 0
    return out


@pytest.mark.parametrize("student", ["pretrained", "resnet"])
def test_the_script_makes_it_and_a_second_time_finds_it_made(store, tmp_path, student):
    script = runpy.run_path(str(FOLDER.parent / "benchmarks" / "ptbxl_small.py"))
    maker = script["Maker"](store, tmp_path, SMALL, TINY)
    pack = [f"--lead_sets={' '.join(LEADS)}", "--num_resamples=20"]
    made = script["make"](maker, student, pack)
    recipe = json.loads((made / "model.json").read_text())["provenance"]["recipe"]
    encoder = "random_12" if student == "resnet" else "only_12"
    assert [Path(name).name for name in recipe["teacher"]["models"]] == [encoder, "resnet_12"]
    taught = {key: [Path(name).name for name in names]
              for key, names in recipe["teacher"]["by_leads"].items()}  # fmt: skip
    assert set(taught) == {"I", "II", "V1,V2,V3,V4,V5,V6"}
    assert taught["II"] == ["only_II", "resnet_II"][student == "resnet" :]
    if student == "pretrained":
        assert str(tmp_path) not in json.dumps(recipe)
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/done")}
    assert len(done) == (6 if student == "resnet" else 11)
    script["make"](maker, student, pack)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/done")} == done


def test_the_packed_model_knows_itself_with_each_set_of_leads(runs, store):
    described = json.loads((runs / "third" / "model.json").read_text())
    for leads in LEADS:
        assert set(described["thresholds"][leads]) == common_classes(store)
        assert set(described["calibration"][leads]) == set(described["label_names"])
        for score in described["scores"][leads].values():
            low, high = score["auroc"][1:]
            assert 0 <= low <= score["auroc"][0] <= high <= 1
    assert described["training"]["pretraining"]["method"] == "data2vec+cmsc"
    assert described["training"]["hash"] == Store.open(store).manifest.content_hash
    assert str(runs) not in json.dumps(described)
    assert "Not for" in (runs / "third" / "README.md").read_text()


def common_classes(path, fewest=10):
    """Those that at least so many recordings of the validation split have."""
    store = Store.open(path)
    label, _ = store.labels(TASKS)
    rows = store.split_rows(TASKS, "auto")["valid"]
    names = np.array(store.label_names(TASKS))
    return set(names[(label[rows] == 1).sum(axis=0) >= fewest])


def test_the_packed_model_predicts_what_the_run_predicts(runs, store):
    record = next(iter(datasets.records("synthetic", num_patients=1)))
    packed, run = (
        anylead.load(runs / name).predict(record, logits=True) for name in ("third", "second")
    )
    assert packed == run
    assert set(packed) == set(Store.open(store).label_names(TASKS))


def test_its_scores_are_those_of_evaluate_task_by_task(runs, store):
    main(["evaluate", str(runs / "third"), f"--store={store}", "--split=valid",
          "--num_resamples=20", f"--lead_sets={LEADS[1]}", f"--out={runs}"])  # fmt: skip
    scores = json.loads((runs / "scores.json").read_text())["scores"]
    described = json.loads((runs / "third" / "model.json").read_text())
    expected = {task: score["auroc"][0] for task, score in described["scores"]["II"].items()}
    found = {row["run"].rpartition(" ")[2]: row["macro"]["auroc"]["value"] for row in scores}
    assert found == pytest.approx(expected, abs=2e-5)
