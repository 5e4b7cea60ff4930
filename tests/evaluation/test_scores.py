from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError
from anylead.evaluation.scores import Settings, find_runs, open_store, quality_table
from anylead.inference.named import FOLDER
from anylead.signals.quality import Quality
from synthetic_store import store_folder


@pytest.mark.parametrize(("is_own", "expected"), [(True, "folds:9:10"), (False, "auto")])
def test_the_split_of_the_training_holds_for_its_own_store_only(is_own, expected):
    own, other = str(store_folder()), str(store_folder(num_patients=10))
    recipe = {"data": {"store": own, "scheme": "folds:9:10"}}
    checkpoint = Checkpoint({}, {"provenance": {"recipe": recipe}})
    store, scheme = open_store(checkpoint, Settings(store=own if is_own else other), Path("run"))
    assert scheme == expected
    assert str(store.location) == (own if is_own else other)


def test_quality_counts_recordings_and_not_leads():
    quality = np.zeros((4, 12), dtype=np.uint16)
    quality[0, :3] = Quality.FLAT
    quality[1, 5] = Quality.FLAT | Quality.LOST
    quality[3, 0] = Quality.LOST
    table = quality_table(SimpleNamespace(quality=quality), np.array([0, 1, 2]))
    assert {row["flag"]: row["recordings"] for row in table} == {"flat": 2, "lost": 1}


def test_a_model_of_the_box_is_found_by_its_name_unless_a_folder_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_runs("ptbxl-small") == [FOLDER / "ptbxl-small"]
    (tmp_path / "ptbxl-small").mkdir()
    (tmp_path / "ptbxl-small" / "model.safetensors").touch()
    assert find_runs("ptbxl-small") == [Path("ptbxl-small")]
    with pytest.raises(RecipeError, match="no-such-model"):
        find_runs("no-such-model")


def test_a_model_without_a_store_of_its_own_asks_for_one():
    handed_on = Checkpoint({}, {"provenance": {"recipe": {"data": {"scheme": "auto"}}}})
    with pytest.raises(RecipeError, match="--store"):
        open_store(handed_on, Settings(), Path("run"))
