import math
import subprocess
import sys

import numpy as np
import pandas
import pytest
import torch

import anylead
from anylead import datasets
from anylead.checkpoint import load_checkpoint
from anylead.commands import prepare
from anylead.errors import (
    AnyleadError,
    CheckpointError,
    FormatError,
    LeadError,
    RecipeError,
)
from anylead.inference import in_memory
from anylead.inference.model import Model
from anylead.inference.sources import StoreSource
from anylead.leads import LEADS
from anylead.loading import evaluation_batches
from anylead.records import Record
from anylead.signals import PreprocessConfig
from anylead.store import Store
from anylead.tasks.linear_head import LinearHead
from anylead.tasks.prediction import predict
from interop import small_models


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return anylead.load(small_models.folder(tmp_path_factory.mktemp("model")), device="cpu")


@pytest.fixture(scope="module")
def records():
    return list(datasets.records("synthetic", num_patients=2, seconds=5.0))


def test_importing_the_package_does_not_import_torch():
    code = "import sys, anylead; print('torch' in sys.modules, anylead.__version__)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("False")


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = anylead.lode


def test_dropout_is_off_and_nothing_wants_a_gradient(model, records):
    assert not any(module.training for module in model.encoder.modules())
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
    assert np.array_equal(model.embed(records[0]), model.embed(records[0]))


def test_a_record_an_array_a_path_and_a_list_give_the_same_vector(model, records, tmp_path):
    record = records[0]
    expected = model.embed(record)
    assert expected.shape == (24,)
    assert expected.dtype == np.float32
    array = model.embed(record.signal, sample_rate=record.sample_rate, leads=record.leads)
    assert np.array_equal(array, expected)
    path = tmp_path / "a.npz"
    named = {"leads": np.array(record.leads), "sample_rate": record.sample_rate, "unit": "mV"}
    np.savez(path, signal=record.signal, **named)
    several = model.embed([path, record, str(path)])
    assert several.shape == (3, 24)
    np.testing.assert_allclose(several, np.stack([expected] * 3), atol=1e-5)


def test_units_are_converted(model, records):
    record = records[0]
    expected = model.embed(record)
    for unit, factor in {"uV": 1e3, "V": 1e-3, "nV": 1e6}.items():
        array = record.signal.astype(np.float64) * factor
        found = model.embed(array, sample_rate=500, leads="12", unit=unit)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_stack_of_recordings_is_a_list(model, records):
    stack = np.stack([record.signal for record in records])
    found = model.embed(stack, sample_rate=500, leads="12")
    np.testing.assert_allclose(found, model.embed(records), atol=1e-6)


def test_without_pooling_frames_cover_the_recording_once(model, records):
    frames = model.embed(records[0], pool=None)  # 5 s in windows of 2 s: the last two overlap
    num_frames = 1250 / 16
    assert frames.shape[1] == 24
    assert abs(len(frames) - num_frames) <= 4
    short = Record(records[0].signal[:, :1000], LEADS, 500.0)
    assert model.embed(short, pool=None).shape == (31, 24)
    np.testing.assert_allclose(
        model.embed(short, pool=None).mean(axis=0), model.embed(short), atol=1e-6
    )
    assert [f.shape[1] for f in model.embed(records[:2], pool=None)] == [24, 24]


def test_layers_are_numbered_from_the_input_of_the_first(model, records):
    last = model.embed(records[0])
    np.testing.assert_allclose(model.embed(records[0], layer=2), last, atol=1e-6)
    np.testing.assert_allclose(model.embed(records[0], layer=-1), last, atol=1e-6)
    assert not np.allclose(model.embed(records[0], layer=0), last)
    with pytest.raises(RecipeError, match="layer 3: this model has 0"):
        model.embed(records[0], layer=3)


def test_max_pooling_is_the_largest_of_the_frames(model, records):
    short = Record(records[0].signal[:, :1000], LEADS, 500.0)
    frames = model.embed(short, pool=None)
    np.testing.assert_allclose(model.embed(short, pool="max"), frames.max(axis=0), atol=1e-6)
    with pytest.raises(RecipeError, match="pool 'median'"):
        model.embed(short, pool="median")


