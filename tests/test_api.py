"""`anylead.prepare(...)` and the like: the commands as functions."""

import subprocess
import sys

import numpy as np
import pandas
import pytest
import wfdb
from scipy.special import expit

import anylead
import anylead.notebook
import api_stub
import fitted_model
from anylead.commands.finetune import ModelConfig
from anylead.datasets import synthetic
from anylead.errors import AnyleadError, FormatError
from corpora import write_wfdb

SMALLEST = {"dim": 16, "num_layers": 1, "ffn_dim": 16, "conv_pos_kernel": 8}
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
    encoder = {"size": "tiny", "overrides": SMALLEST}
    return anylead.pretrain(store, out=out, encoder=encoder, train=TINY)


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
        anylead.finetune(store, model=way, out=tmp_path / str(i), threshold_sets="1",
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


@pytest.fixture(scope="module")
def model():
    return fitted_model.model()


def as_frame(records):
    return pandas.DataFrame(
        {"signal": [record.signal for record in records], "sample_rate": fitted_model.RATE,
         "record_id": [f"r{i}" for i in range(len(records))], "patient_id": "one"}
    )  # fmt: skip


@pytest.mark.parametrize(
    "form",
    [
        list,
        lambda records: (record for record in records),
        lambda records: [record.signal for record in records],
        lambda records: np.stack([record.signal for record in records]),
        as_frame,
    ],
    ids=["records", "generator", "arrays", "stack", "frame"],
)
def test_recordings_from_memory_give_what_records_give(model, form):
    records = list(fitted_model.recordings()[:3])
    given = form(records)
    has_arrays = not isinstance(given, list) or not isinstance(given[0], anylead.Record)
    is_generator = not isinstance(given, list | np.ndarray | pandas.DataFrame)
    told = {"sample_rate": fitted_model.RATE, "channels": "12"}
    found = anylead.predict(given, model, **(told if has_arrays and not is_generator else {}))
    wanted = model.predict(records)
    for label in fitted_model.LABELS:
        expected = [row[label] for row in wanted]
        assert found[f"probability.{label}"].tolist() == pytest.approx(expected)
    assert set(found["model"]) == {"model in memory"}


def test_a_frame_with_leads_as_columns_is_one_recording(model):
    record = fitted_model.recordings()[0]
    frame = pandas.DataFrame(record.signal.T, columns=list(record.leads))
    found = anylead.embed(frame, model, sample_rate=record.sample_rate)
    assert found.filter(like="ecg").shape == (1, model.dim)
    np.testing.assert_allclose(
        found.filter(like="ecg").to_numpy()[0], model.embed(record), atol=1e-5
    )


def test_a_table_without_recordings_says_what_it_wants(model):
    with pytest.raises(AnyleadError, match="columns age, sex: none is called signal"):
        anylead.embed(pandas.DataFrame({"age": [1], "sex": ["x"]}), model)


def test_records_of_wfdb_and_raw_data_of_mne_are_read_in_their_units(model):
    record = fitted_model.recordings()[0]
    ours = model.predict(record)
    theirs = wfdb.Record(record_name="a", fs=record.sample_rate, sig_name=list(record.leads),
                         units=["uV"] * 12, p_signal=1000.0 * record.signal.T)  # fmt: skip
    assert model.predict(theirs) == pytest.approx(ours, abs=1e-4)

    class Raw:  # stands for mne.io.RawArray: volts, names, rate
        ch_names, info = list(record.leads), {"sfreq": record.sample_rate}

        def get_data(self):
            return record.signal / 1e3

    Raw.__module__ = "mne.io.array"
    assert model.predict(Raw()) == pytest.approx(ours, abs=1e-4)


EEG = ["Fp1", "C3", "C4", "O1"]


@pytest.mark.parametrize("names", [EEG, ["C1", "C2", "C3", "C4"], ["D1", "D2", "Fz", "C3"]])
def test_an_eeg_is_no_ecg_in_memory_either(names, model):
    samples = np.zeros((4, 1000))
    raw = type("Raw", (), {"ch_names": names, "info": {"sfreq": 100.0},
                           "get_data": lambda self: samples / 1e3})()  # fmt: skip
    type(raw).__module__ = "mne.io.array"
    record = wfdb.Record(record_name="a", fs=100, sig_name=names, units=["mV"] * 4,
                         p_signal=samples.T)  # fmt: skip
    for eeg in (raw, record, pandas.DataFrame(samples.T, columns=names)):
        with pytest.raises(AnyleadError, match="lead"):
            model.predict(eeg, **({} if eeg is raw or eeg is record else {"sample_rate": 100.0}))
    with pytest.raises(AnyleadError, match=r"lead '(Fp1|C1|D1|Fz)'"):
        model.predict(samples, leads=names, sample_rate=100.0)


def test_the_ecg_beside_an_eeg_is_what_is_taken(model):
    record = fitted_model.recordings()[0]
    beside = [*EEG, "ECG II"]
    samples = np.concatenate([np.ones((4, record.signal.shape[1])), record.signal[1:2]])
    given = wfdb.Record(record_name="a", fs=record.sample_rate, sig_name=beside,
                        units=["mV"] * 5, p_signal=samples.T)  # fmt: skip
    expected = model.predict(record, use_leads="II")
    assert model.predict(given) == pytest.approx(expected, abs=1e-5)


def test_c1_to_c6_are_chest_leads_beside_limb_leads(model):
    record = fitted_model.recordings()[0]
    names = ["I", "II", *(f"C{i}" for i in range(1, 7))]
    rows = [record.leads.index(name.replace("C", "V")) for name in names]
    given = {"leads": names, "sample_rate": record.sample_rate}
    kept = model.predict(record, use_leads="I,II,V1,V2,V3,V4,V5,V6")
    assert model.predict(record.signal[rows], **given) == pytest.approx(kept, abs=1e-5)


def test_a_store_from_memory_holds_the_recordings_and_is_not_mistaken_for_another(tmp_path):
    frame = as_frame(fitted_model.recordings()[:3]).assign(labels=[["AFIB", "STE"], [], "SR"])
    store = anylead.prepare(records=frame, channels="12", out=tmp_path / "store",
                            preprocess={"sample_rate": 100})  # fmt: skip
    assert store.record_id.tolist() == ["r0", "r1", "r2"]
    hot, is_labelled = store.labels("labels")
    assert is_labelled.all()
    assert hot.sum() == 3
    frame.loc[0, "signal"][0, 0] += 1
    with pytest.raises(AnyleadError, match="other settings"):
        anylead.prepare(records=frame, channels="12", out=tmp_path / "store",
                        preprocess={"sample_rate": 100})  # fmt: skip


def test_a_result_is_the_same_in_every_form_of_file(tmp_path):
    files = [tmp_path / f"{i}.npz" for i in range(2)]
    for file, record in zip(files, fitted_model.recordings(), strict=False):
        named = {"leads": list(record.leads), "sample_rate": fitted_model.RATE, "unit": "mV"}
        np.savez(file, signal=record.signal, **named)
    for verb in (anylead.predict, anylead.embed):
        frames = [
            verb(files, fitted_model.folder(), out=tmp_path / f"{verb.__name__}{ending}")
            for ending in (".parquet", ".csv", ".json", ".jsonl")
        ]
        for frame in frames:
            assert list(frame.columns) == list(frames[0].columns)
            numbers = frame.select_dtypes("number").to_numpy()
            np.testing.assert_allclose(numbers, frames[0].select_dtypes("number"), atol=1e-5)
        with pytest.raises(AnyleadError, match=r"ending '.xls'; want one of .parquet"):
            verb(files, fitted_model.folder(), out=tmp_path / "a.xls")


def test_a_model_by_its_name_or_folder_and_on_the_hub(monkeypatch, tmp_path):
    folder = fitted_model.folder()
    asked = []

    def pull(address):
        asked.append(address)
        return folder

    monkeypatch.setattr("anylead.interop.hub.pull", pull)
    record = fitted_model.recordings()[0]
    expected = anylead.load(folder).predict(record)
    for source in (folder, str(folder), "some-one/ecg.model-2", "hf://some-one/ecg.model-2"):
        assert anylead.Model.from_pretrained(source).predict(record) == expected
    assert asked == ["hf://some-one/ecg.model-2"] * 2
    monkeypatch.chdir(folder.parent.parent)
    anylead.Model.from_pretrained(str(folder.relative_to(folder.parent.parent)))
    assert len(asked) == 2  # a folder that is there is not looked for on the hub


def test_a_recording_draws_itself_and_is_saved(tmp_path):
    record = fitted_model.recordings()[0]
    drawing = record.plot(leads="2", seconds=3)
    assert drawing._repr_svg_().startswith("<?xml") and "<svg" in drawing._repr_svg_()
    assert drawing.save(tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(AnyleadError, match="gif"):
        drawing.save(tmp_path / "page.gif")


def test_stores_and_models_show_themselves_in_a_notebook(store):
    told = store._repr_html_()
    assert "recordings" in told and "labels: rhythm" in told and "AFIB" in told and "age" in told
    said = fitted_model.model()._repr_html_()
    assert "classification, vectors of 48" in said and "training data not stated" in said
    assert "<script" not in anylead.notebook.table("<script>", {"<script>": "<script>"})


def test_columns_of_a_table_that_nothing_is_read_from_are_told(tmp_path, capsys):
    frame = pandas.DataFrame({"signal": [fitted_model.recordings()[0].signal], "dx": "AFIB"})
    arrays = {"sample_rate": fitted_model.RATE, "channels": "12"}
    anylead.prepare(records=frame, out=tmp_path / "store", **arrays)
    assert "warning: columns of the table that nothing is read from: dx" in capsys.readouterr().err


def test_a_table_tells_measurements_and_those_are_learned(tmp_path):
    frame = pandas.DataFrame(
        {
            "signal": [record.signal for record in fitted_model.recordings()[:4]],
            "LVEF": [55, None, 61.5, float("inf")],
            "secret": [1, 2, 3, 4],
        }
    )
    arrays = {"sample_rate": fitted_model.RATE, "channels": "12"}
    made = anylead.prepare(
        records=frame, out=tmp_path / "store", measurements=["LVEF"],
        preprocess={"sample_rate": 100}, **arrays,
    )  # fmt: skip
    assert made.measurement_names == ("LVEF",)
    np.testing.assert_array_equal(made.measurement("LVEF"), [55, np.nan, 61.5, np.nan])
    with pytest.raises(AnyleadError, match="no column 'EF'"):
        anylead.prepare(records=frame, out=tmp_path / "s2", measurements=["EF"], **arrays)
    with pytest.raises(AnyleadError, match="no number"):
        anylead.prepare(
            records=frame.assign(LVEF="low"), out=tmp_path / "s3", measurements=["LVEF"], **arrays
        )


@pytest.fixture
def named_records(tmp_path):
    """Two files that can be read, and one that cannot."""
    records = synthetic.records(num_patients=2, records_per_patient=1, seconds=10, seed=4)
    for name, record in zip("ab", records, strict=True):
        write_wfdb(tmp_path / name, record)
    (tmp_path / "broken.edf").write_text("hello")
    return tmp_path


def test_what_python_says_is_what_the_command_line_says_calibrated_and_by_leads(named_records):
    model = anylead.load("ptbxl-small")
    for leads in ("12", "II"):
        table = anylead.predict(named_records / "a.hea", model, leads=leads)
        answer = model.answer(named_records / "a", use_leads=leads)
        said = model.predict(named_records / "a", use_leads=leads)
        assert said == pytest.approx(dict(answer.probabilities), abs=1e-12)
        limits = model.thresholds(leads)
        decided = {name: limits[name] for name in answer.thresholds}
        assert decided == pytest.approx(dict(answer.thresholds), abs=1e-12)
        written = {name: table[f"probability.{name}"].item() for name in said}
        assert said == pytest.approx(written, abs=1e-6)
        plain = model.predict(named_records / "a", use_leads=leads, logits=True)
        assert not np.allclose(expit([*plain.values()]), [*said.values()], atol=0.01)


def test_leads_are_text_or_a_list(named_records):
    one, *others = (
        anylead.predict(named_records / "a.hea", leads=leads)
        for leads in ("I,V2", ["I", "V2"], np.array(["I", "V2"]), pandas.Index(["I", "V2"]))
    )
    assert all(one.equals(other) for other in others)


def test_one_lead_is_an_array_of_one_dimension():
    model = anylead.load("ptbxl-small")
    (record,) = synthetic.records(num_patients=1, records_per_patient=1, seconds=10, seed=4)
    wanted = model.predict(record.signal[:1], leads=["I"], sample_rate=500)
    assert model.predict(record.signal[0], leads="I", sample_rate=500) == wanted
    with pytest.raises(FormatError, match=r"\(time,\) and the name of its lead"):
        model.predict(record.signal[0], leads="12", sample_rate=500)
    with pytest.raises(FormatError, match=r"\(time,\) and the name of its lead"):
        model.predict(record.signal[0], sample_rate=500)


def test_recordings_without_a_row_are_named_since_no_file_names_them(named_records, capsys):
    with pytest.warns(UserWarning, match=r"^1 recordings left out: .*broken\.edf: .+") as caught:
        table = anylead.predict(named_records, "ptbxl-small")
    assert len(table) == 2 and caught[0].filename == __file__
    assert capsys.readouterr() == ("", "")
    out = named_records / "rows.csv"
    anylead.predict([named_records / "a.hea", named_records / "broken.edf"], out=out)
    assert "left out (see" in capsys.readouterr().err
    assert "broken.edf" in (named_records / "rows.rejected.csv").read_text()
