import pytest

from anylead.checkpoint import Checkpoint
from anylead.evaluation.scores import Settings, open_store
from synthetic_store import store_folder


@pytest.mark.parametrize(("is_own", "expected"), [(True, "folds:9:10"), (False, "auto")])
def test_the_split_of_the_training_holds_for_its_own_store_only(is_own, expected):
    own, other = str(store_folder()), str(store_folder(num_patients=10))
    recipe = {"data": {"store": own, "scheme": "folds:9:10"}}
    checkpoint = Checkpoint({}, {"provenance": {"recipe": recipe}})
    store, scheme = open_store(checkpoint, Settings(store=own if is_own else other))
    assert scheme == expected
    assert str(store.location) == (own if is_own else other)
