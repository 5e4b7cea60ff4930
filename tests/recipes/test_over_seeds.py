"""The table of several seeds, against scores made one by one."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from anylead.commands.cli import main
from anylead.evaluation.scores import Settings

FOLDER = Path(__file__).resolve().parents[2]
SETS = ["12", "I"]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(FOLDER / "benchmarks" / "over_seeds.py"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store and four runs: two seeds each of two settings."""
    out = tmp_path_factory.mktemp("seeds")
    store = ["prepare", "synthetic", f"--out={out / 'store'}", "--options={num_patients: 24}"]
    assert main([*store, "--preprocess.sample_rate=100"]) == 0
    runs = {}
    for rate in ("1e-3", "1e-2"):
        runs[rate] = [out / f"{rate}-{seed}" for seed in (0, 1)]
        for seed, run in enumerate(runs[rate]):
            words = ["finetune", FOLDER / "recipes" / "finetune_ptbxl_small_resnet.yaml"]
            words += [f"--out={run}", f"--data.store={out / 'store'}", "--labels.task=rhythm"]
            words += [f"--train.seed={seed}", f"--optimizer.learning_rate={rate}"]
            words += ["--train.steps=3", "--train.batch_size=8", "--train.is_quiet=true"]
            assert main([*map(str, words), "--threshold_sets=12"]) == 0
    return out / "store", runs


def scores_of(store, run, out):
    """Macro AUROC by lead set, as `anylead evaluate` writes it."""
    words = ["evaluate", run, "--store", store, "--split", "valid", f"--out={out}"]
    words += [f"--lead_sets={' '.join(SETS)}", "--num_resamples=20"]
    assert main([str(word) for word in words]) == 0
    found = json.loads((out / "scores.json").read_text())["scores"]
    return {score["lead_set"]: score["macro"]["auroc"]["value"] for score in found}


def test_the_mean_and_each_seed_are_those_of_the_command(script, made, tmp_path):
    store, runs = made
    rows = {rate: [str(run) for run in each] for rate, each in runs.items()}
    settings = Settings(store=str(store), split="valid", num_resamples=50)
    lines = [line for line in script["tables"](rows, SETS, settings) if line]
    assert lines[0] == "| rhythm | 12 | I |"
    each = {
        rate: [scores_of(store, run, tmp_path / run.name) for run in of_rate]
        for rate, of_rate in runs.items()
    }
    decimals = script["decimals"]
    for rate, text in zip(runs, lines[2:4], strict=True):
        name, *cells = text.strip("| ").split(" | ")
        assert name == rate
        for leads, cell in zip(SETS, cells, strict=True):
            seeds = [scores[leads] for scores in each[rate]]
            assert cell.startswith(f"{decimals(np.mean(seeds))} [")
            assert cell.endswith(f"({', '.join(map(decimals, seeds))})")
    name, *cells = lines[4].strip("| ").split(" | ")
    assert name == "1e-3 - 1e-2"
    for leads, cell in zip(SETS, cells, strict=True):
        gaps = [a[leads] - b[leads] for a, b in zip(*each.values(), strict=True)]
        assert cell.startswith(f"{decimals(np.mean(gaps), '+')} [")
        assert cell.endswith(f"({', '.join(decimals(gap, '+') for gap in gaps)})")


def test_one_seed_beside_two_has_no_differences_by_seed(script, made):
    store, runs = made
    rows = {"two": [str(run) for run in runs["1e-3"]], "one": [str(runs["1e-2"][0])]}
    settings = Settings(store=str(store), split="valid", num_resamples=20)
    *_, gaps, _ = script["tables"](rows, ["12"], settings)
    assert gaps.startswith("| two - one | ")
    assert gaps.endswith("] |")


def test_another_score_of_some_classes_is_the_mean_of_theirs(script, made, tmp_path):
    store, runs = made
    run = runs["1e-3"][0]
    scores_of(store, run, tmp_path)
    (found,) = (
        score
        for score in json.loads((tmp_path / "scores.json").read_text())["scores"]
        if score["lead_set"] == "12"
    )
    by_class = {name: each["f1"]["value"] for name, each in found["by_class"].items()}
    known = [name for name, value in by_class.items() if np.isfinite(value)][:2]
    rows = {"row": [str(run)]}
    settings = Settings(store=str(store), split="valid", num_resamples=20)
    _, _, text, _ = script["tables"](rows, ["12"], settings, "f1", known)
    mean = np.mean([by_class[name] for name in known])
    assert text.startswith(f"| row | {script['decimals'](mean)} [")
    with pytest.raises(SystemExit, match="no class nothing"):
        list(script["tables"](rows, ["12"], settings, "f1", ["nothing"]))


def test_models_together_answer_with_the_mean_of_their_logits(script, made):
    store, runs = made
    settings = Settings(store=str(store), split="valid", num_resamples=20)
    names = [str(runs[rate][0]) for rate in runs]
    each = [script["run_of"](name, settings).predict("I") for name in names]
    (together,) = script["opened"](["+".join(names)], settings)["rhythm"]
    mean = (each[0].logits + each[1].logits) / 2
    np.testing.assert_allclose(together.predict("I").logits, mean, rtol=1e-5)
    assert np.array_equal(together.predict("I").row, each[0].row)
    assert together.evidence("I").arrays["probability"].shape == mean.shape


def test_numbers_keep_their_sign_and_lose_the_zero_before_the_point(script):
    written = [script["decimals"](value, "+") for value in (-0.0204, 0.0, 0.5)]
    assert written == ["-.020", "+.000", "+.500"]
    assert script["decimals"](1.0) == "1.000"
    assert script["decimals"](0.1004) == ".100"
