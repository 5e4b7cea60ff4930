import json
import os
import signal
from time import sleep

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from rich.console import Console

import anylead
from anylead import datasets
from anylead.commands import convert, export
from anylead.errors import CheckpointError, RecipeError
from anylead.models import hubert_ecg, st_mem
from interop import small_models
from interop.published_layouts import LAYOUTS

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    knowing = {"completes_limb_leads": True, "knows_leads": True, "kind": "pretraining"}
    return {
        "classifier": str(small_models.folder(tmp_path_factory.mktemp("a"))),
        "knowing": str(small_models.folder(tmp_path_factory.mktemp("b"), **knowing)),
    }


def run(folder, out, **settings):
    return export.run(export.Recipe(folder, out, **settings), QUIET)


@pytest.fixture(scope="module")
def classifier_onnx(folders, tmp_path_factory):
    return run(folders["classifier"], tmp_path_factory.mktemp("onnx") / "m.onnx")


def test_onnxruntime_gives_the_embedding_and_the_logits_of_any_batch_and_length(
    folders, classifier_onnx
):
    model = anylead.load(folders["classifier"], device="cpu")
    session = onnxruntime.InferenceSession(str(classifier_onnx.path))
    assert [i.name for i in session.get_inputs()] == ["signal"]
    for batch, time in ((1, 500), (4, 320), (2, 777)):
        signal = np.random.default_rng(time).standard_normal((batch, 12, time)).astype(np.float32)
        embedding, logits = session.run(None, {"signal": signal})
        expected = model.embed(list(signal), preprocess=False)
        np.testing.assert_allclose(embedding, expected, atol=1e-4)
        head = model.head.weight.numpy(), model.head.bias.numpy()
        np.testing.assert_allclose(logits, expected @ head[0].T + head[1], atol=1e-4)
    assert classifier_onnx.difference < export.LARGEST_DIFFERENCE


def test_a_recording_can_be_fed_by_the_metadata_alone(folders, classifier_onnx):
    """What a program without anylead would do: read the metadata, prepare the signal, sigmoid."""
    said = json.loads(
        {p.key: p.value for p in onnx.load(classifier_onnx.path).metadata_props}["anylead"]
    )
    assert said["preprocess"]["sample_rate"] == 250.0
    assert said["label_names"] == list(small_models.LABELS)
    record = next(datasets.records("synthetic", num_patients=1, seconds=2.0, sample_rate=250.0))
    rows = [record.leads.index(name) for name in said["leads"]]
    session = onnxruntime.InferenceSession(str(classifier_onnx.path))
    _, logits = session.run(None, {"signal": record.signal[rows][None]})
    found = dict(zip(said["label_names"], 1 / (1 + np.exp(-logits[0])), strict=True))
    model = anylead.load(folders["classifier"], device="cpu")
    assert found == pytest.approx(model.predict(record), abs=1e-4)


def test_an_encoder_that_looks_at_which_leads_there_are_gets_them(folders, tmp_path):
    made = run(folders["knowing"], tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(made.path))
    assert [i.name for i in session.get_inputs()] == ["signal", "has_lead"]
    signal = np.random.default_rng(0).standard_normal((1, 12, 500)).astype(np.float32)
    has_lead = np.zeros((1, 12), bool)
    has_lead[:, [0, 1, 7]] = True
    signal = signal * has_lead[:, :, None]
    (embedding,) = session.run(None, {"signal": signal, "has_lead": has_lead})
    model = anylead.load(folders["knowing"], device="cpu")
    np.testing.assert_allclose(embedding[0], model.embed(signal[0], preprocess=False), atol=1e-4)


@pytest.mark.parametrize(("precision", "largest"), [("fp16", 0.02), ("int8", 0.4)])
def test_smaller_numbers_state_what_they_differ_by(folders, tmp_path, precision, largest):
    made = run(folders["classifier"], tmp_path / "m.onnx", precision=precision)
    said = json.loads({p.key: p.value for p in onnx.load(made.path).metadata_props}["anylead"])
    assert said["precision"] == precision
    assert said["difference"] == made.difference
    assert 0 < made.relative < largest
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


@torch.no_grad()
def test_a_torch_export_gives_the_same_and_carries_its_metadata(folders, tmp_path):
    made = run(folders["knowing"], tmp_path / "m.pt2", format="torch")
    extra = {"anylead.json": ""}
    program = torch.export.load(made.path, extra_files=extra).module()
    assert json.loads(extra["anylead.json"])["preprocess"]["sample_rate"] == 250.0
    model = anylead.load(folders["knowing"], device="cpu")
    signal = torch.randn(3, 12, 640)
    found = program(signal, torch.ones(3, 12, dtype=torch.bool))[0]
    np.testing.assert_allclose(
        found, model.embed(list(signal.numpy()), preprocess=False), atol=1e-4
    )
    assert made.difference < export.LARGEST_DIFFERENCE


@pytest.mark.parametrize("kind", ["hubert_ecg", "st_mem"])
def test_what_an_encoder_keeps_is_not_of_the_export(kind, tmp_path):
    """Their filters are made once in a process: here within the export, and used behind it."""
    for module in (hubert_ecg, st_mem):
        for kept in (getattr(module, name) for name in dir(module)):
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()
    path = tmp_path / "weights.pth"
    torch.save(LAYOUTS[kind](), path)
    convert.run(convert.Recipe(str(path), tmp_path / "model", preset=kind), QUIET)
    made = run(str(tmp_path / "model"), tmp_path / "m.pt2", format="torch")
    assert made.difference < export.LARGEST_DIFFERENCE


def test_an_export_that_differs_is_not_written(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(CheckpointError, match="nothing was written"):
        run(folders["classifier"], tmp_path / "m.pt2", format="torch")
    assert not list(tmp_path.iterdir())


def test_exports_into_one_file_at_once_do_not_share_what_is_unfinished(
    folders, tmp_path, monkeypatch
):
    out, real = tmp_path / "m.pt2", torch.export.save
    said = []

    def slow(program, file, **options):
        real(program, file, **options)
        if not said:  # while the first writes, another begins and ends
            said.append("first")
            run(folders["classifier"], out, format="torch")
            said.append(out.stat().st_size)

    monkeypatch.setattr(torch.export, "save", slow)
    run(folders["classifier"], out, format="torch")
    assert out.stat().st_size == said[1]
    assert list(tmp_path.iterdir()) == [out]


def test_torch_export_has_one_precision(folders, tmp_path):
    with pytest.raises(RecipeError, match="only --format onnx"):
        run(folders["classifier"], tmp_path / "m.pt2", format="torch", precision="int8")


def test_ctrl_c_that_torch_turns_into_another_error_is_ctrl_c(folders, tmp_path, monkeypatch):
    def torn(*arguments, **options):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            sleep(10)
        except BaseException:
            raise AttributeError("partially initialized module") from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(torch.onnx, "export", torn)
        with pytest.raises(KeyboardInterrupt):
            run(folders["classifier"], tmp_path / "m.onnx")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list(tmp_path.iterdir())
