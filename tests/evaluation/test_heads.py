"""What `evaluate` scores is what the model answers, however it joins windows."""

import numpy as np
import pytest

import anylead
import fitted_model
from anylead.checkpoint import Checkpoint
from anylead.evaluation import Settings
from anylead.evaluation.heads import open_head
from anylead.inference.model import Model
from anylead.inference.windows import JOINS


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("heads") / "store"
    made = list(fitted_model.recordings()[:12])
    wanted = fitted_model.checkpoint().description["preprocess"]
    return anylead.prepare(records=made, out=out, preprocess=wanted)


@pytest.mark.parametrize("leads", ["12", "I,V2"])
@pytest.mark.parametrize("join", [*JOINS, {"AFIB": "max", "SR": "mean_probability"}, None])
def test_windows_are_joined_as_the_model_joins_them(join, leads, store, tmp_path):
    told = {"segment_seconds": 2.0, **({"join": join} if join else {})}
    known = fitted_model.checkpoint()
    checkpoint = Checkpoint(known.tensors, {**known.description, **told})
    settings = Settings(store=str(store.location), split="all", device="cpu")
    found = open_head(tmp_path, checkpoint, settings).predict(leads)

    model = Model(checkpoint, "cpu")
    by_id = {record.record_id: record for record in fitted_model.recordings()}
    records = [by_id[name] for name in store.record_id[found.row]]
    expected = model.logits(model.windows(records, leads))
    np.testing.assert_allclose(found.logits, expected, atol=1e-3)
