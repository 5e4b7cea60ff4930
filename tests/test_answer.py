"""An answer tells what it rests on: thresholds, calibration and scores of the nearest lead set."""

import copy
import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

import anylead
import fitted_model
from anylead.checkpoint import Checkpoint
from anylead.errors import CheckpointError
from anylead.inference.answer import nearest
from anylead.inference.model import Model
from anylead.inference.weights import fingerprint

MEASURED = {
    "name": "little",
    "thresholds": {"12": {"AFIB": 0.9, "SR": 0.2}, "2": {"AFIB": 0.1}},
    "calibration": {"2": {"AFIB": [2.0, -1.0]}},
    "scores": {"12": {"auroc": [0.9, 0.85, 0.95]}, "1": {"auroc": [0.7, 0.6, 0.8]}},
    "training": {"data": "made up", "records": 1200, "patients": 700, "date": "2026-01-02"},
}


def measured(**changed):
    made = fitted_model.checkpoint()
    return Model(Checkpoint(made.tensors, {**made.description, **MEASURED, **changed}), "cpu")


@pytest.fixture(scope="module")
def model():
    return measured()


@pytest.fixture(scope="module")
def record():
    return fitted_model.recordings()[0]


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (["I", "II"], "2"),
        (["I"], "1"),
        (["V1"], "12"),  # the others have nothing in common with it
        (["I", "II", "V1"], "2"),  # two of three; the twelve share three of twelve
        (["I", "II", "III", "aVR", "aVL", "aVF", "V1"], "12"),
    ],
)
def test_the_nearest_measured_set_shares_most(seen, wanted):
    assert nearest(seen, ["12", "2", "1"]) == wanted
    assert nearest(seen, []) is None


def test_all_twelve_leads_take_what_was_measured_with_them(model, record):
    answer = model.answer(record)
    assert answer.probabilities == model.predict(record)  # no calibration for 12 leads
    assert answer.thresholds == {"AFIB": 0.9, "SR": 0.2}
    assert answer.decisions == {
        label: answer.probabilities[label] >= limit for label, limit in answer.thresholds.items()
    }
    assert (answer.decided_with, answer.scored_with, answer.is_measured) == ("12", "12", True)
    assert answer.scores == {"auroc": (0.9, 0.85, 0.95)}
    assert answer.seconds == pytest.approx(5.0)


def test_two_leads_are_calibrated_with_their_own_line(model, record):
    answer = model.answer(record, use_leads="2")
    logit = model.predict(record, use_leads="2", logits=True)["AFIB"]
    assert answer.probabilities["AFIB"] == pytest.approx(1 / (1 + math.exp(1 - 2 * logit)))
    assert answer.decisions == {"AFIB": 1 / (1 + math.exp(-logit)) >= 0.1}
    assert answer.thresholds["AFIB"] == pytest.approx(1 / (1 + math.exp(1 - 2 * math.log(1 / 9))))
    assert answer.decided_with == "2"
    assert not answer.is_measured  # scores are there for 12 leads and for lead I
    assert "not validated with exactly these leads; the nearest set, I:" in str(answer)


def test_lists_in_the_order_of_the_labels_and_scores_by_task_mean_the_same(record):
    names = fitted_model.LABELS
    listed = measured(
        thresholds={"12": [0.1 * i for i in range(len(names))]},
        calibration={"12": {"slope": [1.5] * len(names), "offset": [0.1] * len(names)}},
        scores={"12": {"rhythm": {"auroc": [0.9, 0.8, 1.0], "records": 7}}},
        training={"name": "made up", "recordings": {"train": 5, "valid": 2}},
    )
    named = measured(
        thresholds={"12": {name: 0.1 * i for i, name in enumerate(names)}},
        calibration={"12": {name: [1.5, 0.1] for name in names}},
        scores={"12": {"rhythm auroc": [0.9, 0.8, 1.0]}},
        training={"data": "made up", "records": 5},
    )
    one, other = listed.answer(record), named.answer(record)
    assert replace(one, model=other.model) == other
    assert one.model.trained == other.model.trained


def test_the_words_for_a_person_have_what_matters_first_and_count_the_rest(model, record):
    answer = replace(
        model.answer(record),
        probabilities={
            "SR": 0.2,
            "SBRAD": 0.3,
            "AFIB": 0.6,
            "STE": 0.05,
            "LBBB": 0.02,
            "RBBB": 0.9,
        },
        thresholds={"SR": 0.1, "SBRAD": 0.7, "AFIB": 0.9, "STE": 0.04, "RBBB": 2.0},
        decisions={"SR": True, "SBRAD": False, "AFIB": False, "STE": True, "RBBB": False},
    )
    lines = [line.strip() for line in answer.lines()[1:]]
    assert lines[:4] == [
        "SR (sinus rhythm)  20.0%  yes (threshold 10.0%)",
        "STE (ST elevation)  5.0%  yes (threshold 4.0%)",
        "AFIB (atrial fibrillation)  60.0%  no (threshold 90.0%)",
        "3 other labels are far below their thresholds",
    ]
    whole = "\n".join(answer.lines(every_label=True))
    assert all(label in whole for label in answer.probabilities)
    assert "LBBB (left bundle branch block)  2.0%  no decision" in whole
    assert "RBBB (right bundle branch block)  90.0%  no (never said with these leads)" in whole


