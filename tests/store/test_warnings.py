"""What a finished store warns of; `prepare` prints it for every adapter."""

from types import SimpleNamespace

import numpy as np
import pytest

from anylead.errors import StoreError
from anylead.store.warnings import store_warnings


def labelled(positive, is_known=None, names=("AF", "SR")):
    """As a store with one task; a row for each recording, a column for each class."""
    positive = np.array(positive, dtype=bool)
    is_known = np.ones_like(positive) if is_known is None else np.array(is_known, dtype=bool)
    return SimpleNamespace(
        manifest=SimpleNamespace(label_names={"rhythm": names}),
        labels=lambda task: (positive, is_known),
        split_rows=dict,
    )


@pytest.mark.parametrize(
    ("positive", "is_known", "warnings"),
    [
        ([[1, 0], [0, 1]], None, []),
        ([[0, 0], [0, 0]], [[0, 0], [0, 0]], ["no recording is labelled"]),
        ([[0, 0], [0, 0]], None, ["no recording has any of its 2 labels"]),
        ([[0, 1], [0, 0]], None, ["no positive recording of AF"]),
        ([[1, 0], [1, 1]], None, ["no negative recording of AF"]),
        ([[1, 0], [0, 1]], [[1, 0], [0, 1]], ["no negative recording of AF, SR"]),
        ([[1, 0], [1, 0]], None, ["no positive recording of SR", "no negative recording of AF"]),
    ],
)
def test_labels_that_cannot_be_learnt_are_named(positive, is_known, warnings):
    found = store_warnings(labelled(positive, is_known))
    assert found == [f"task rhythm: {words}" for words in warnings]


def test_of_many_labels_ten_are_named():
    names = tuple(f"class{number}" for number in range(30))
    positive = np.zeros((4, 30), dtype=bool)
    positive[0, 0] = True
    (found,) = store_warnings(labelled(positive, names=names))
    assert found.endswith("class10, ...")
    assert found.count(",") == 10


def test_a_split_that_shares_patients_is_told_beside_the_labels():
    store = labelled([[0, 1], [0, 0]])

    def refuse():
        raise StoreError("its own split has 1 patient on several sides")

    store.split_rows = refuse
    assert store_warnings(store) == [
        "task rhythm: no positive recording of AF",
        "its own split has 1 patient on several sides",
    ]
