import csv
import io
import math

import numpy as np
import pytest

from anylead.pictures import (
    precision_recall_curves,
    reliability_diagram,
    render,
    roc_curves,
    training_curves,
)
from anylead.pictures.curves import _calibration, _wilson

NAMES = ("NORM", "MI", "STTC")
MANY = tuple(f"a diagnosis with a long name, number {i}" for i in range(26))


def predictions(num_classes, num_records=200, seed=0):
    random = np.random.default_rng(seed)
    target = random.random((num_records, num_classes)) < 0.3
    probability = 1 / (1 + np.exp(1 - 2 * target + random.normal(size=target.shape)))
    return probability, target


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def legends(figure):
    boxes = [axes.get_legend() for axes in figure.axes] + list(figure.legends)
    return [text.get_text() for box in boxes if box for text in box.get_texts()]


LOG = """step,loss,contrast,segments,code_perplexity,learning_rate,ecgs_per_second,valid/loss,note
0,3.5,2.5,1.0,20,0.0,,4.0,start
10,3.0,2.0,1.0,30,1e-4,200,,
20,2.5,1.6,0.9,40,5e-5,210,3.0,end
"""


def test_a_log_becomes_one_panel_per_kind_of_number():
    figure = training_curves(csv.DictReader(io.StringIO(LOG)))
    assert titles(figure) == ["loss", "code perplexity", "learning rate", "ecgs per second"]
    losses = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert sorted(losses) == ["contrast", "loss", "segments", "valid/loss"]
    np.testing.assert_array_equal(losses["valid/loss"], [[0, 4], [20, 3]])


def test_the_mean_of_a_long_log_keeps_its_level():
    rows = [{"step": i, "loss": 2.0 + (-1) ** i} for i in range(1000)]
    raw, mean = training_curves(rows).axes[0].lines
    assert np.ptp(raw.get_ydata()) == 2
    assert mean.get_ydata()[50:-50] == pytest.approx(2.0, abs=0.11)


@pytest.mark.parametrize("rows", [[], [{"epoch": 1}], [{"step": 1, "note": "x"}]])
def test_a_log_without_numbers_is_refused(rows):
    with pytest.raises(ValueError, match=r"log"):
        training_curves(rows)


@pytest.mark.parametrize("draw", [roc_curves, precision_recall_curves])
def test_the_legend_ranks_the_classes_and_names_those_without_a_score(draw):
    probability, target = predictions(3)
    target[:, 1] = False
    probability[:, 2] = target[:, 2]
    ranked = legends(draw(probability, target, NAMES))
    assert ranked[0] == "STTC  1.000"
    assert ranked[1].startswith("NORM  0.")
    assert ranked[2] == "MI  no positive record"


def test_auroc_in_the_legend_is_the_share_of_pairs_in_the_right_order():
    probability, target = predictions(1)
    positive, negative = probability[target[:, 0], 0], probability[~target[:, 0], 0]
    share = np.mean([p > n for p in positive for n in negative])
    assert legends(roc_curves(probability, target, ["AF"])) == [f"AF  {share:.3f}"]


def test_a_class_looks_the_same_in_both_figures():
    probability, target = predictions(3)

    def colors(figure):
        lines = [line for line in figure.axes[0].lines if "  " in line.get_label()]
        return {line.get_label().split()[0]: line.get_color() for line in lines}

    roc, recall = (
        draw(probability, target, NAMES) for draw in (roc_curves, precision_recall_curves)
    )
    assert colors(roc) == colors(recall)
    assert len(set(colors(roc).values())) == 3


def test_calibration_equals_its_definition():
    probability, target = predictions(1)
    stated, observed, counts, error = _calibration(probability[:, 0], target[:, 0], 10)
    expected = 0.0
    filled = []
    for k in range(10):
        members = [
            i
            for i in range(200)
            if k / 10 <= probability[i, 0] < (k + 1) / 10 or probability[i, 0] == (k + 1) / 10 == 1
        ]
        if members:
            mean = sum(probability[i, 0] for i in members) / len(members)
            share = sum(bool(target[i, 0]) for i in members) / len(members)
            expected += abs(mean - share) * len(members) / 200
            filled.append((mean, share, len(members)))
    assert list(zip(stated, observed, counts, strict=True)) == [
        pytest.approx(row) for row in filled
    ]
    assert error == pytest.approx(expected)


def test_wilsons_interval_of_five_in_ten():
    low, high = _wilson(np.array([0.5]), np.array([10]))
    assert (low[0], high[0]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))


@pytest.mark.parametrize("names", [NAMES[:1], NAMES, MANY])
@pytest.mark.parametrize("draw", [roc_curves, precision_recall_curves, reliability_diagram])
def test_no_text_is_cut_and_bytes_repeat(draw, names, texts_outside):
    figure, again = (draw(*predictions(len(names)), names) for _ in range(2))
    assert render(figure) == render(again)
    assert texts_outside(figure) == []


def test_no_text_of_a_training_report_is_cut(texts_outside):
    assert texts_outside(training_curves(csv.DictReader(io.StringIO(LOG)))) == []


def test_names_with_dollar_signs_are_not_markup():
    probability, target = predictions(2)
    names = [r"$\frac{", "a$b$c_d^"]
    assert "a$b$c_d^" in render(roc_curves(probability, target, names)).decode()
    assert math.isfinite(len(render(reliability_diagram(probability, target, names))))


def test_shapes_that_do_not_belong_together_are_refused():
    probability, target = predictions(3)
    with pytest.raises(ValueError, match="2 names"):
        roc_curves(probability, target, NAMES[:2])