@torch.no_grad()
def test_without_preprocessing_an_array_goes_to_the_encoder_as_it_is(model):
    signal = np.random.default_rng(0).standard_normal((12, 1300)).astype(np.float32)
    found = model.embed(signal, preprocess=False, pool=None)
    expected = model.encoder(torch.from_numpy(signal)[None]).context[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(LeadError, match=r"\(3, 1300\); with preprocess=False want \(12, time\)"):
        model.embed(signal[:3], preprocess=False)
    with pytest.raises(FormatError, match="preprocess=False is for arrays"):
        model.embed("a.dcm", preprocess=False)


def test_predictions_have_names_and_are_what_the_head_says(model, records):
    short = Record(records[0].signal[:, :1000], LEADS, 500.0)
    head = load_checkpoint_head(model)
    expected = model.embed(short).astype(np.float64) @ head[0].T + head[1]
    logits = model.predict(short, logits=True)
    assert list(logits) == list(small_models.LABELS)
    np.testing.assert_allclose(list(logits.values()), expected, atol=1e-5)
    for name, value in model.predict(short).items():
        assert value == pytest.approx(1 / (1 + math.exp(-logits[name])))
    assert len(model.predict([short, short])) == 2


def load_checkpoint_head(model):
    tensors = {
        name: tensor.numpy().astype(np.float64) for name, tensor in model.head.state_dict().items()
    }
    return tensors["weight"], tensors["bias"]


def test_windows_of_a_long_recording_are_joined_as_asked(model, records):
    """4 s are two windows of 2 s that do not overlap, so both can be had alone."""
    record = Record(records[0].signal[:, :2000], LEADS, 500.0)
    ready = model.windows([record])[0]
    first, second = (
        model.logits([type(ready)(ready.signal[i : i + 1], ready.has_lead, ready.start[:1])])[0]
        for i in (0, 1)
    )
    probability = [1 / (1 + np.exp(-value)) for value in (first, second)]
    names = small_models.LABELS
    by_mean = model.predict(record, logits=True)
    by_max = model.predict(record, logits=True, join="max")
    by_probability = model.predict(record, join="mean_probability")
    mixed = model.predict(record, logits=True, join={"LBBB": "max"})
    for i, name in enumerate(names):
        assert by_mean[name] == pytest.approx((first[i] + second[i]) / 2, abs=1e-5)
        assert by_max[name] == pytest.approx(max(first[i], second[i]), abs=1e-5)
        mean = (probability[0][i] + probability[1][i]) / 2
        assert by_probability[name] == pytest.approx(mean, abs=1e-5)
        wanted = by_max if name == "LBBB" else by_mean
        assert mixed[name] == pytest.approx(wanted[name])
    with pytest.raises(RecipeError, match="join 'median'"):
        model.predict(record, join="median")
    with pytest.raises(RecipeError, match="no label of this model"):
        model.predict(record, join={"XYZ": "max"})


def test_fewer_leads_are_the_same_as_leads_that_are_hidden(model, records):
    record = records[0]
    rows = [LEADS.index(name) for name in ("V2", "I", "II")]
    few = Record(record.signal[rows], ("V2", "I", "II"), 500.0)
    np.testing.assert_allclose(
        model.embed(few), model.embed(record, use_leads="I,II,V2"), atol=1e-6
    )
    assert not np.allclose(model.embed(few), model.embed(record))
    with pytest.raises(LeadError, match="none of the wanted V6"):
        model.embed(few, use_leads="V6")


def test_a_saved_model_is_the_same_model(model, records, tmp_path):
    folder = model.save(tmp_path / "copy")
    again = anylead.load(folder, device="cpu")
    assert np.array_equal(again.embed(records[0]), model.embed(records[0]))
    assert again.predict(records[0]) == model.predict(records[0])
    assert "AF" in (folder / "README.md").read_text()
    weights = anylead.load(folder / "model.safetensors", device="cpu")
    assert np.array_equal(weights.embed(records[0]), model.embed(records[0]))


def test_signals_without_voltage_want_a_model_that_normalizes(model, records, tmp_path):
    bare = Record(records[0].signal * 7, LEADS, 500.0, "r1", unit="NU")
    with pytest.raises(FormatError, match="r1: holds no voltage"):
        model.embed(bare)
    other = Model(small_models.checkpoint(normalize="lead"), "cpu")
    np.testing.assert_allclose(other.embed(bare), other.embed(records[0]), atol=1e-5)


SIGNAL = np.random.default_rng(0).standard_normal((12, 3000))
BAD = {
    "an empty list": ([], {}, "an empty list"),
    "no sample rate": (SIGNAL, {"leads": "12"}, "say sample_rate="),
    "a rate that is no number": (
        SIGNAL,
        {"leads": "12", "sample_rate": "x"},
        "want a number of Hz",
    ),
    "no lead names": (SIGNAL, {"sample_rate": 500}, "12 rows without names; say leads="),
    "a row too few": (
        SIGNAL[:11],
        {"sample_rate": 500, "leads": "12"},
        "11 rows and 12 lead names",
    ),
    "turned": (SIGNAL.T, {"sample_rate": 500, "leads": "12"}, r"want \(lead, time\)"),
    "an unknown lead": (SIGNAL[:1], {"sample_rate": 500, "leads": ["Q"]}, "unknown lead 'Q'"),
    "one lead twice": (SIGNAL[:2], {"sample_rate": 500, "leads": "I,I"}, "twice"),
    "no lead of twelve": (SIGNAL[:1], {"sample_rate": 500, "leads": "X"}, "none of the 12"),
    "50 Hz": (SIGNAL, {"sample_rate": 50, "leads": "12"}, "50 Hz is too slow"),
    "no rate at all": (SIGNAL, {"sample_rate": 0, "leads": "12"}, "sample rate 0"),
    "raw integers": (SIGNAL * 3000, {"sample_rate": 500, "leads": "12"}, "say unit="),
    "an unknown unit": (SIGNAL, {"sample_rate": 500, "leads": "12", "unit": "kV"}, "unit 'kV'"),
    "flat": (SIGNAL * 0, {"sample_rate": 500, "leads": "12"}, "missing or constant"),
    "nothing but NaN": (SIGNAL * np.nan, {"sample_rate": 500, "leads": "12"}, "missing"),
    "no samples": (SIGNAL[:, :0], {"sample_rate": 500, "leads": "12"}, "0 samples"),
    "too short": (SIGNAL[:, :40], {"sample_rate": 500, "leads": "12"}, "too short"),
    "text": (np.array([["a"]]), {"sample_rate": 500, "leads": "I"}, "want numbers"),
    "one axis": (SIGNAL[0], {"sample_rate": 500, "leads": "I,II"}, "want numbers"),
    "a missing file": ("nowhere.dcm", {}, "nowhere.dcm"),
    "samples in a list": (
        SIGNAL[0].tolist(),
        {"sample_rate": 500, "leads": "I"},
        "float of float64",
    ),
    "a half layer": (SIGNAL, {"sample_rate": 500, "leads": "12", "layer": 0.5}, "layer 0.5"),
    "a number for leads": (SIGNAL, {"sample_rate": 500, "leads": "12", "use_leads": 3}, "lead 3"),
    "a rate for a file": ("nowhere.dcm", {"sample_rate": 500}, "files and Records have"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(model, name):
    x, options, says = BAD[name]
    with pytest.raises(AnyleadError, match=says) as caught:
        model.embed(x, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"signal": [[0.0] * 500] * 12}, "signal of shape None; want a numpy array"),
        ({"signal": np.zeros(500)}, "recording: 12 lead names"),
        ({"sample_rate": "500"}, "sample rate 500 Hz"),
        ({"unit": "uV"}, "unit 'uV'; want the signal in mV"),
        ({"leads": (*LEADS[:4], "AVL", *LEADS[5:])}, "lead 'AVL'; want 'aVL'"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_when_it_is_made(given, says):
    good = {"signal": np.zeros((12, 500), np.float32), "leads": LEADS, "sample_rate": 500.0}
    with pytest.raises(AnyleadError, match=says):
        Record(**{**good, **given})


def test_a_table_of_leads_and_another_column_names_that(model):
    table = FRAME.assign(resp=1.0)
    with pytest.raises(AnyleadError, match="a table with columns resp: none is called"):
        model.embed(table, **RATE)


def test_an_unknown_precision_is_told():
    with pytest.raises(AnyleadError, match="precision 'fp16'; want fp32, bf16 or auto"):
        anylead.load("ptbxl-small", precision="fp16")


def test_one_bad_recording_in_a_list_is_named(model, records):
    flat = Record(np.zeros((12, 3000), np.float32), LEADS, 500.0, "patient7/3")
    with pytest.raises(FormatError, match="patient7/3"):
        model.embed([records[0], flat])


def test_a_model_without_a_classifier_does_not_predict(records):
    encoder = Model(small_models.checkpoint(kind="pretraining"), "cpu")
    with pytest.raises(CheckpointError, match="has no head to predict with"):
        encoder.predict(records[0])


def test_sources_that_are_no_model_are_one_clear_line(tmp_path, model):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("hello")
    folder = model.save(tmp_path / "good")
    cases = {
        tmp_path / "nowhere": "no such file",
        tmp_path / "empty": "no model.safetensors",
        tmp_path / "a.txt": "no checkpoint|damaged",
        "hf://just-a-name": "want hf://owner/name",
    }
    for source, says in cases.items():
        with pytest.raises(CheckpointError, match=says):
            anylead.load(source)
    with pytest.raises(CheckpointError, match="for foreign files"):
        anylead.load(folder, preset="ecg-fm")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        anylead.load(folder)


def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_its_name():
    made = small_models.checkpoint()
    del made.tensors["encoder.layers.1.norm.weight"]
    with pytest.raises(CheckpointError, match=r"missing layers\.1\.norm\.weight"):
        Model(made, "cpu")


def test_files_of_fairseq_signals_load_directly(golden, records):
    found = anylead.load(
        golden / "tiny_classifier.pt", pretrained=golden / "tiny_pretrain.pt", device="cpu"
    )
    z = np.load(golden / "classifier_ecg_2500.npz")
    with torch.no_grad():
        context = found.embed(z["source"], preprocess=False)
    weight, bias = load_checkpoint_head(found)
    np.testing.assert_allclose(context @ weight.T + bias, z["logits"], atol=1e-4)
    assert next(iter(found.predict(records[0]))) == "output 0"


def test_a_checkpoint_folder_of_ours_can_be_read_alone(tmp_path):
    folder = small_models.folder(tmp_path / "m")
    assert load_checkpoint(folder).description["label_names"] == list(small_models.LABELS)


def test_predictions_are_those_that_evaluate_scores(model, tmp_path):
    """The same store through the loop's own evaluation and through `anylead.load`."""
    store_folder = tmp_path / "store"
    options = {"num_patients": 3, "seconds": 5.0}
    config = PreprocessConfig(sample_rate=250.0)
    prepare.run(prepare.Recipe("synthetic", store_folder, None, options, config, 1))
    store = Store.open(store_folder)
    task = LinearHead(model.encoder, 3, lambda batch: batch)
    task.head.load_state_dict(model.head.state_dict())
    rows = np.arange(store.num_records)
    batches = evaluation_batches(store, rows, 2.0, 4)
    scored = predict(task, batches, torch.device("cpu"))
    source = StoreSource(store)
    windows = [source.read(int(row), model, None)[0] for row in scored.row]
    np.testing.assert_allclose(model.logits(windows), scored.logits, atol=1e-4)


def test_a_model_trained_on_some_leads_looks_at_no_others(records):
    made = small_models.checkpoint()
    made.description["leads"] = "2"
    restricted, free = Model(made, "cpu"), Model(small_models.checkpoint(), "cpu")
    expected = free.embed(records[0], use_leads="I,II")
    np.testing.assert_allclose(restricted.embed(records[0]), expected, atol=1e-6)


def test_bf16_is_near_fp32_and_known_by_another_fingerprint(tmp_path, records):
    folder = small_models.folder(tmp_path)
    exact, reduced = (anylead.load(folder, device="cpu", precision=p) for p in ("fp32", "bf16"))
    expected, found = exact.embed(records), reduced.embed(records)
    error = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert 0 < error.max() < 0.02
    assert exact.fingerprint() != reduced.fingerprint()
    assert reduced.embed(records[0], layer=0).dtype == np.float32


def test_a_table_in_memory_is_read_as_one_in_a_file():
    record = Record(SIGNAL.astype(np.float32), LEADS, 500.0, "r")
    told = {
        "labels": ["AFIB;PVC", np.nan, ["SR"], [], "NaN", 164889003.0],
        "patient_id": [7, "007", 7.0, "nan", None, " 8"],
        "split": ["Train ", "val", None, "TEST", np.nan, "dev"],
        "age": ["63Y", -5, np.nan, "18 months", 41, "x"],
        "sex": ["F", "m", 1, np.nan, None, "female"],
    }
    rows = in_memory.rows_of(pandas.DataFrame({"signal": [record] * 6, **told}))
    found = [row.completed(record) for row in rows]
    assert [each.labels for each in found] == [
        {"labels": ("AFIB", "PVC")}, {}, {"labels": ("SR",)}, {"labels": ()}, {},
        {"labels": ("164889003",)},
    ]  # fmt: skip
    assert [each.patient_id for each in found] == ["7", "7", "7", None, None, "8"]
    assert [each.split for each in found] == ["train", "valid", None, "test", None, "valid"]
    assert [each.age for each in found] == [63, None, None, 1.5, 41, None]
    assert [each.sex for each in found] == ["female", "male", None, None, None, "female"]


@pytest.mark.parametrize("name", ["Patient ID", "subject_id", "MRN"])
def test_a_table_in_memory_tells_persons_under_their_usual_names(name):
    table = pandas.DataFrame({"signal": [SIGNAL] * 2, name: [7, "007"], "Age": [63, 64], "x": 1})
    (first, second) = in_memory.rows_of(table)
    assert first.facts["patient_id"] == second.facts["patient_id"] == "7"
    assert (first.facts["age"], second.facts["age"]) == (63, 64)
    assert in_memory.unused_columns(table) == ["x"]
    assert in_memory.unused_columns(table, "x") == []
    assert in_memory.rows_of(table, "x")[0].facts["measurements"] == {"x": 1}


@pytest.mark.parametrize(
    ("column", "cells", "told"),
    [("labels", [1, 0], "numbers or flags"), ("labels", [0.5, 2.5], "numbers or flags"),
     ("split", ["holdout", "train"], "known are train"), ("patient_id", [1e17, 2], "was rounded"),
     ("sample_rate", ["fast", 500], "want a number of Hz"), ("fold", ["a", 1], "whole number")]
)  # fmt: skip
def test_cells_of_a_table_in_memory_that_cannot_be_meant_are_told(column, cells, told):
    with pytest.raises(AnyleadError, match=told):
        in_memory.rows_of(
            pandas.DataFrame({"signal": [SIGNAL] * 2, column: pandas.Series(cells, dtype=object)})
        )


FRAME = pandas.DataFrame(SIGNAL.T, columns=LEADS)
TIMES = np.arange(3000) / 500
RATE = {"sample_rate": 500}
SAME = {
    "a tensor with a gradient": (torch.tensor(SIGNAL, requires_grad=True), RATE | {"leads": "12"}),
    "names from a generator": (SIGNAL, RATE | {"leads": (lead for lead in LEADS)}),
    "a masked array without masked values": (np.ma.masked_array(SIGNAL), RATE | {"leads": "12"}),
    "units in the names of columns": ((1000 * FRAME).add_suffix(" (uV)"), RATE),
    "units behind a line": ((FRAME / 1000).add_suffix(" [V]"), RATE),
    "nullable columns": (FRAME.astype("Float64"), RATE),
    "a column of times": (FRAME.assign(time=TIMES), {}),
    "times in ms": (FRAME.assign(**{"time (ms)": 1000 * TIMES}), RATE),
    "durations": (FRAME.assign(t=pandas.to_timedelta(TIMES, unit="s")), {}),
    "dates": (FRAME.assign(t=pandas.Timestamp(2020, 1, 1) + pandas.to_timedelta(TIMES, "s")), {}),
    "leads that are those of the columns": (FRAME, RATE | {"leads": "12"}),
}


@pytest.mark.parametrize("name", SAME)
def test_data_in_memory_is_the_same_however_it_is_held(model, name):
    x, options = SAME[name]
    expected = model.embed(SIGNAL, sample_rate=500, leads="12")
    np.testing.assert_allclose(model.embed(x, **options), expected, atol=2e-5)


def test_masked_samples_are_missing_samples(model):
    is_masked = np.zeros(SIGNAL.shape, bool)
    is_masked[3, 100:200] = True
    masked = np.ma.masked_array(SIGNAL, is_masked)
    missing = np.where(is_masked, np.nan, SIGNAL)
    told = {"sample_rate": 500, "leads": "12"}
    np.testing.assert_array_equal(model.embed(masked, **told), model.embed(missing, **told))


def test_a_table_says_of_each_array_its_rate_leads_and_unit(model):
    table = pandas.DataFrame(
        {"signal": [SIGNAL, 1e-3 * SIGNAL[:2], SIGNAL[[1, 0]]], "fs": [500, 500, 250],
         "leads": ["12", "I;II", ["II", "I"]], "unit": ["mV", "V", None]}
    )  # fmt: skip
    expected = [
        model.embed(SIGNAL, sample_rate=500, leads="12"),
        model.embed(SIGNAL[:2], sample_rate=500, leads="I,II"),
        model.embed(SIGNAL[:2], sample_rate=250, leads="I,II"),
    ]
    np.testing.assert_allclose(model.embed(table), expected, atol=2e-5)


ROW = pandas.DataFrame({"signal": [SIGNAL[:2]]})
CONTRADICTED = {
    "names without an order": (SIGNAL, RATE | {"leads": set(LEADS)}, "have no order"),
    "a number for names": (SIGNAL, RATE | {"leads": 12}, "want names"),
    "no name": (SIGNAL[:2], RATE | {"leads": ["I", None]}, "lead None; want names"),
    "other names than the columns": (FRAME, RATE | {"leads": LEADS[::-1]}, "leave out leads="),
    "another unit than the columns": (
        FRAME.add_suffix(" (mV)"),
        RATE | {"unit": "uV"},
        "leave out unit=",
    ),
    "columns that are no voltage": (FRAME.add_suffix(" (bpm)"), RATE, "want mV, uV or V"),
    "another rate than the times": (FRAME.assign(time=TIMES), {"sample_rate": 250}, "500"),
    "a unit for each row": (SIGNAL, RATE | {"leads": "12", "unit": ["mV"] * 12}, "want one for"),
    "a number for used leads": (SIGNAL, RATE | {"leads": "12", "use_leads": 12}, "lead 12; want"),
    "rows for used leads": (SIGNAL, RATE | {"leads": "12", "use_leads": [0, 1]}, "lead 0; want"),
    "a mask of used leads": (
        SIGNAL,
        RATE | {"leads": "12", "use_leads": np.ones(12, bool)},
        "True_?; want names",
    ),
    "a layer by a name": (SIGNAL, RATE | {"leads": "12", "layer": "last"}, "layer last"),
    "another rate than its row": (ROW.assign(fs=250), RATE, "sample_rate 250.0 in its row, but"),
    "other leads than its row": (
        ROW.assign(leads="V1,V2"),
        RATE | {"leads": "I,II"},
        r"leads \('V1', 'V2'\) in its row",
    ),
    "another unit than its row": (
        ROW.assign(unit="uV"),
        RATE | {"leads": "I,II", "unit": "V"},
        "unit uV in its row, but unit=V",
    ),
    "missing, to be taken as it is": (SIGNAL * np.nan, {"preprocess": False}, "fill these first"),
}


@pytest.mark.parametrize("name", CONTRADICTED)
def test_what_contradicts_itself_is_refused(model, name):
    x, options, says = CONTRADICTED[name]
    with pytest.raises(AnyleadError, match=says):
        model.embed(x, **options)


def test_what_is_said_in_a_row_and_for_all_may_agree(model):
    table = ROW.assign(fs=500, leads="I,II", unit="uV")
    told = {"sample_rate": 500, "leads": ["I", "II"], "unit": "uV"}
    np.testing.assert_array_equal(model.embed(table, **told), model.embed(table))


@pytest.mark.parametrize("given", [{"source": None}, {"precision": "fp8"}])
def test_what_no_model_can_be_is_told(given):
    with pytest.raises(AnyleadError, match=r"None; want a name|'fp8'; want fp32, bf16 or auto"):
        anylead.load(**{"source": "synthetic-tiny"} | given)


def test_a_wfdb_record_without_units_is_told(model):
    wfdb = pytest.importorskip("wfdb")
    bare = wfdb.Record(p_signal=SIGNAL.T, sig_name=list(LEADS), units=[None] * 12, fs=500)
    with pytest.raises(FormatError, match="without units"):
        model.embed(bare)