def test_a_list_of_thresholds_is_that_of_the_leads_of_the_training(record):
    limits = [0.3] * len(fitted_model.LABELS)
    answer = measured(thresholds=limits, leads="2", calibration={}).answer(record)
    assert answer.leads == ("I", "II")
    assert answer.decided_with == "2"
    assert set(answer.thresholds.values()) == {0.3}


def test_a_model_that_says_nothing_of_itself_answers_with_less(record):
    answer = fitted_model.model().answer(record)
    assert answer.decisions == {}
    assert answer.scores == {}
    assert answer.model.trained == "training data not stated"
    assert "was not measured" in str(answer)


def test_generated_ecgs_are_called_so(record):
    only = measured(training={}, data={"name": "synthetic", "records": 40})
    assert only.answer(record).model.trained == "trained on generated ECGs only: 40 recordings"
    told = "trained on made up: 1,200 recordings of 700 patients, 2026-01-02"
    assert measured().answer(record).model.trained == told


def test_the_plain_form_is_json_and_says_all(model, record):
    plain = json.loads(json.dumps(model.answer(record).as_dict()))
    assert plain["model"]["name"] == "little"
    assert plain["model"]["training"] == MEASURED["training"]
    assert plain["positive"] == [
        label for label, limit in {"AFIB": 0.9, "SR": 0.2}.items()
        if plain["probabilities"][label] >= limit
    ]  # fmt: skip
    assert len(plain["model"]["version"]) == 12


def test_noise_gets_no_answer_unless_it_is_forced(model, record):
    noise = np.random.default_rng(0).standard_normal(record.signal.shape).astype(np.float32)
    noisy = replace(record, signal=noise)
    answers = model.answer([record, noisy, record])
    assert answers[0].probabilities == answers[2].probabilities != {}
    assert answers[0].refusal is None
    assert answers[1].probabilities == {}
    assert "no heart beat" in answers[1].refusal
    assert "no answer: no heart beat" in str(answers[1])
    forced = model.answer(noisy, force=True)
    assert forced.probabilities == model.predict(noisy)
    assert "doubtful: no heart beat" in str(forced)


def test_a_wrong_unit_gets_no_answer(model, record):
    assert "wrong unit" in model.answer(replace(record, signal=record.signal / 1000)).refusal


def test_flat_and_swapped_leads_are_told_and_flat_ones_not_seen(model, record):
    signal = record.signal.copy()
    signal[6] = 0.0
    answer = model.answer(replace(record, signal=signal))
    assert "V1" not in answer.leads
    assert "V1: flat, not used" in answer.warnings
    assert answer.quality["V1"] == ("flat",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"thresholds": {"Q": {"SR": 0.5}}},
        {"thresholds": [0.5]},
        {"calibration": {"12": {"SR": 1.0}}},
        {"scores": {"12": {"auroc": [0.9]}}},
    ],
)
def test_fields_of_another_form_are_a_checkpoint_error(wrong, record):
    with pytest.raises(CheckpointError, match="cannot be used"):
        measured(**wrong).answer(record)


@pytest.mark.parametrize(
    "way", [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_a_copy_of_a_model_answers_the_same_also_after_use(way, record):
    model = fitted_model.model()
    model.see_only("2")
    before = way(model)
    wanted = model.answer(record)
    assert before.answer(record) == wanted == way(model).answer(record)
    assert way(model).batch_size == model.batch_size


def test_a_model_and_an_answer_show_what_they_are_in_a_few_words(model, record):
    assert repr(model) == "Model(in memory, classification, 7 labels, dim 48)"
    assert "&lt;" not in model.answer(record)._repr_html_()
    assert model.answer(record)._repr_html_().startswith("<pre>")


def test_weights_that_are_a_single_number_have_a_fingerprint():
    one, other = (fingerprint({"count": torch.tensor(n)}, ["x"]) for n in (1, 2))
    assert one != other == fingerprint({"count": torch.tensor(2)}, ["x"])


@pytest.mark.parametrize("leads", ["12", "II,V2"])
def test_an_offset_of_the_electrodes_changes_no_answer_and_is_told(leads):
    box = anylead.load("ptbxl-small", device="cpu")
    for record in fitted_model.recordings()[:4]:
        shift = np.linspace(-5, 300, 12)[:, None].astype(np.float32)
        moved = replace(record, signal=record.signal + shift)
        middle = np.median(record.signal, axis=1, keepdims=True)
        centred = replace(record, signal=record.signal - middle)
        expected, found = (box.answer(x, use_leads=leads) for x in (centred, moved))
        assert expected.warnings == found.warnings[:-1]
        assert "off zero by up to" in found.warnings[-1] and "taken off" in found.warnings[-1]
        for label, probability in expected.probabilities.items():
            assert found.probabilities[label] == pytest.approx(probability, abs=0.01)
