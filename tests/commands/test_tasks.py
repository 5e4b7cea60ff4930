"""Every task that answers, from a table of labels to a scored model and its answers."""

import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
from filelock import FileLock

import anylead
import fitted_model
from anylead.checkpoint import load_checkpoint
from anylead.commands import pack
from anylead.commands.cli import main
from anylead.errors import RecipeError
from anylead.evaluation import EVALUATIONS, Settings
from anylead.tasks import TASKS

SMALL = {"dim": 16, "num_layers": 1, "ffn_dim": 16, "conv_pos_kernel": 8}
ENCODER = {"size": "tiny", "overrides": SMALL}
TRAIN = {"epochs": 1, "batch_size": 16, "is_quiet": True}
ANSWERS = ("classification", "multiclass", "regression")
OF_TASK = {"classification": "rhythm", "multiclass": "beat", "regression": "LVEF+age"}


@pytest.fixture(scope="module")
def recordings():
    """100 ECGs; the voltage tells the ejection fraction, of which some are unknown."""
    rng = np.random.default_rng(0)
    made = []
    for number, record in enumerate(fitted_model.recordings()):
        factor = rng.uniform(0.5, 1.5)
        known = {"weight": 1.0 + number % 3} | ({"LVEF": 40 + 20 * factor} if number % 9 else {})
        beat = "wide" if {"LBBB", "RBBB"} & set(record.labels["rhythm"]) else "narrow"
        labels = {**record.labels, "beat": (beat,) if number % 7 else ()}
        made.append(replace(record, signal=record.signal * np.float32(factor), labels=labels,
                            resolution=None, measurements=known))  # fmt: skip
    return made


@pytest.fixture(scope="module")
def store(recordings, tmp_path_factory):
    out = tmp_path_factory.mktemp("tasks") / "store"
    return anylead.prepare(records=recordings, out=out, preprocess={"sample_rate": 100})


