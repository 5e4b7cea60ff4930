"""`anylead.prepare(...)` and the like: the commands as functions."""

import subprocess
import sys

import numpy as np
import pytest

import anylead
import api_stub
from anylead.commands.finetune import ModelConfig
from anylead.errors import AnyleadError

TINY = {"steps": 2, "batch_size": 8, "is_quiet": True, "device": "cpu"}
SMALL = {"num_patients": 20, "records_per_patient": 1, "seconds": 5}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("api") / "store"
    return anylead.prepare(
        "synthetic", out=out, options=SMALL, preprocess={"sample_rate": 100}, num_workers=1
    )


@pytest.fixture(scope="module")
def base(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("api") / "base"
    return anylead.pretrain(store, out=out, encoder={"size": "tiny"}, train=TINY)


def test_every_public_name_is_there_and_in_dir():
    assert set(anylead.__all__) <= set(dir(anylead))
    assert all(getattr(anylead, name) is not None for name in anylead.__all__)
    assert anylead.leads.LEAD_SETS["2"] == ("I", "II")


def test_reading_and_preparing_need_no_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; import anylead;"
        f"store = anylead.prepare('synthetic', out={str(tmp_path / 'store')!r}, num_workers=1,"
        " options={'num_patients': 1, 'seconds': 2}); print(store.num_records)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "2"


def test_the_types_are_those_of_the_recipes():
    assert api_stub.STUB.read_text(encoding="utf-8") == api_stub.stub(), api_stub.COMMAND


def test_a_store_a_model_a_dict_and_a_dataclass_go_where_a_command_wants_a_path(
    store, base, tmp_path
):
    ways = (base, base.source, {"checkpoint": base}, ModelConfig(checkpoint=str(base.source)))
    models = [
        anylead.finetune(store, model=way, out=tmp_path / str(i),
                         train=TINY)
        for i, way in enumerate(ways)
    ]  # fmt: skip
    record = next(iter(anylead_records()))
    answers = [model.predict(record) for model in models]
    assert all(each == answers[0] for each in answers)
    scores = anylead.evaluate(models[0], num_resamples=5, lead_sets="12 1")
    assert set(scores["leads"]) == {"12", "1"}
    assert scores["value"].between(0, 1).all()


def test_a_model_that_lies_nowhere_is_written_down_for_a_command(store, base, tmp_path):
    base = anylead.load(base.source, device="cpu")
    base.see_only("1")
    assert base.source is None
    run = anylead.pretrain(store, checkpoint=base, out=tmp_path / "run", train=TINY, leads="1",
                           )  # fmt: skip
    assert run.source == tmp_path / "run"


def test_a_wrong_field_is_told_as_on_the_command_line(store):
    with pytest.raises(AnyleadError, match="outt"):
        anylead.pretrain(store, outt="x")
    with pytest.raises(AnyleadError, match="epochs"):
        anylead.pretrain(store, train={"epochs": "many"})


def test_a_folder_is_prepared_as_a_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    signal = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    np.savez(tmp_path / "mine" / "a.npz", signal=signal, leads=["I", "II"], sample_rate=250.0,
             unit="mV")  # fmt: skip
    store = anylead.prepare(tmp_path / "mine", out=tmp_path / "store", num_workers=1)
    assert store.num_records == 1
    assert anylead.read(tmp_path / "mine" / "a.npz").leads == ("I", "II")


def anylead_records():
    from anylead import datasets

    return datasets.records("synthetic", **SMALL)
