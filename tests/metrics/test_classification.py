import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from anylead.metrics import weighted
from anylead.metrics.classification import classification_scores
from anylead.metrics.thresholds import best_f1_thresholds


def trial(num_records=200, num_classes=5, seed=0):
    generator = np.random.default_rng(seed)
    label = generator.random((num_records, num_classes)) < 0.3
    return label, np.clip(0.3 * label + 0.7 * generator.random(label.shape), 0, 1)


def test_macro_scores_equal_scikit_learns():
    label, probability = trial()
    scores = classification_scores(label, probability, threshold=0.6)
    assert scores.macro_auroc == pytest.approx(roc_auc_score(label, probability, average="macro"))
    assert scores.macro_auprc == pytest.approx(
        average_precision_score(label, probability, average="macro")
    )
    assert scores.macro_f1 == pytest.approx(f1_score(label, probability >= 0.6, average="macro"))
    assert scores.num_left_out == 0
    assert scores.num_positive.tolist() == label.sum(0).tolist()


def test_a_class_without_positives_or_negatives_is_left_out_and_counted():
    label, probability = trial()
    whole = classification_scores(label[:, 2:], probability[:, 2:])
    label[:, 0], label[:, 1] = False, True
    scores = classification_scores(label, probability)
    assert scores.num_left_out == 2
    assert scores.is_scored.tolist() == [False, False, True, True, True]
    assert np.isnan(scores.auroc[:2]).all()
    assert np.isnan(scores.f1[:2]).all()
    assert scores.macro_auroc == whole.macro_auroc
    assert scores.macro_auprc == whole.macro_auprc
    assert scores.macro_f1 == whole.macro_f1


def test_a_threshold_for_each_class():
    label, probability = trial()
    threshold = np.linspace(0.2, 0.8, 5)
    f1 = classification_scores(label, probability, threshold).f1
    for index in range(5):
        assert f1[index] == f1_score(label[:, index], probability[:, index] >= threshold[index])


def test_no_class_with_a_score_gives_nan_without_a_warning(recwarn):
    scores = classification_scores(np.zeros((4, 2)), np.full((4, 2), 0.5))
    assert np.isnan([scores.macro_auroc, scores.macro_auprc, scores.macro_f1]).all()
    assert not recwarn


@pytest.mark.parametrize(
    ("label", "probability", "said"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), "shape"),
        (np.full((3, 2), 2.0), np.zeros((3, 2)), "neither 0 nor 1"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "not finite"),
    ],
)
def test_refuses_what_cannot_be_scored(label, probability, said):
    with pytest.raises(ValueError, match=said):
        classification_scores(label, probability)


def with_unknown(label, seed=1):
    """The labels, a fifth of them unknown."""
    is_unknown = np.random.default_rng(seed).random(label.shape) < 0.2
    return np.where(is_unknown, np.nan, label)


def test_an_unknown_label_counts_for_its_class_neither_way():
    label, probability = trial()
    told = with_unknown(label)
    scores = classification_scores(told, probability, 0.6)
    for index in range(label.shape[1]):
        rows = np.isfinite(told[:, index])
        alone = classification_scores(
            label[rows, index : index + 1], probability[rows, index : index + 1], 0.6
        )
        for name in ("auroc", "auprc", "f1", "num_positive"):
            assert getattr(scores, name)[index] == getattr(alone, name)[0]


def test_scores_by_weight_agree_about_unknown_labels():
    label, probability = trial()
    told = with_unknown(label)
    scores = classification_scores(told, probability, 0.6)
    once = np.ones((len(label), 1), np.float32)
    assert weighted.macro_auroc(told, probability)(once) == pytest.approx(scores.macro_auroc)
    assert weighted.macro_auprc(told, probability)(once) == pytest.approx(scores.macro_auprc)
    assert weighted.macro_f1(told, probability >= 0.6)(once) == pytest.approx(scores.macro_f1)


def test_thresholds_do_not_hear_of_unknown_labels():
    label, probability = trial()
    told = with_unknown(label)
    chosen = best_f1_thresholds(told, probability)
    for index in range(label.shape[1]):
        rows = np.isfinite(told[:, index])
        one = slice(index, index + 1)
        assert chosen[index] == best_f1_thresholds(label[rows, one], probability[rows, one])[0]


def test_a_class_that_nobody_looked_for_has_no_score():
    label, probability = trial()
    told = label.astype(float)
    told[:, 0] = np.nan
    scores = classification_scores(told, probability)
    assert np.isnan(scores.auroc[0]) and scores.num_left_out == 1
    assert best_f1_thresholds(told, probability)[0] == 0.5