@pytest.fixture(scope="module")
def fitted(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")

    def fit(task, **fields):
        return anylead.finetune(
            store,
            model={"encoder": ENCODER, "train": "full"},
            **{"task": task, "out": out / task, "labels": {"task": OF_TASK[task]},
               "threshold_sets": "2 1", "train": TRAIN, **fields},
            optimizer={"learning_rate": 1e-3},
        )  # fmt: skip

    return {task: fit(task) for task in ANSWERS} | {"fit": fit}


def test_every_task_that_answers_is_here():
    # Waves and survival have files of tests of their own.
    assert {*ANSWERS, "identification", "waves", "survival"} == set(EVALUATIONS) == set(TASKS)


@pytest.mark.parametrize("task", ANSWERS)
def test_what_is_scored_is_what_the_model_says(task, fitted, store, recordings):
    model = fitted[task]
    settings = Settings(store=str(store.location), split="test", num_resamples=10)
    opened = EVALUATIONS[task].open(model.source, load_checkpoint(model.source), settings)
    arrays = opened.evidence("I").arrays
    rows = opened.predictions["I"].row
    said = model.predict([recordings[row] for row in rows], use_leads="I")
    expected = np.array([list(each.values()) for each in said])
    told = arrays["predicted" if task == "regression" else "probability"]
    if task == "multiclass":
        np.testing.assert_allclose(expected.sum(axis=1), 1)
        expected = expected[[len(recordings[row].labels["beat"]) == 1 for row in rows]]
    np.testing.assert_allclose(told, expected, atol=1e-4 * np.abs(expected).max())


def test_a_number_is_in_its_own_unit(fitted, recordings):
    said = pandas.DataFrame(fitted["regression"].predict(recordings))
    assert said.columns.tolist() == ["LVEF", "age"]
    assert said.mean().tolist() == pytest.approx([60, 58], abs=8)
    described = fitted["regression"].description
    assert described["target_spread"] == pytest.approx([5.8, 17], rel=0.4)
    assert described["valid_mae"].keys() == {"LVEF", "age"}
    assert set(described["valid_scores"]) >= {"12", "2", "1"}


@pytest.mark.parametrize("task", ANSWERS)
def test_answers_scores_and_reports(task, fitted, store, recordings, tmp_path):
    packed = pack.run(pack.Recipe(
        model=str(fitted[task].source), out=str(tmp_path / "packed"), store=str(store.location),
        lead_sets="12 I", num_resamples=10, name=task,
    ))  # fmt: skip
    model = anylead.load(packed)
    answer = model.answer(recordings[0], use_leads="I")
    assert answer.is_measured and answer.is_answered
    assert "validated with exactly these leads" in str(answer)
    frame = anylead.predict(recordings[:3], model, out=tmp_path / "answers.csv")
    again = pandas.read_csv(tmp_path / "answers.csv")
    if task == "regression":
        assert again["value.LVEF"].tolist() == pytest.approx(frame["value.LVEF"].tolist())
        assert answer.values.keys() == {"LVEF", "age"} and not answer.probabilities
        assert f"LVEF  {answer.values['LVEF']:.4g}" in str(answer)
    else:
        assert frame.filter(like="probability.").shape == (3, len(model.label_names))
    if task == "multiclass":
        assert frame.filter(like="decision.").sum(axis=1).tolist() == [1, 1, 1]
        assert answer.positive == (max(answer.probabilities, key=answer.probabilities.get),)
        assert "the most probable" in str(answer)
        slope, offset = model.description["calibration"]["I"][answer.positive[0]]
        logits = model.predict(recordings[0], use_leads="I", logits=True)
        share = np.exp([slope * each for each in logits.values()])
        assert offset == 0 and sum(answer.probabilities.values()) == pytest.approx(1)
        assert max(answer.probabilities.values()) == pytest.approx(share.max() / share.sum())
    scores = anylead.evaluate(model, store=store, out=tmp_path, lead_sets="I", num_resamples=10)
    wanted = EVALUATIONS[task].score_names(model.label_names)
    assert set(wanted) == set(scores[scores["class"] == ""]["score"])
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 3
    assert json.loads((tmp_path / "scores.json").read_text())["scores"]


def test_a_model_is_not_packed_over_another_run_or_beside_another_process(fitted, tmp_path):
    out, source = tmp_path / "out", fitted["regression"].source
    recipe = pack.Recipe(model=str(source), out=str(out))
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(RecipeError, match="another run is at work there"):
        pack.run(recipe)
    (out / "recipe.yaml").write_text("of a run")
    with pytest.raises(RecipeError, match=r"holds a run \(recipe\.yaml\)"):
        pack.run(recipe)
    assert (out / "recipe.yaml").read_text() == "of a run"
    assert not list(out.glob("model.*"))


def test_a_csv_of_numbers_becomes_a_regression(recordings, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    lines = ["file,patient,LVEF"]
    for number, record in enumerate(recordings[:40]):
        told = {"leads": list(record.leads), "sample_rate": fitted_model.RATE, "unit": "mV"}
        np.savez(files / f"{number}.npz", signal=record.signal, **told)
        lines.append(f"{number},p{number},{record.measurements.get('LVEF', '')}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    out = str(tmp_path / "store")
    options = json.dumps({"labels": str(tmp_path / "t.csv"), "label_columns": ["LVEF"]})
    words = ["prepare", "folder", str(files), "-o", out, "--num_workers", "1", "--options", options]
    assert main([*words, "--preprocess.sample_rate", "100"]) == 0
    known = anylead.Store.open(out).measurement("LVEF")
    assert np.isfinite(known).sum() == sum("LVEF" in each.measurements for each in recordings[:40])


def test_weights_and_other_losses_are_options(fitted, tmp_path):
    fit = fitted["fit"]
    for number, (task, loss) in enumerate({
        "classification": {"name": "asymmetric", "class_weight": {"AFIB": 3.0}},
        "multiclass": {"name": "focal", "balanced": True, "row_weight": "weight"},
        "regression": {"name": "huber", "row_weight": "weight"},
    }.items()):  # fmt: skip
        model = fit(task, loss=loss, out=tmp_path / str(number), threshold_sets="12",
                    train={**TRAIN, "steps": 2})  # fmt: skip
        assert model.description["provenance"]["recipe"]["loss"]["name"] == loss["name"]


@pytest.mark.parametrize(
    ("task", "fields", "told"),
    [
        ("classification", {"loss": {"name": "huber"}}, "loss.name 'huber'"),
        ("classification", {"loss": {"class_weight": {"AF": 2.0}}}, "did you mean AFIB"),
        ("regression", {"loss": {"balanced": True}}, "are for labels"),
        ("regression", {"loss": {"row_weight": "LVEF"}}, "recordings without it"),
        ("regression", {"labels": {"task": None}}, "'age', 'LVEF', 'weight'"),
        ("multiclass", {"labels": {"task": "rhythm+beat"}}, "exclude each other not"),
        ("classification", {"loss": {"gamma": 0.5}}, "want 0, or 1 to 20"),
    ],
)
def test_what_cannot_be_learned_is_told(task, fields, told, fitted, tmp_path):
    with pytest.raises(RecipeError, match=told):
        fitted["fit"](task, **{"out": tmp_path / "run", **fields})


def test_fine_tuning_starts_from_a_model_by_its_name(tmp_path):
    named = anylead.load("synthetic-tiny")
    store = anylead.prepare(
        records=fitted_model.recordings(), out=tmp_path / "s", preprocess=named.preprocess_config
    )
    model = anylead.finetune(
        store, model="synthetic-tiny", out=tmp_path / "run",
        data={"segment_seconds": named.description["segment_seconds"]},
        train={"steps": 1, "batch_size": 8, "is_quiet": True},
    )  # fmt: skip
    told = model.description["provenance"]
    assert told["pretraining"]["data"] == named.description["data"]
    assert model.description["encoder"].items() >= named.description["encoder"].items()
