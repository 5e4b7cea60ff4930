import numpy as np
import pytest

from anylead.pictures import (
    Interval,
    confusion_by_pair,
    embedding_map,
    identification_scores,
    render,
    score_by_lead_set,
    score_by_lead_set_narrow,
)
from anylead.pictures.scores import pair_confusion, verification_curve

RNG = np.random.default_rng(0)
SCORES = {
    model: {
        name: Interval(best - 0.02 * i, best - 0.02 * i - 0.015, best - 0.02 * i + 0.01)
        for i, name in enumerate(("12", "6", "4", "3", "2", "I,II,V1,V5"))
    }
    for model, best in (("random init", 0.84), ("a model with a rather long name " * 2, 0.93))
}


def test_intervals_are_written_with_three_digits():
    assert str(Interval(0.9311, 0.912, 0.948)) == "0.931 [0.912, 0.948]"


def test_every_model_stands_at_every_lead_set_without_hiding_another():
    figure = score_by_lead_set(SCORES, "macro AUROC")
    first, second = figure.axes[0].containers
    places = [bar.lines[0].get_xdata() for bar in (first, second)]
    assert np.abs(places[0] - places[1]).min() > 0.1
    for bar, row in zip((first, second), SCORES.values(), strict=True):
        np.testing.assert_allclose(
            bar.lines[0].get_ydata(), [score.value for score in row.values()]
        )
        ends = np.array([segment[:, 1] for segment in bar.lines[2][0].get_segments()])
        np.testing.assert_allclose(ends, [[score.low, score.high] for score in row.values()])


def test_a_model_may_lack_a_lead_set():
    scores = {"a": {"12": (0.9, 0.8, 0.95)}, "b": {"6": (0.8, 0.7, 0.9)}}
    figure = score_by_lead_set(scores)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["12", "6"]
    assert figure.axes[0].containers[1].lines[0].get_xdata()[0] == pytest.approx(1, abs=0.4)


def test_the_narrow_figure_shows_the_same_and_every_lead_set():
    figure = score_by_lead_set_narrow(SCORES, "macro AUROC")
    names = [label.get_text().replace("\n", "") for label in figure.axes[0].get_yticklabels()]
    assert names == list(next(iter(SCORES.values())))
    for bar, row in zip(figure.axes[0].containers, SCORES.values(), strict=True):
        np.testing.assert_allclose(
            bar.lines[0].get_xdata(), [score.value for score in row.values()]
        )
    assert figure.get_figwidth() < 4


def test_pair_confusion_equals_its_definition():
    target, predicted = RNG.random((2, 60, 5)) < 0.4
    target[:, 4] = False
    share = pair_confusion(predicted, target)
    for i in range(5):
        for j in range(5):
            rows = [r for r in range(60) if target[r, i] and (i == j or not target[r, j])]
            if rows:
                expected = sum(bool(predicted[r, j]) for r in rows) / len(rows)
                assert share[i, j] == pytest.approx(expected)
            else:
                assert np.isnan(share[i, j])


def test_verification_curve_equals_its_definition():
    genuine, impostor = RNG.normal(1, 1, 30).round(1), RNG.normal(0, 1, 50).round(1)
    false_accept, true_accept, equal_error = verification_curve(genuine, impostor)
    points = set(zip(false_accept.round(6), true_accept.round(6), strict=True))
    for threshold in [*genuine, *impostor]:
        accepted = (
            sum(s >= threshold for s in impostor) / 50,
            sum(s >= threshold for s in genuine) / 30,
        )
        assert tuple(np.round(accepted, 6)) in points
    assert (false_accept[-1], true_accept[-1]) == (1, 1)
    assert 0 < equal_error < 0.5


def test_scores_that_part_completely_have_no_equal_error():
    assert verification_curve(np.array([0.8, 0.9]), np.array([0.1, 0.2]))[2] == 0.0


def test_only_the_most_frequent_labels_get_a_colour_of_their_own():
    label = [f"label {i}" for i in range(12) for _ in range(20 - i)]
    embedding = RNG.normal(size=(len(label), 4))
    texts = [text.get_text() for text in embedding_map(embedding, label).legends[0].get_texts()]
    assert texts[0] == f"5 other labels ({sum(20 - i for i in range(7, 12))})"
    assert texts[1:] == [f"label {i} ({20 - i})" for i in range(7)]


def test_the_map_shows_the_plane_of_greatest_variance():
    embedding = np.random.default_rng(3).normal(size=(300, 5)) * [0.01, 9, 0.01, 3, 0.01]
    axes = embedding_map(embedding, ["a"] * 300).axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    centred = embedding - embedding.mean(axis=0)
    assert abs(np.corrcoef(points[:, 0], centred[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(points[:, 1], centred[:, 3])[0, 1]) > 0.99


def test_thousands_of_points_do_not_make_the_file_grow_with_them():
    random = np.random.default_rng(1)
    sizes = []
    for count in (3000, 12000):
        figure = embedding_map(random.normal(size=(count, 3)), ["a"] * count)
        sizes.append(len(render(figure, dpi=100)))
    assert sizes[1] < 2 * sizes[0]


def confusion(num_classes):
    target, predicted = np.random.default_rng(2).random((2, 60, num_classes)) < 0.3
    return confusion_by_pair(
        predicted, target, [f"a diagnosis, number {i}" for i in range(num_classes)]
    )


GENUINE = np.linspace(0.4, 1, 50)
FIGURES = {
    "lead sets": lambda: score_by_lead_set(SCORES, "macro AUROC"),
    "one class": lambda: confusion(1),
    "many classes": lambda: confusion(9),
    "search": lambda: identification_scores(GENUINE, GENUINE - 0.5, np.linspace(0.8, 1, 10)),
    "verification": lambda: identification_scores(GENUINE, GENUINE - 0.5),
    "map": lambda: embedding_map(np.arange(40.0).reshape(10, 4) ** 2, ["a long label " * 2] * 10),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_and_bytes_repeat(name, texts_outside):
    first, second = FIGURES[name](), FIGURES[name]()
    content = render(first)
    assert content == render(second)
    assert content == render(first)
    assert texts_outside(first) == []
